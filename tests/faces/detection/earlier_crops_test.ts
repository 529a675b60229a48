/** Photos of earlier results of faceCrop are not detected again. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openFaces } from "../../../faces/detection/faces_artifact.ts";
import { checkFile } from "../../../packages/formats/check_file.ts";
import { digestFolder } from "../../../packages/pipeline/digest.ts";
import type { EarlierResult, Shard, WorkerPool } from "../../../packages/pipeline/stage.ts";
import { PHOTOS } from "../../../faces/detection/earlier_crops.ts";
import * as kinds from "../../../stages/kinds.ts";
import faceCrop from "../../../stages/faceCrop.ts";
import { type TestContext, testContext } from "../../context.ts";
import { project, run } from "../../project_run.ts";
import { temporaryFolder } from "../../temporary_folder.ts";
import { drawnGroup } from "../serving/fixture.ts";
import { gradient, type Photo, photoArtifacts } from "./fixture.ts";

/** A finished context as the store would hand it to a later one. */
async function asResult(
  { folder, outputs }: TestContext,
  differences = ["inputs"],
): Promise<EarlierResult> {
  const { files } = await digestFolder(outputs.faces);
  return { path: folder, outputs: { faces: { files } }, observed: {}, differences };
}

function contents(folder: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readFileSync(join(folder, name))]),
  );
}

type Input = Awaited<ReturnType<typeof photoArtifacts>>;

/** Runs faceCrop on photos; returns its context, to be disposed of. */
async function crop(
  photos: readonly Photo[],
  params: Record<string, unknown>,
  { layout, remote, ...options }: NonNullable<Parameters<typeof testContext>[1]> & {
    layout?: "full";
    remote?: (input: Input) => WorkerPool;
  } = {},
): Promise<TestContext> {
  const context = testContext(faceCrop, options);
  const input = await photoArtifacts(join(context.folder, "in"), photos, layout);
  const given = remote ? { ...context, remoteWorkers: remote(input) } : context;
  const all = faceCrop.params.parse({ workers: 1, ...params });
  // The given one has getters of what faceCrop does not read with this detector.
  await faceCrop.run({ ...input }, all, remote ? given : context);
  return context;
}

async function gradients(...seeds: number[]): Promise<Photo[]> {
  return await Promise.all(
    seeds.map(async (seed) => ({ path: `${seed}.jpg`, bytes: await gradient(seed, 36) })),
  );
}

const METADATA = { detector: "metadata", shardSize: 3 };

Deno.test("faceCrop detects photos that earlier results lack alone, with the bytes of a run from nothing", async () => {
  const params = { detector: "tinyFaceDetector", shardSize: 3 };
  const face = (seed: number, left: number) => ({ seed, age: 30, gender: "female", left, top: 40 });
  const one = await drawnGroup([face(1, 90)] as never);
  const two = await drawnGroup([face(2, 20), face(3, 300)] as never);
  const none = await gradient(1, 200);
  const photos: Photo[] = [
    { path: "one.png", bytes: one },
    { path: "none.jpg", bytes: none },
    { path: "two.png", bytes: two },
    { path: "left.png", bytes: two, faceLocation: [20, 40, 150, 200] },
    { path: "cut.png", bytes: one.subarray(0, 2000) },
    { path: "gone.png" },
  ];
  using first = await crop(photos, params, { layout: "full" });
  const more: Photo[] = [
    { path: "none.jpg", bytes: none },
    { path: "new.png", bytes: await drawnGroup([face(4, 90)] as never) },
    // Other bytes at a path, known bytes at another one, and another position of the face.
    { path: "one.png", bytes: two },
    { path: "again.png", bytes: one },
    { path: "left.png", bytes: two, faceLocation: [300, 40, 430, 200] },
    ...photos.slice(4),
  ];
  const earlierResults = [await asResult(first)];
  using second = await crop(more, params, { layout: "full", earlierResults });
  using whole = await crop(more, params, { layout: "full" });
  assert.deepEqual(contents(second.outputs.faces), contents(whole.outputs.faces));
  assert.deepEqual(second.warnings, whole.warnings);
  assert.equal(second.infos[0], "takes 3 of 7 photos from earlier results");
  assert.deepEqual(second.done, { total: 7, unit: "photos", items: 7 });
  assert.ok(!whole.infos.some((line) => /earlier/.test(line)));
  using faces = await openFaces(second.outputs.faces);
  assert.deepEqual(
    faces.rows.map(({ full_path }) => full_path),
    ["new.png", "one.png", "again.png", "left.png"],
  );
});

