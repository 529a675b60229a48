import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { decode } from "../../faces/images/decode_image.ts";
import { openFaces } from "../../faces/detection/faces_artifact.ts";
import { readCropPreprocessing } from "../../faces/images/preprocessing.ts";
import { readShard } from "../../faces/detection/shards.ts";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { scanTar, TarWriter } from "../../packages/formats/tar.ts";
import faceCrop from "../../stages/faceCrop.ts";
import { testContext } from "../context.ts";
import { damageEach } from "../damages.ts";
import { drawnFace } from "../faces/detection/fixtures/drawnFaces.ts";
import { drawnGroup } from "../faces/serving/fixture.ts";
import {
  archiveArtifacts,
  gradient,
  type Photo,
  photoArtifacts,
} from "../faces/detection/fixture.ts";

/** Names and contents of all files of a folder. */
function contents(folder: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readFileSync(join(folder, name))]),
  );
}

async function gradients(count: number): Promise<Photo[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, i) => ({
      path: `00/${i}.jpg`,
      bytes: await gradient(i, 36),
    })),
  );
}

Deno.test("faceCrop with metadata takes the middle 1/1.8 of a _crop archive's photos", async () => {
  using context = testContext(faceCrop);
  const input = await photoArtifacts(join(context.folder, "in"), [
    { path: "01/a.jpg", bytes: await gradient(3, 90), age: 30, gender: 1, name: "Ω" },
  ]);
  const settings = { detector: "metadata", margin: 0, maxSize: 0 };
  await context.run({ ...input }, settings);
  using faces = await openFaces(context.outputs.faces);
  assert.equal(faces.rows.length, 1);
  const [row] = faces.rows;
  assert.deepEqual(
    [row.box_x, row.box_y, row.box_width, row.box_height].map((value) => Math.round(value)),
    [20, 20, 50, 50],
  );
  assert.deepEqual([row.full_path, row.age, row.gender, row.name], ["01/a.jpg", 30, 1, "Ω"]);
  const { data, width, height } = await decode(faces.png(row));
  assert.deepEqual([width, height], [50, 50]);
  // The gradient rises by 255 over 90 pixels.
  assert.ok(Math.abs(data[0] - 255 * 20 / 90) < 4);
});

Deno.test("faceCrop records which part of photos it took without its detector", async () => {
  const take = async (change: object) => {
    using context = testContext(faceCrop);
    const photos = [{ path: "01/a.jpg", bytes: await gradient(3, 90) }];
    const input = await photoArtifacts(join(context.folder, "in"), photos);
    const path = join(input.archives.path, "archives.json");
    const archives = JSON.parse(await Deno.readTextFile(path));
    Object.assign(archives.datasets[0], change);
    await Deno.writeTextFile(path, JSON.stringify(archives));
    await context.run({ ...input }, { detector: "tinyFaceDetector" });
    return await readCropPreprocessing(context.outputs.faces);
  };
  const { detector, withoutDetector } = await take({ layout: "aligned", detect: false });
  assert.deepEqual([detector.name, withoutDetector], ["tinyFaceDetector", { photos: 1 }]);
  const crops = await take({ layout: "crop", margin: 0.5, detect: false });
  assert.deepEqual(crops.withoutDetector, { photos: 0.5 });
});

Deno.test("faceCrop with metadata takes face_location of a full archive's photos", async () => {
  using context = testContext(faceCrop);
  const input = await photoArtifacts(join(context.folder, "in"), [
    { path: "a.jpg", bytes: await gradient(1, 100), faceLocation: [11, 21, 41, 61] },
    { path: "b.jpg", bytes: await gradient(1, 100), faceLocation: null },
    { path: "c.jpg", bytes: await gradient(1, 100), faceLocation: [201, 201, 241, 241] },
    { path: "d.jpg", bytes: await gradient(1, 100), faceLocation: [NaN, 1, 1, 1] },
  ], "full");
  await context.run({ ...input }, { detector: "metadata", margin: 0 });
  using faces = await openFaces(context.outputs.faces);
  assert.deepEqual(
    faces.rows.map((row) => [row.box_x, row.box_y, row.box_width, row.box_height]),
    [[10, 20, 30, 40]],
  );
  const problems = await Deno.readTextFile(join(context.outputs.faces, "problems.csv"));
  assert.equal(problems.match(/no_face/g)?.length, 3);
  // Two of the three have no position.
  const text = "Photos without a face, or with none at the labelled position: 3, see problems.csv";
  assert.ok(context.warnings.some((one) => one.startsWith(text)), context.warnings.join("\n"));
});

