import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { mapFaces, openFaces } from "../../faces/detection/faces_artifact.ts";
import { decode } from "../../faces/images/decode_image.ts";
import { readPreprocessing } from "../../faces/images/preprocessing.ts";
import { toNetworkInput } from "../../faces/images/resize.ts";
import { readNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import faceCrop from "../../stages/faceCrop.ts";
import resize32 from "../../stages/resize32.ts";
import { testContext } from "../context.ts";
import { gradient, type Photo, photoArtifacts } from "../faces/detection/fixture.ts";

async function croppedGradients(count: number) {
  const context = testContext(faceCrop);
  const photos: Photo[] = [];
  for (let i = 0; i < count; i++) {
    photos.push({ path: `${i}.jpg`, bytes: await gradient(i, 80), age: 20 + i, gender: i % 2 });
  }
  photos[1] = { path: "gone.jpg" };
  photos[2] = { ...photos[2], name: null, identity: null };
  await context.run(
    { ...await photoArtifacts(join(context.folder, "in"), photos) },
    { detector: "metadata", shardSize: 4 },
  );
  return context;
}

Deno.test("resize32 makes one array of all faces, and a table beside it", async () => {
  using cropping = await croppedGradients(40);
  using context = testContext(resize32);
  await context.run({ faces: cropping.artifact("faces") });
  const { data, shape } = readNpy(join(context.outputs.dataset, "images.npy"), "uint8");
  assert.deepEqual(shape, [39, 32, 32, 3]);
  const table = await readParquet(join(context.outputs.dataset, "table.parquet"));
  assert.deepEqual(Object.keys(table), ["name", "age", "gender", "identity", "dataset", "path"]);
  assert.deepEqual(table.path.slice(0, 3), ["0.jpg", "2.jpg", "3.jpg"]);
  assert.deepEqual(table.age.slice(0, 3), [20, 22, 23]);
  assert.deepEqual(table.name.slice(0, 3), ["Søren 0", null, "Søren 3"]);

  using faces = await openFaces(cropping.outputs.faces);
  for (const row of [0, 17, 38]) {
    const tensor = await toNetworkInput(await decode(faces.png(faces.rows[row])), 32);
    assert.deepEqual([...data.subarray(row * 3072, (row + 1) * 3072)], [...tensor]);
  }
});

Deno.test("resize32 takes another size, and preprocessing.json says which", async () => {
  using cropping = await croppedGradients(3);
  using context = testContext(resize32);
  await context.run({ faces: cropping.artifact("faces") }, { size: 48 });
  const { shape } = readNpy(join(context.outputs.dataset, "images.npy"), "uint8");
  assert.deepEqual(shape, [2, 48, 48, 3]);
  assert.deepEqual(await readPreprocessing(context.outputs.dataset), {
    detector: { name: "metadata", minConfidence: 0.4, inputSizes: [] },
    crop: { margin: 0.2, maxSize: 128 },
    background: "#ffffff",
    resize: { size: 48, kernel: "lanczos3", fit: "fill" },
    steps: [],
  });
});

Deno.test("resize32's result does not depend on the number of workers", async () => {
  using cropping = await croppedGradients(70);
  const results = [];
  for (const workers of [1, 2, 3]) {
    using context = testContext(resize32);
    await context.run({ faces: cropping.artifact("faces") }, { workers });
    results.push(await Deno.readFile(join(context.outputs.dataset, "images.npy")));
  }
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
  assert.deepEqual(resize32.ignoreInCacheKey, ["workers"]);
});

Deno.test("resize32 scales faces that are no plain PNG, and names a face that it cannot read", async () => {
  using cropping = await croppedGradients(3);
  using other = testContext(faceCrop);
  // As a stage from outside may make them.
  const change = (png: Uint8Array) => sharp(png).ensureAlpha().png().toBuffer();
  await mapFaces(cropping.outputs.faces, other.outputs.faces, other, "alpha", change);
  const results = [];
  for (const faces of [cropping.artifact("faces"), other.artifact("faces")]) {
    using context = testContext(resize32);
    await context.run({ faces });
    results.push(await Deno.readFile(join(context.outputs.dataset, "images.npy")));
  }
  assert.deepEqual(results[1], results[0]);
  for (
    const [unfit, shown] of [
      [(png: Uint8Array) => sharp(png).raw().toBuffer(), "no image"],
      [(png: Uint8Array) => sharp(png).jpeg().toBuffer(), "a JPEG"],
      [() => Promise.resolve(undefined as never), "no image"],
    ] as const
  ) {
    using context = testContext(faceCrop);
    await assert.rejects(
      mapFaces(cropping.outputs.faces, context.outputs.faces, context, "unfit", unfit),
      new RegExp(`change the face "0.jpg": .* mapFaces\\(\\) returned ${shown}\\. Return a PNG`),
    );
  }

  using faces = await openFaces(other.outputs.faces);
  const shard = join(other.outputs.faces, faces.rows[1].shard);
  const bytes = await Deno.readFile(shard);
  bytes.fill(0, faces.rows[1].offset, faces.rows[1].offset + 8);
  await Deno.writeFile(shard, bytes);
  using context = testContext(resize32);
  await assert.rejects(
    context.run({ faces: other.artifact("faces") }),
    new RegExp(
      `Cannot resize the crop at byte ${faces.rows[1].offset} of ".*faces-00000\\.tar": ` +
        "Cannot decode the photo: it is none of JPEG, PNG, WebP, GIF, TIFF and AVIF\\. Repeat the stage that wrote it",
    ),
  );
  bytes.set([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10], faces.rows[1].offset);
  bytes.fill(0, faces.rows[1].offset + 60, faces.rows[1].offset + 80);
  await Deno.writeFile(shard, bytes);
  await assert.rejects(
    context.run({ faces: other.artifact("faces") }),
    /Cannot decode the photo: it is damaged or cut short\. Repeat the stage that wrote it\.$/m,
  );
});

Deno.test("resize32 stops when it is interrupted", async () => {
  using cropping = await croppedGradients(40);
  const controller = new AbortController();
  using context = testContext(resize32, {
    signal: controller.signal,
    onAdvance: () => controller.abort(new Error("interrupted")),
  });
  await assert.rejects(context.run({ faces: cropping.artifact("faces") }), /interrupted/);
  assert.equal(context.done.items, 16);
});