Deno.test("faceCrop takes photos from several results, and all of them from one", async () => {
  using a = await crop(await gradients(1, 2, 3, 4), METADATA);
  using b = await crop(await gradients(9, 5, 6), METADATA);
  const earlierResults = [await asResult(a), await asResult(b)];
  const photos = await gradients(5, 1, 7, 6, 4);
  using both = await crop(photos, METADATA, { earlierResults });
  using whole = await crop(photos, METADATA);
  assert.deepEqual(contents(both.outputs.faces), contents(whole.outputs.faces));
  assert.equal(both.infos[0], "takes 4 of 5 photos from earlier results");
  using fewer = await crop(photos, METADATA, { earlierResults: [await asResult(whole)] });
  assert.deepEqual(contents(fewer.outputs.faces), contents(whole.outputs.faces));
  assert.equal(fewer.infos[0], "takes 5 of 5 photos from earlier results");
});

Deno.test("faceCrop takes nothing from results of other settings or code", async () => {
  const photos = await gradients(1, 2);
  using first = await crop(photos, METADATA);
  for (const differences of [["inputs", "modules"], ["params.margin"], ["inputs", "external"]]) {
    const earlierResults = [await asResult(first, differences)];
    using second = await crop(photos, METADATA, { earlierResults });
    assert.deepEqual(second.infos, ["2 faces from 2 photos"]);
  }
});

Deno.test("faceCrop writes no archive of a shard without a face", async () => {
  const params = { ...METADATA, shardSize: 1 }, bad = { path: "bad.jpg", bytes: new Uint8Array(9) };
  const [one, two, three] = await gradients(1, 2, 3) as [Photo, Photo, Photo];
  using first = await crop([one, bad, two], params);
  const names = Object.keys(contents(first.outputs.faces)).sort();
  assert.deepEqual(names.filter((name) => /tar$/.test(name)), [
    "faces-00000.tar",
    "faces-00002.tar",
  ]);
  for (const name in contents(first.outputs.faces)) {
    await checkFile(join(first.outputs.faces, name));
  }
  const earlierResults = [await asResult(first)], more = [one, bad, three, two];
  using second = await crop(more, params, { earlierResults });
  using whole = await crop(more, params);
  assert.deepEqual(contents(second.outputs.faces), contents(whole.outputs.faces));
  assert.equal(second.infos[0], "takes 2 of 4 photos from earlier results");
  // With a photo in which none was found, which is known as well.
  const tiny = { detector: "tinyFaceDetector", shardSize: 1 };
  const face = { seed: 1, age: 30, gender: "female", left: 90, top: 40 };
  const seen = { path: "face.png", bytes: await drawnGroup([face] as never) };
  using found = await crop([seen, one], tiny, { layout: "full" });
  using again = await crop([one, seen], tiny, {
    layout: "full",
    earlierResults: [await asResult(found)],
  });
  assert.equal(again.infos[0], "takes 2 of 2 photos from earlier results");
});

Deno.test("faceCrop does not use what is damaged or missing of an earlier result", async () => {
  const photos = await gradients(1, 2, 3, 4), more = await gradients(0, 1, 2, 3, 4);
  using whole = await crop(more, METADATA);
  const damages: Record<string, (path: string) => void> = {
    removed: (path) => Deno.removeSync(path),
    "cut short": (path) => Deno.truncateSync(path, Deno.statSync(path).size - 1),
    changed: (path) => {
      const bytes = Deno.readFileSync(path);
      bytes[300] ^= 1;
      Deno.writeFileSync(path, bytes);
    },
  };
  for (const [file, taken] of [["photos.jsonl", 0], ["faces-00000.tar", 1]]) {
    for (const damage of Object.values(damages)) {
      using first = await crop(photos, METADATA);
      const earlierResults = [await asResult(first)];
      const path = join(first.outputs.faces, String(file));
      damage(path);
      using second = await crop(more, METADATA, { earlierResults });
      assert.deepEqual(contents(second.outputs.faces), contents(whole.outputs.faces));
      assert.deepEqual(second.infos, [
        `does not use "${path}" of an earlier result: it is damaged or missing`,
        ...taken === 1 ? ["takes 1 of 5 photos from earlier results"] : [],
        "5 faces from 5 photos",
      ]);
    }
  }
});

Deno.test("faceCrop resumes an interrupted attempt that took photos from an earlier result", async () => {
  using first = await crop(await gradients(1, 3, 5), METADATA);
  const photos = await gradients(0, 1, 2, 3, 4, 5, 6), earlierResults = [await asResult(first)];
  using whole = await crop(photos, METADATA);
  const stop = new AbortController();
  using stopped = testContext(faceCrop, { earlierResults, signal: stop.signal });
  const input = await photoArtifacts(join(stopped.folder, "in"), photos);
  // The first shard is complete, and a photo of the next one.
  const { progress } = stopped;
  let detecting = false, detected = 0;
  Object.assign(stopped, {
    progress: {
      start: (...about: Parameters<typeof progress.start>) => {
        detecting = about[2] === 3;
        progress.start(...about);
      },
      advance: () => void (detecting && ++detected === 3 && stop.abort(new Error("interrupted"))),
    },
  });
  await assert.rejects(stopped.run({ ...input }, { ...METADATA, workers: 1 }), /interrupted/);
  const second = testContext(faceCrop, { earlierResults, folder: stopped.folder });
  await second.run({ ...input }, { ...METADATA, workers: 1 });
  assert.deepEqual(contents(second.outputs.faces), contents(whole.outputs.faces));
  assert.equal(second.infos[0], "takes 2 of 4 photos from earlier results");
  assert.deepEqual(second.done, { total: 7, unit: "photos", items: 7 });
});

