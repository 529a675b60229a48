/**
 * Wrote ageGender.json: what face-api itself says of faces in its demo photos. Runs on Node.js, in a
 * folder where this was done: npm i @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0
 * @tensorflow/tfjs-backend-wasm@4.22.0 sharp@0.35.5; then: node ageGender.mjs > ageGender.json
 *
 * The faces are cut and scaled beforehand, so that nothing but the network is compared.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import console from "node:console";
import process from "node:process";

const require = createRequire(join(process.cwd(), "package.json"));
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const faceApi = require("@vladmandic/face-api/dist/face-api.node-wasm.js");
const sharp = require("sharp");

wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + "/");
await tf.setBackend("wasm");
const root = dirname(require.resolve("@vladmandic/face-api/package.json"));
await faceApi.nets.tinyFaceDetector.loadFromDisk(join(root, "model"));
await faceApi.nets.ageGenderNet.loadFromDisk(join(root, "model"));

const faces = [];
for (const photo of ["sample1.jpg", "sample3.jpg", "sample4.jpg", "sample6.jpg"]) {
  const { data, info } = await sharp(join(root, "demo", photo)).removeAlpha().raw()
    .toBuffer({ resolveWithObject: true });
  const whole = tf.tensor3d(new Uint8Array(data), [info.height, info.width, 3], "int32");
  const found = await faceApi.detectAllFaces(
    whole,
    new faceApi.TinyFaceDetectorOptions({ inputSize: 416, scoreThreshold: 0.5 }),
  );
  whole.dispose();
  for (const { box } of found.slice(0, 4)) {
    const left = Math.max(0, Math.round(box.x)), top = Math.max(0, Math.round(box.y));
    const region = {
      left,
      top,
      width: Math.min(info.width - left, Math.round(box.width)),
      height: Math.min(info.height - top, Math.round(box.height)),
    };
    const pixels = await sharp(data, { raw: info }).extract(region)
      .resize(112, 112, { fit: "fill", kernel: "linear" }).raw().toBuffer();
    const face = tf.tensor3d(new Uint8Array(pixels), [112, 112, 3], "int32");
    const said = await faceApi.nets.ageGenderNet.predictAgeAndGender(face);
    face.dispose();
    const male = said.gender === "male" ? said.genderProbability : 1 - said.genderProbability;
    faces.push({ photo, region, age: said.age, male });
  }
}
console.log("[\n  " + faces.map((face) => JSON.stringify(face)).join(",\n  ") + "\n]");
