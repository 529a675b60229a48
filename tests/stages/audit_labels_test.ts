import assert from "node:assert/strict";
import { join } from "node:path";
import { readCsv } from "../../packages/formats/csv.ts";
import { readNpy, writeNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import auditLabels from "../../stages/auditLabels.ts";
import sharp from "sharp";
import { pngName, shardName, writeFaceRows } from "../../faces/detection/faces_artifact.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import { temporaryFolder } from "../temporary_folder.ts";
import { testArtifact, testContext } from "../context.ts";
import { preprocessing, writeDataset } from "./training_data.ts";

const people = Array.from({ length: 80 }, (_, i) => ({ age: (i * 37) % 90, gender: i % 2 }));
const quick = {
  network: { use: "plain", blocks: [[6], [8]], dense: [12] },
  batchSize: 10,
  folds: 2,
  batchNormMomentum: 0.5,
  epochs: 10,
  learningRate: 0.03,
  earlyStopping: { patience: 10 },
};
const FLIPPED = [5, 30, 61];

async function audit(
  params: Record<string, unknown> = {},
  folder?: string,
  change?: (images: Uint8Array, each: number) => void,
  faces: Artifact[] = [],
) {
  const context = testContext(auditLabels, { compute: "wasm", ...folder && { folder } });
  const dataset = await writeDataset(
    join(context.folder, "dataset"),
    people,
  );
  if (change) {
    const file = join(dataset.path, "images.npy"), { data, shape } = readNpy(file, "uint8");
    change(data, data.length / people.length);
    writeNpy(file, data, shape);
  }
  const table = join(dataset.path, "table.parquet");
  const { gender, age, ...rest } = await readParquet(table);
  // The images show the labels before some of them are flipped.
  await writeParquet(table, {
    gender: {
      type: "int32",
      values: gender.map((g, i) => FLIPPED.includes(i) ? 1 - Number(g) : Number(g)),
    },
    age: { type: "int32", values: age.map(Number) },
    ...Object.fromEntries(["name", "identity", "dataset", "path"].map((name) => [
      name,
      {
        type: "string",
        values: rest[name] as string[],
        ...["name", "identity"].includes(name) && { nullable: true },
      },
    ])),
  } as never);
  await context.run({ dataset, faces, archives: [] }, { ...quick, ...params });
  const file = (name: string) => Deno.readTextFile(join(context.outputs.audit, name));
  return { context, file, csv: await file("labels.csv") };
}

const ranks = (csv: string) =>
  readCsv(new TextEncoder().encode(csv), "labels.csv").rows.map(({ values }) => values);

Deno.test("auditLabels trains as other stages do: optimizer, schedule, augmentation, loss", async () => {
  const sgd = { use: "sgd", learningRate: 0.1, momentum: 0.9 };
  const loss = { use: "crossEntropy", labelSmoothing: 0.1 };
  const recipe = {
    optimizer: sgd,
    learningRate: undefined,
    schedule: "cosine",
    augment: {},
    loss,
    epochs: 1,
    metrics: ["balancedAccuracy"],
  };
  const { context, csv } = await audit({ ...recipe, mirror: true });
  const folder = join(context.folder, "scratch", "fold-1", "model");
  const { params } = JSON.parse(await Deno.readTextFile(join(folder, "training.json")));
  const { optimizer, learningRate } = params;
  assert.deepEqual([optimizer.use, optimizer.momentum, learningRate], ["sgd", 0.9, 0.1]);
  assert.equal(params.loss.labelSmoothing, 0.1);
  const history = await Deno.readTextFile(join(folder, "history.csv"));
  assert.match(history, /val_balancedAccuracy/);
  assert.throws(
    () => auditLabels.params.parse({ teacher: "elsewhere" }),
    /teacher/,
  );
  const plain = await audit(recipe);
  assert.notEqual(plain.csv, csv, "mirror changes the predictions");
  for (const one of [context, plain.context]) one[Symbol.dispose]();
});

Deno.test("auditLabels ranks flipped labels first, and resumes after a kill", async () => {
  const { context, file, csv } = await audit();
  const rows = ranks(csv);
  assert.equal(rows.length, 80);
  assert.deepEqual(rows.slice(0, 3).map(([row]) => Number(row)).sort((a, b) => a - b), FLIPPED);
  for (const [, , path, label, suggested, score, suspect] of rows.slice(0, 3)) {
    assert.notEqual(label, suggested);
    assert.ok(Number(score) < 0.5 && suspect === "true" && path.endsWith(".jpg"));
  }
  const { labels, accuracy, suspect } = JSON.parse(await file("summary.json"));
  assert.ok(labels === 80 && accuracy > 0.9 && suspect >= 3);
  assert.equal((await file("judge.html")).match(/data:image/g)?.length, 80);
  const { row } = await readParquet(join(context.outputs.audit, "predictions.parquet"));
  assert.equal(row.length, 80);
  assert.doesNotMatch(context.infos.join("\n"), /tensorboard|scratch/);
  const byChance = /by chance/;
  assert.doesNotMatch(context.warnings.join("\n"), byChance);
  // The second fold is trained again, the first is read; its images would now be others.
  await Deno.remove(join(context.folder, "scratch", "fold-2.npy"));
  const again = await audit({}, context.folder);
  assert.equal(again.csv, csv);
  assert.equal(again.context.infos.filter((line) => line.startsWith("training on")).length, 1);
  context[Symbol.dispose]();
});

Deno.test("auditLabels predicts a fold again whose predictions of an earlier attempt are damaged", async () => {
  const { context, csv } = await audit();
  const path = join(context.folder, "scratch", "fold-1.npy"), bytes = await Deno.readFile(path);
  const changed = readNpy(path, "float32");
  changed.data[0] = 1 - changed.data[0]!;
  const damages = [
    () => writeNpy(path, changed.data, changed.shape),
    () => Deno.writeFile(path, bytes.subarray(0, bytes.length - 40)),
    () => Deno.writeFile(path, new Uint8Array()),
  ];
  for (const damage of damages) {
    await damage();
    const again = await audit({}, context.folder);
    assert.equal(again.csv, csv);
    assert.match(
      again.context.infos.join("\n"),
      /"fold-1\.npy" of an interrupted attempt is damaged/,
    );
    assert.deepEqual(await Deno.readFile(path), bytes);
  }
  context[Symbol.dispose]();
});

Deno.test("auditLabels warns of networks that learned nothing", async () => {
  const { context } = await audit({ epochs: 1, learningRate: 1e-9, list: 1 });
  assert.match(
    context.warnings.join("\n"),
    /contradict labels of gender by chance: their accuracy .* is 0\.\d+, not significantly better/,
  );
  context[Symbol.dispose]();
});

Deno.test("auditLabels ranks ages by residual, and refuses unknown columns", async () => {
  const { context, csv } = await audit({ target: "age", list: 5 });
  const scores = ranks(csv).map((values) => Number(values[5]));
  assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
  context[Symbol.dispose]();
  await assert.rejects(audit({ folds: 20, target: "hair" }), /labels have no such column/);
});

Deno.test("auditLabels predicts copies in one fold, so that no copy confirms a label", async () => {
  // Copies of images 30 to 39, brighter, are images 40 to 49: pairs with equal wrong labels.
  const { context } = await audit({ epochs: 1, list: 1 }, undefined, (images, each) => {
    for (let i = 30 * each; i < 40 * each; i++) {
      images[i + 10 * each] = Math.min(255, images[i] + 9);
    }
  });
  const folds = [1, 2].map((fold) =>
    ["train", "validation"].flatMap((set) => [
      ...readNpy(join(context.folder, "scratch", `fold-${fold}`, `${set}.npy`), "int32").data,
    ])
  );
  for (let row = 30; row < 40; row++) {
    for (const known of folds) {
      assert.equal(known.includes(row), known.includes(row + 10), `${row}`);
    }
  }
  context[Symbol.dispose]();
});

Deno.test("the page of auditLabels shows the crop of each label, in whatever order crops are", async () => {
  const folder = temporaryFolder("crops-"), reversed = people.map((_, i) => people.length - 1 - i);
  using shard = new TarWriter(join(folder, shardName(0)));
  const rows = await Promise.all(reversed.map(async (photo) => {
    const background = `rgb(${3 * photo}, 0, 0)`;
    const drawn = sharp({ create: { width: 8, height: 8, channels: 3, background } });
    return { photo, png: await drawn.png().toBuffer() };
  }));
  const written = rows.map(({ photo, png }) => ({
    full_path: `${photo}.jpg`,
    dataset: "test",
    age: 30,
    gender: 1,
    name: null,
    identity: null,
    face_location: null,
    photo,
    ...{ box_x: 0, box_y: 0, box_width: 8, box_height: 8, score: 1 },
    shard: shardName(0),
    ...shard.add(pngName(photo), png),
  }));
  shard.close();
  await writeFaceRows(folder, written);
  const { resize: _, ...crop } = preprocessing;
  await Deno.writeTextFile(join(folder, "preprocessing.json"), JSON.stringify(crop));
  const { file } = await audit({ epochs: 1 }, undefined, undefined, [
    testArtifact(folder, "faces"),
  ]);
  const [, json] = /<script type="application\/json" id="data">(.*?)<\/script>/.exec(
    await file("judge.html"),
  )!;
  const suspects: { path: string; image: string }[] = JSON.parse(json).suspects;
  for (const { path, image } of suspects.slice(0, 10)) {
    const jpeg = Uint8Array.fromBase64(image.split(",")[1]);
    const [{ mean }] = (await sharp(jpeg).stats()).channels;
    assert.ok(Math.abs(mean - 3 * parseInt(path)) < 4, `${path}: ${mean}`);
  }
});
