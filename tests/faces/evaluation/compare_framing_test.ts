import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { compareFraming, MIN_SERVED } from "../../../faces/evaluation/compare_framing.ts";
import { openFaces } from "../../../faces/detection/faces_artifact.ts";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { NpyFile } from "../../../packages/formats/npy.ts";
import { readParquet } from "../../../packages/formats/parquet.ts";
import { random } from "../../../packages/random/random.ts";
import { imagesInMemory } from "../../../faces/training/image_source.ts";
import faceCrop from "../../../stages/faceCrop.ts";
import resize32 from "../../../stages/resize32.ts";
import { writePreprocessing } from "../../../faces/images/preprocessing.ts";
import { testArtifact, testContext } from "../../context.ts";
import { temporaryFolder } from "../../temporary_folder.ts";
import { photoArtifacts } from "../detection/fixture.ts";
import { drawnGroup } from "../serving/fixture.ts";

const AGES = [8, 25, 40, 60, 80];

/** Crops photos and compares the framing, with parameters of faceCrop and changes of what serves. */
async function framed(
  photos: readonly Uint8Array<ArrayBuffer>[],
  params: Record<string, unknown>,
  { layout, margins }: { layout?: "aligned"; margins: readonly number[] },
) {
  using cropped = testContext(faceCrop);
  using scaled = testContext(resize32);
  const rows = photos.map((bytes, i) => ({ path: `${i}.png`, bytes, age: AGES[i], gender: i % 2 }));
  const { archives, table } = await photoArtifacts(join(cropped.folder, "in"), rows, "full");
  if (layout) {
    const file = join(archives.path, "archives.json");
    const description = JSON.parse(await Deno.readTextFile(file));
    Object.assign(description.datasets[0], { layout, detect: false });
    await Deno.writeTextFile(file, JSON.stringify(description));
  }
  await cropped.run({ archives, table }, { detector: "tinyFaceDetector", workers: 1, ...params });
  await scaled.run({ faces: cropped.artifact("faces") });
  const dataset = scaled.artifact("dataset");
  using images = new NpyFile(join(dataset.path, "images.npy"), "uint8");
  const labels = await readParquet(join(dataset.path, "table.parquet"), {
    dataset: "string",
    path: "string",
  });
  const splits = { train: Int32Array.of(0, 1), test: Int32Array.of(2, 3, 4) };
  const file = join(dataset.path, "preprocessing.json");
  const results = [];
  for (const margin of margins) {
    const preprocessing = JSON.parse(await Deno.readTextFile(file));
    preprocessing.crop.margin = margin;
    preprocessing.steps = margin === 0 ? ["contrast by=2"] : [];
    await Deno.writeTextFile(file, JSON.stringify(preprocessing));
    results.push(
      await compareFraming({ dataset, archives: [archives] }, images, splits, labels, 9),
    );
  }
  using faces = await openFaces(cropped.artifact("faces").path);
  const crops = faces.rows.map((row) => faces.png(row));
  const bare = await compareFraming({ dataset, archives: [] }, images, splits, labels, 9);
  return { results, crops, bare };
}

Deno.test("compareFraming() serves test photos, and warns of another margin", async () => {
  await openBackend("wasm");
  const people = AGES.map((age, seed) => ({ seed, age, gender: "female", left: 90, top: 40 }));
  const photos = await Promise.all(people.map((person) => drawnGroup([person as never])));
  const { results, crops, bare } = await framed(photos, { margin: 0.4 }, { margins: [0.4, 0] });
  const [same, other] = results;
  assert.deepEqual([same!.photos, same!.withoutFace, same!.warnings], [3, 0, []]);
  assert.ok(same!.served! > 0.999, `${same!.served}`);
  assert.deepEqual(
    same!.rows.map(({ name, count, images }) => [name, count, images.length]),
    [["Training", 2, 3], ["Test", 3, 4], ["Serving", 3, 4]],
  );
  // The examples are the same photos.
  assert.deepEqual(same!.rows[1]!.images, same!.rows[2]!.images);
  assert.ok(other!.served! < MIN_SERVED);
  assert.match(other!.warnings.join(), /Serving frames faces differently.* is 0\.\d\d, below 0\.7/);
  assert.match(other!.warnings[0], /^Serving does not apply "contrast by=2", which changed/);
  assert.equal(bare.served, undefined);
  assert.equal(bare.rows.length, 2);

  // Chips of margin 0.4: declared so, a photo is framed as they are; without a margin, it is not.
  const chips = await Promise.all(
    crops.map((png) => sharp(png).png().toBuffer().then((bytes) => new Uint8Array(bytes))),
  );
  const aligned = await framed(chips, { margin: 0.4 }, { layout: "aligned", margins: [0.4, 0] });
  const [declared, undeclared] = aligned.results;
  assert.ok(declared!.served! > MIN_SERVED, `${declared!.served}`);
  assert.deepEqual(declared!.warnings, []);
  assert.ok(undeclared!.served! < MIN_SERVED, `${undeclared!.served}`);
});

