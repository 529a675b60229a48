/** Process that prints an occlusion map as JSON. Arguments: folder of a model, images.npy, row. */
import { openBackend } from "../../packages/compute/open_backend.ts";
import { NpyFile } from "../../packages/formats/npy.ts";
import { encodePng } from "../../packages/formats/png.ts";
import { occlusionMap, paintMap } from "../evaluation/occlusion.ts";
import { loadModel } from "../training/model_files.ts";
import { openPredictor } from "../training/predictor.ts";
import type { UiStep } from "./ui_api.ts";

const [folder, path, row] = Deno.args;
await openBackend("wasm");
const { model, record: { classes, task, input: { mirror } } } = await loadModel(folder);
using images = new NpyFile(path, "uint8");
const image = images.read(Number(row), 1), size = images.shape[1];
await using predictor = await openPredictor(model, { threads: 0 });
const map = await occlusionMap(image, size, (covered) => {
  const rows = Int32Array.from(Array(covered.shape[0]).keys());
  return predictor.predict(covered, rows, { mirror });
});
const [low, high] = [Math.min(0, ...map.changes), Math.max(0, ...map.changes)];
// Below these changes, colors would show rounding.
const least = classes ? 0.02 : 0.2;
const png = encodePng(paintMap(image, size, map, Math.max(least, -low, high)));
const what = classes ? `the probability of ${classes[map.prediction]?.label}` : `the ${task}`;
const digits = classes ? 3 : 2;
const step: UiStep = {
  title: "Occlusion",
  image: `data:image/png;base64,${png.toBase64()}`,
  text: `Orange parts raised ${what}: covered with the image's mean color, it falls. Blue parts ` +
    "lowered it. The map is about this network and this image. It shows no causes, nor anything " +
    "about the person: a cover adds edges of its own, and parts that replace each other show nothing.",
  values: {
    "raised at most by": high.toFixed(digits),
    "lowered at most by": (-low).toFixed(digits),
  },
};
console.log(JSON.stringify(step));