Deno.test("workers on other machines get the photos alone that earlier results lack", async () => {
  using first = await crop(await gradients(1, 2, 3, 5), METADATA);
  const photos = await gradients(1, 2, 3, 4, 5, 6, 7, 8, 9);
  using whole = await crop(photos, METADATA);
  const sent: Shard[] = [];
  const remote = ({ archives, table }: Input): WorkerPool => ({
    async *distribute(shards) {
      for (const shard of shards) {
        sent.push(shard);
        const folder = await Deno.makeTempDir();
        await using opened = new AsyncDisposableStack();
        await faceCrop.part!.run(
          { archives: archives.path, table: table.path },
          faceCrop.part!.data.parse(JSON.parse(JSON.stringify(shard.data))),
          {
            folder,
            workers: 1,
            signal: new AbortController().signal,
            advance: () => {},
            getOrOpen: async (_, open) => opened.use(await open()),
          },
        );
        yield { key: shard.key, folder, result: null };
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
  using second = await crop(photos, METADATA, { earlierResults: [await asResult(first)], remote });
  assert.deepEqual(contents(second.outputs.faces), contents(whole.outputs.faces));
  assert.deepEqual(
    sent.map(({ key, items, data }) => [key, items, (data as { rows: number[] }).rows]),
    [["1", 2, [3, 5]], ["2", 3, [6, 7, 8]]],
  );
});

Deno.test("faceCrop takes photos of more archives than a process may have open files", async () => {
  const folder = temporaryFolder("open-"), artifacts = join(folder, "artifacts");
  const photos = join(folder, "photos"), yaml = join(folder, "open.yaml");
  Deno.mkdirSync(photos);
  const write = async (length: number) => {
    const all = await gradients(...Array.from({ length }, (_, i) => i));
    for (const { path, bytes } of all) Deno.writeFileSync(join(photos, path), bytes!);
    const rows = all.map(({ path }) => `${path},20,f\n`);
    Deno.writeTextFileSync(join(photos, "labels.csv"), "path,age,gender\n" + rows.join(""));
  };
  Deno.writeTextFileSync(
    yaml,
    `name: open
stages:
  download: { datasets: [{ folder: ${photos}, layout: crop }] }
  matParse:
  faceCrop: { detector: metadata, shardSize: 1 }
`,
  );
  await write(40);
  await run(artifacts, yaml);
  await write(41);
  const command = ["main.ts", "run", yaml, "--set", `artifacts=${artifacts}`];
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: [
      "-c",
      'ulimit -n 50 && exec "$@"',
      "sh",
      Deno.execPath(),
      "run",
      "-P=compute",
      ...command,
    ],
    cwd: project,
  }).output();
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
  assert.match(text, /takes 40 of 41 photos from earlier results/);
  assert.equal(code, 0, text);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a run with one more photo in a folder crops that one alone", async () => {
  const folder = temporaryFolder("grown-");
  const photos = join(folder, "photos"), yaml = join(folder, "grown.yaml");
  Deno.mkdirSync(photos);
  const write = async (...seeds: number[]) => {
    for (const { path, bytes } of await gradients(...seeds)) {
      Deno.writeFileSync(join(photos, path), bytes!);
    }
    const rows = seeds.map((seed) => `${seed}.jpg,${20 + seed},f\n`);
    Deno.writeTextFileSync(join(photos, "labels.csv"), "path,age,gender\n" + rows.join(""));
  };
  Deno.writeTextFileSync(
    yaml,
    `name: grown
stages:
  download: { datasets: [{ folder: ${photos}, layout: crop }] }
  matParse:
  faceCrop: { detector: metadata }
`,
  );
  await write(1, 2, 3);
  const first = await run(join(folder, "artifacts"), yaml);
  assert.doesNotMatch(first.text, /earlier results/);
  await write(1, 9, 2, 3);
  const second = await run(join(folder, "artifacts"), yaml);
  assert.match(second.text, /takes 3 of 4 photos from earlier results/);
  await write(1, 9, 2, 3, 4);
  const forced = await run(join(folder, "artifacts"), yaml, "--force", "faceCrop");
  assert.doesNotMatch(forced.text, /earlier results/);
  await write(1, 9, 2, 3);
  const whole = await run(join(folder, "others"), yaml);
  const [faces, expected] = [second, whole].map(({ stages }) =>
    contents(stages.find(({ id }) => id === "faceCrop")!.outputs.faces)
  );
  assert.deepEqual(faces, expected);
  // Stages that take the crops do not depend on it.
  assert.deepEqual(kinds.faces.volatile, [PHOTOS]);
  assert.ok(PHOTOS in faces && PHOTOS in kinds.faces.files);
  Deno.removeSync(folder, { recursive: true });
});