Deno.test("faceCrop cautions where more than a third of the photos have no face", async () => {
  const crop = async (without: number) => {
    using context = testContext(faceCrop);
    const input = await photoArtifacts(
      join(context.folder, "in"),
      await Promise.all(Array.from({ length: 6 }, async (_, i) => ({
        path: `${i}.jpg`,
        bytes: await gradient(i, 100),
        faceLocation: i < without ? null : [11, 21, 41, 61],
      }))),
      "full",
    );
    const { caution } = (await context.run({ ...input }, { detector: "metadata" }))!;
    return [caution, context.warnings.join()];
  };
  const [none, short] = await crop(2);
  assert.deepEqual([none, /selection/.test(short!)], [undefined, false]);
  const [caution, warning] = await crop(3);
  assert.equal(
    caution,
    "No usable face in 3 of 6 photos of photos: those kept are a selection, often sharp and frontal.",
  );
  assert.ok(warning!.includes(`: 3, see problems.csv. ${caution} To keep more: metadata needs`));
});

Deno.test("faceCrop names labelled positions only where there are some", async () => {
  using context = testContext(faceCrop);
  const person = { seed: 1, age: 30, gender: "female", left: 90, top: 40 };
  const input = await photoArtifacts(join(context.folder, "in"), [
    { path: "a.png", bytes: await drawnGroup([person as never]), faceLocation: null },
    { path: "b.jpg", bytes: await gradient(1, 100), faceLocation: null },
  ], "full");
  await context.run({ ...input }, { detector: "tinyFaceDetector", workers: 1 });
  assert.equal(context.warnings.length, 1);
  assert.match(
    context.warnings[0]!,
    /^Photos without a face: 1, see problems\.csv\. No usable face in/,
  );
});

Deno.test("faceCrop lists what is missing or damaged, and goes on", async () => {
  using context = testContext(faceCrop);
  const good = await gradient(1);
  const input = await photoArtifacts(join(context.folder, "in"), [
    { path: "a.jpg", bytes: good },
    { path: 'gone, "quoted".jpg' },
    { path: "empty.jpg", bytes: new Uint8Array() },
    { path: "cut.jpg", bytes: good.subarray(0, good.length / 2) },
    { path: "text.jpg", bytes: new TextEncoder().encode("404 Not Found") },
    { path: "b.jpg", bytes: good },
  ]);
  await context.run({ ...input }, { detector: "metadata" });
  using faces = await openFaces(context.outputs.faces);
  assert.deepEqual(faces.rows.map((row) => row.full_path), ["a.jpg", "b.jpg"]);
  const lines = (await Deno.readTextFile(join(context.outputs.faces, "problems.csv"))).split("\n");
  assert.equal(lines[0], "dataset,full_path,problem,detail");
  assert.equal(lines[1], 'photos,"gone, ""quoted"".jpg",missing,the archive has no such file');
  assert.equal(lines[2], "photos,empty.jpg,unreadable,it is empty (0 bytes)");
  assert.equal(lines[3], "photos,cut.jpg,unreadable,it is damaged or cut short");
  assert.equal(lines[4], "photos,text.jpg,unreadable,it is no picture that is known");
  const summary = JSON.parse(await Deno.readTextFile(join(context.outputs.faces, "summary.json")));
  const counts = {
    photos: 6,
    faces: 2,
    problems: { missing: 1, unreadable: 3, crashed: 0, no_face: 0, several_faces: 0 },
  };
  assert.deepEqual(summary, { ...counts, datasets: { photos: counts } });
  assert.ok(context.warnings.some((warning) => warning.includes("that cannot be decoded: 3,")));
});

Deno.test("faceCrop counts data sets of any name", async () => {
  for (const name of ["constructor", "__proto__"]) {
    using context = testContext(faceCrop);
    const tarPath = join(context.folder, "some.tar");
    using tar = new TarWriter(tarPath);
    tar.add(`${name}/a.jpg`, await gradient(1));
    tar.close();
    const input = await archiveArtifacts(join(context.folder, "in"), tarPath, [{ path: "a.jpg" }]);
    await context.run({ ...input }, { detector: "metadata" });
    const summary = await Deno.readTextFile(join(context.outputs.faces, "summary.json"));
    const { datasets } = JSON.parse(summary);
    assert.deepEqual(Object.keys(datasets), [name]);
    assert.equal(datasets[name].faces, 1);
  }
});

Deno.test("faceCrop says so when no photo has a face", async () => {
  using context = testContext(faceCrop);
  const input = await photoArtifacts(join(context.folder, "in"), [
    { path: "there.jpg", bytes: new Uint8Array() },
    { path: "gone.jpg" },
  ]);
  await assert.rejects(context.run({ ...input }, { detector: "metadata" }), {
    message: "Cannot crop faces: none of 2 photos has one." +
      '\n  1 of 2: missing from the archives ("gone.jpg": the archive has no such file) - add them to ' +
      "the archive or folder" +
      '\n  1 of 2: cannot be decoded ("there.jpg": it is empty (0 bytes)) - replace them, or convert ' +
      "them to JPEG or PNG",
  });
});

