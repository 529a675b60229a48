import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { openFaces } from "../../../faces/detection/faces_artifact.ts";
import { openDetector } from "../../../faces/detection/detectors.ts";
import { findLabelledFace } from "../../../faces/detection/find_faces.ts";
import { crop } from "../../../faces/images/crop.ts";
import { decode } from "../../../faces/images/decode_image.ts";
import { openCropper } from "../../../faces/detection/cropper.ts";
import type { Detector } from "../../../faces/detection/detector.ts";
import { readPreprocessing } from "../../../faces/images/preprocessing.ts";
import { readNpy } from "../../../packages/formats/npy.ts";
import faceCrop from "../../../stages/faceCrop.ts";
import resize32 from "../../../stages/resize32.ts";
import { openInferenceSession } from "../../../faces/serving/inference_session.ts";
import { testContext } from "../../context.ts";
import { writeModel } from "../serving/fixture.ts";
import { gradient, photoArtifacts } from "./fixture.ts";

/** A detector that finds these boxes, in this order. */
function finder(...boxes: [x: number, y: number, size: number][]): Detector {
  return {
    name: "finder",
    detect: () =>
      Promise.resolve(
        boxes.map(([x, y, size]) => ({ box: { x, y, width: size, height: size }, score: 0.9 })),
      ),
    close: () => {},
  };
}

const options = { margin: 0, maxSize: 0 };
const cropper = await openCropper(options);

for (const align of ["none", "eyes", "template"] as const) {
  Deno.test(`serving gives byte for byte the stages' tensors, align: ${align}`, () =>
    sameTensors(align));
}

async function sameTensors(align: "none" | "eyes" | "template"): Promise<void> {
  const names = ["sample1.jpg", "sample2.jpg", "sample4.jpg"];
  const demo = import.meta.resolve("@vladmandic/face-api/package.json");
  const photos = await Promise.all(names.map(async (path) => ({
    path,
    bytes: await Deno.readFile(new URL(`demo/${path}`, demo)),
    faceLocation: [1, 1, 10_000, 10_000], // anywhere in the photo
  })));
  using cropping = testContext(faceCrop);
  await cropping.run(
    { ...await photoArtifacts(join(cropping.folder, "in"), photos, "full") },
    { detector: "tinyFaceDetector", inputSizes: [416], workers: 1, align },
  );
  using resizing = testContext(resize32);
  await resizing.run({ faces: cropping.artifact("faces") });

  const dataset = resizing.outputs.dataset;
  const preprocessing = await readPreprocessing(dataset);
  const { data, shape } = readNpy(join(dataset, "images.npy"), "uint8");
  assert.deepEqual(shape, [names.length, 32, 32, 3]);
  using stored = await openFaces(cropping.outputs.faces);
  assert.equal(preprocessing.crop.align ?? "none", align);
  const path = join(cropping.folder, "model");
  await writeModel(path, "gender", preprocessing);
  const detectors = { photo: preprocessing.detector, live: preprocessing.detector };
  const models = [{ id: "gender", error: 0, path, preprocessing, detectors }];
  const analyze = await openInferenceSession({ backend: "wasm", models });
  for (const [i, { bytes }] of photos.entries()) {
    const { faces } = await analyze(bytes, { view: "photo", crops: true });
    const { box_x, box_y } = stored.rows[i];
    const same = faces.find(({ box }) => box.x === box_x && box.y === box_y);
    assert.ok(same, `the face of ${names[i]} is among the ${faces.length} that serving finds`);
    const png = await (await fetch(same.crop!)).bytes();
    const pixels = await sharp(png).raw().toBuffer();
    assert.deepEqual([...pixels], [...data.subarray(i * 3072, (i + 1) * 3072)]);
  }
}

Deno.test("findLabelledFace() takes the face that agrees best with the data set", async () => {
  const photo = await gradient(1, 100);
  const known = { middle: 0.5 }; // 25 to 75
  const found = finder([0, 0, 30], [60, 60, 20], [28, 28, 45], [70, 70, 30]);
  const face = await findLabelledFace(photo, known, found, cropper);
  assert.deepEqual(face.crop && [face.box.x, face.found], [28, 4]);
});

Deno.test("findLabelledFace() does not take somebody else's face", async () => {
  const photo = await gradient(1, 100);
  const face = await findLabelledFace(photo, { middle: 0.5 }, finder([0, 0, 40]), cropper);
  assert.deepEqual(face, { crop: undefined, found: 1 });
});

Deno.test("findLabelledFace() takes the surest when the data set does not say", async () => {
  const photo = await gradient(1, 100);
  const face = await findLabelledFace(photo, undefined, finder([7, 7, 9], [40, 40, 20]), cropper);
  assert.deepEqual(face.crop && face.box.x, 7);
});

Deno.test("findLabelledFace() finds nothing where the data set names a place outside", async () => {
  const stored = { x: 200, y: 0, width: 10, height: 10 };
  const face = await findLabelledFace(
    await gradient(1, 100),
    { stored },
    finder([7, 7, 9]),
    cropper,
  );
  assert.equal(face.crop, undefined);
});

Deno.test("findLabelledFace() crops a labelled box that the border cuts around its own center", async () => {
  const photo = await gradient(1, 100); // 100 × 100 pixels
  const metadata = await openDetector("metadata", {});
  for (const [x, y] of [[-20, 10], [60, 70], [-31, -31]]) {
    const stored = { x, y, width: 60, height: 60 };
    const face = await findLabelledFace(photo, { stored }, metadata, cropper);
    assert.ok(face.crop, `${x}, ${y}`);
    assert.deepEqual(face.box, stored);
    assert.deepEqual(face.crop, await crop(await decode(photo), stored, options));
  }
});

Deno.test("findLabelledFace() takes a photo of the layout aligned as it is", async () => {
  await openBackend("wasm");
  const photo = await gradient(1, 100);
  const given = { middle: 1, given: true } as const;
  const plain = await findLabelledFace(photo, given, finder(), cropper);
  const aligning = await openCropper({ margin: 0.4, maxSize: 0, align: "template" });
  const face = await findLabelledFace(photo, given, finder(), aligning);
  aligning.close();
  assert.deepEqual([face.crop?.width, face.crop?.height], [100, 100]);
  assert.deepEqual(face, plain);
});