Deno.test("compareFraming() serves as many photos as it is asked for, and 500 images of a mean face", async () => {
  const folder = temporaryFolder("framing-"), n = 600, photos = Array(n).fill("photos");
  const broken = { path: "0.png", bytes: new Uint8Array([1]), age: 8, gender: 0 };
  const { archives } = await photoArtifacts(join(folder, "in"), [broken]);
  await writePreprocessing(folder, {
    detector: { name: "tinyFaceDetector", minConfidence: 0.4, inputSizes: [] },
    crop: { margin: 0.2, maxSize: 256 },
    background: "#ffffff",
    steps: [],
    resize: { size: 2, kernel: "lanczos3", fit: "fill" },
  });
  const dataset = testArtifact(folder, "dataset"), paths = Array(n).fill("0.png");
  const images = imagesInMemory(new Uint8Array(n * 12), 2);
  const rows = { train: new Int32Array(), test: Int32Array.from({ length: n }, (_, i) => i) };
  const labels = { dataset: photos, path: paths };
  const found = await compareFraming({ dataset, archives: [archives] }, images, rows, labels, 550);
  assert.deepEqual([found.photos, found.withoutFace, found.rows[0].count], [550, 550, 500]);
});

Deno.test("compareFraming() does not warn of mean faces that differ by chance", async () => {
  const size = 8, each = size * size * 3, n = 60, rng = random(1, "faint faces");
  /** Noise, and a faint bar: in a column of the training images, and in one of the test images. */
  const warningsOf = async (columns: readonly [number, number]) => {
    const bytes = Uint8Array.from({ length: 2 * n * each }, (_, i) => {
      const column = Math.floor(i / 3) % size, bar = columns[i < n * each ? 0 : 1];
      return 100 + rng.int(100) + (column === bar ? 12 : 0);
    });
    const rows = Int32Array.from({ length: n }, (_, i) => i);
    const splits = { train: rows, test: rows.map((row) => row + n) };
    const labels = { dataset: [], path: [] };
    const inputs = { dataset: {} as never, archives: [] };
    return await compareFraming(inputs, imagesInMemory(bytes, size), splits, labels, 0);
  };
  const same = await warningsOf([3, 3]);
  assert.ok(same.means! < 0.9, `${same.means}`);
  assert.deepEqual(same.warnings, []);
  const [warning] = (await warningsOf([3, 6])).warnings;
  assert.match(
    warning!,
    /^Training and test sets frame faces differently: .* is -?0\.\d\d, below 0\.9/,
  );
});

Deno.test("compareFraming() does not warn of random splits of people with several images", async () => {
  const size = 8, each = size * size * 3, people = 40, images = 6, n = people * images;
  const all = Array.from({ length: n }, (_, row) => row);
  const identity = all.map((row) => `person ${Math.floor(row / images)}`);
  const labels = { dataset: [], path: [], identity };
  let low = 0;
  for (let seed = 0; seed < 40; seed++) {
    const rng = random(seed, "people");
    // People are before their own backgrounds, brighter on one side.
    const slopes = Array.from({ length: people }, () => [rng.int(21) - 10, rng.int(21) - 10]);
    const bytes = Uint8Array.from({ length: n * each }, (_, i) => {
      const row = Math.floor(i / each), at = Math.floor((i % each) / 3);
      const [x, y] = [at % size, Math.floor(at / size)].map((one) => one - (size - 1) / 2);
      const [dx, dy] = slopes[Math.floor(row / images)];
      return 120 + dx * x + dy * y + rng.int(20);
    });
    const splits = {
      train: Int32Array.from(all.slice(0, n / 2)),
      test: Int32Array.from(all.slice(n / 2)),
    };
    const inputs = { dataset: {} as never, archives: [] };
    const found = await compareFraming(inputs, imagesInMemory(bytes, size), splits, labels, 0);
    if (found.means! < 0.9) low++;
    assert.deepEqual(found.warnings, [], `seed ${seed}`);
  }
  assert.ok(low > 30, `${low}`);
});