Deno.test("faceCrop advises settings that the detector at hand has", async () => {
  const advice = async (params: Record<string, unknown>) => {
    using context = testContext(faceCrop);
    const input = await photoArtifacts(join(context.folder, "in"), await gradients(2), "full");
    const error = await context.run({ ...input }, params).then(
      () => assert.fail(),
      (error) => error,
    );
    assert.match(error.message, /\n {2}2 of 2: without a face \(/);
    return error.message.split(" - ").at(-1);
  };
  assert.match(
    await advice({ detector: "metadata" }),
    /face_location; set faceCrop\.detector: ssd/,
  );
  assert.equal(
    await advice({ detector: "tinyFaceDetector" }),
    "lower faceCrop.minConfidence (0.4), or set faceCrop.detector: dlibCnn, which detects most faces, " +
      "or set layout: crop or aligned for photos that are cut around the face already",
  );
  assert.equal(
    await advice({ detector: "dlibCnn" }),
    "raise faceCrop.upsample (0), or set layout: crop or aligned for photos that are cut around the " +
      "face already",
  );
});

Deno.test("faceCrop's shards are tars of PNGs, named by their photos", async () => {
  using context = testContext(faceCrop);
  const photos = await gradients(5);
  photos[1].bytes = new Uint8Array();
  const input = await photoArtifacts(join(context.folder, "in"), photos);
  await context.run({ ...input }, { detector: "metadata", shardSize: 2 });
  using faces = await openFaces(context.outputs.faces);
  const found: [string, string, number][] = [];
  for (const shard of ["faces-00000.tar", "faces-00001.tar", "faces-00002.tar"]) {
    using tar = new RandomAccessFile(join(context.outputs.faces, shard));
    for (const { path, offset } of scanTar(tar)) found.push([shard, path, offset]);
  }
  assert.deepEqual(
    found,
    faces.rows.map(({ shard, offset, photo }) => [shard, `000000${photo}.png`, offset]),
  );
  assert.deepEqual(faces.rows.map(({ photo }) => photo), [0, 2, 3, 4]);
  assert.deepEqual(found.map(([shard]) => shard.slice(10, 11)), ["0", "1", "1", "2"]);
});

Deno.test("faceCrop goes on after an interruption, doing at most one shard again", async () => {
  const photos = await gradients(10), params = { detector: "metadata", shardSize: 3, workers: 1 };
  using whole = testContext(faceCrop);
  await whole.run({ ...await photoArtifacts(join(whole.folder, "in"), photos) }, params);

  const controller = new AbortController();
  let advanced = 0;
  using first = testContext(faceCrop, {
    signal: controller.signal,
    onAdvance: () => void (++advanced === 8 && controller.abort(new Error("interrupted"))),
  });
  const input = await photoArtifacts(join(first.folder, "in"), photos);
  await assert.rejects(first.run({ ...input }, params), /interrupted/);
  assert.ok(await readShard(first.scratch, 1));
  assert.equal(await readShard(first.scratch, 2), undefined);

  let again = 0;
  const second = testContext(faceCrop, { folder: first.folder, onAdvance: () => void again++ });
  await second.run({ ...input }, params);
  assert.equal(again, 4); // 6 of 10 were done
  assert.deepEqual(contents(second.outputs.faces), contents(whole.outputs.faces));
});

Deno.test("faceCrop makes a damaged shard again, whatever is damaged and how", async () => {
  const photos = await gradients(3), params = { detector: "metadata", shardSize: 2, workers: 1 };
  using whole = testContext(faceCrop);
  const input = await photoArtifacts(join(whole.folder, "in"), photos);
  await whole.run({ ...input }, params);
  const left = await Deno.makeTempDir();
  for (const name of ["faces-00000.tar", "faces-00000.json"]) {
    await Deno.copyFile(join(whole.scratch, name), join(left, name));
  }
  await damageEach(left, contents(whole.outputs.faces), async () => {
    using again = testContext(faceCrop);
    Object.assign(again, { scratch: left });
    await again.run({ ...input }, params);
    return { made: contents(again.outputs.faces), infos: again.infos };
  });
  await Deno.remove(left, { recursive: true });
});

/** A face in the middle of a picture, and a picture without one. */
async function drawnPhotos(): Promise<Photo[]> {
  const face = await drawnFace(1, 256);
  const raw = { raw: { width: face.width, height: face.height, channels: 3 } } as const;
  return [
    { path: "face.png", bytes: await sharp(face.data, raw).png().toBuffer() },
    { path: "none.jpg", bytes: await gradient(3, 200) },
    { path: "face.jpg", bytes: await sharp(face.data, raw).jpeg({ quality: 95 }).toBuffer() },
  ];
}

Deno.test("faceCrop finds faces with dlibCnn, with any number of workers and no compute backend", async () => {
  const results = [];
  for (const workers of [1, 2]) {
    using context = testContext(faceCrop);
    const input = await photoArtifacts(join(context.folder, "in"), await drawnPhotos());
    await context.run({ ...input }, { detector: "dlibCnn", workers });
    results.push(contents(context.outputs.faces));
    using faces = await openFaces(context.outputs.faces);
    assert.deepEqual(faces.rows.map(({ full_path }) => full_path), ["face.png", "face.jpg"]);
    const { detector } = await readCropPreprocessing(context.outputs.faces);
    assert.deepEqual(detector, {
      name: "dlibCnn",
      minConfidence: 0,
      inputSizes: [],
      upsample: 0,
      minFace: 0,
    });
  }
  assert.deepEqual(results[1], results[0]);
  assert.equal(faceCrop.compute(faceCrop.params.parse({ detector: "dlibCnn" })), false);
});

Deno.test("faceCrop depends on the contents of dlibCnn's weights, and says if they are missing", async () => {
  using context = testContext(faceCrop);
  const weights = join(context.folder, "my.dat");
  const params = { detector: "dlibCnn", weights };
  const [{ path, message }] = await faceCrop.check!(params, {} as never);
  assert.deepEqual(path, ["weights"]);
  assert.match(message, /Cannot read the detector's weights: .*my\.dat/);
  await Deno.writeTextFile(weights, "one");
  const before = await faceCrop.external(params);
  await Deno.writeTextFile(weights, "two");
  assert.notDeepEqual(await faceCrop.external(params), before);
  assert.deepEqual(await faceCrop.external({ detector: "tinyFaceDetector", weights }), {});
});

Deno.test("faceCrop's result does not depend on the number of workers", async () => {
  const demo = import.meta.resolve("@vladmandic/face-api/package.json");
  const photos: Photo[] = [];
  for (const path of ["sample1.jpg", "sample2.jpg", "sample3.jpg", "sample4.jpg"]) {
    photos.push({ path, bytes: await Deno.readFile(new URL(`demo/${path}`, demo)) });
    photos.push({ path: `${path}.cut`, bytes: photos.at(-1)!.bytes!.subarray(0, 9000) });
  }
  const results = [];
  for (const workers of [1, 2, 3]) {
    using context = testContext(faceCrop);
    const input = await photoArtifacts(join(context.folder, "in"), photos);
    const params = { detector: "tinyFaceDetector", inputSizes: [416], workers, shardSize: 3 };
    await context.run({ ...input }, params);
    results.push(contents(context.outputs.faces));
    using faces = await openFaces(context.outputs.faces);
    assert.ok(faces.rows.length > 0);
  }
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});

const facesDir = Deno.env.get("FACES_DIR");

Deno.test({
  name: "faceCrop reports the damaged pictures of FACES_DIR, and no others" +
    (facesDir ? "" : " (ignored: FACES_DIR is not set)"),
  ignore: !facesDir,
  async fn() {
    const problem: Record<string, string> = {
      missing: "missing",
      truncated: "unreadable",
      empty: "unreadable",
      not_image: "unreadable",
    };
    const expected = (await Deno.readTextFile(join(facesDir!, "expected.csv"))).trim().split("\n");
    for (const archive of ["wiki_crop", "imdb_crop"]) {
      const rows = expected.map((line) => line.split(",")).filter(([name]) => name === archive)
        .map(([, , path, kind]) => ({ path, kind }));
      const damaged = rows.filter(({ kind }) => kind in problem);
      const photos = [...damaged, ...rows.filter(({ kind }) => kind === "keep").slice(0, 50)];
      using context = testContext(faceCrop);
      const tar = join(facesDir!, `${archive}.tar`);
      const input = await archiveArtifacts(join(context.folder, "in"), tar, photos);
      await context.run({ ...input }, { detector: "metadata" });
      const lines = await Deno.readTextFile(join(context.outputs.faces, "problems.csv"));
      assert.deepEqual(
        lines.trim().split("\n").slice(1).map((line) => line.split(",").slice(1, 3)),
        damaged.map(({ path, kind }) => [path, problem[kind]]),
      );
    }
  },
});

Deno.test("faceCrop depends on the compute backend unless the data set finds the faces", () => {
  assert.equal(faceCrop.compute(faceCrop.params.parse({ detector: "metadata" })), false);
  assert.equal(faceCrop.compute(faceCrop.params.parse({})), true);
  assert.deepEqual(faceCrop.ignoreInCacheKey, ["workers"]);
});
