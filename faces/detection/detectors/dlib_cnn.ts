/**
 * dlib's `cnn_face_detection_model_v1`, which Python's face_recognition calls "cnn": the same faces,
 * boxes and scores, computed by WebAssembly kernels. It does not need TensorFlow.js.
 *
 * The smallest detectable face is 80 pixels; each upsampling by 2 halves that and takes four times as
 * long. The weights are dlib's, in the public domain (CC0 1.0).
 */
import type { Detection, DetectorModel, NetworkOptions } from "../detector.ts";
import type { Image } from "../../images/image.ts";
import { decode } from "./dlib/decode_boxes.ts";
import { readModel } from "./dlib/dlib_model.ts";
import { MmodNetwork } from "./dlib/dlib_network.ts";
import { levelsAbove } from "./dlib/pyramid.ts";
import { enlarge, halve, reduceBox } from "./dlib/enlarge.ts";

/**
 * Larger images are halved before detection: the network takes about 60 bytes per pixel. Their
 * smallest detectable face is then 160 pixels, of a side of at least about 1700.
 */
const MAX_PIXELS = 3_000_000;

/** Opens the model in this thread. */
export async function open(
  { minConfidence, upsample = 0, minFace = 0, weights }: NetworkOptions,
): Promise<DetectorModel> {
  const model = await read(weights);
  const network = await MmodNetwork.open(model);
  return {
    detect(image) {
      let input: Image = image, factor = 1, times = 0;
      for (; input.width * input.height > MAX_PIXELS; factor *= 2) input = halve(input);
      for (; times < upsample && input.width * input.height * 4 <= MAX_PIXELS; times++) {
        input = enlarge(input);
      }
      const { data, width, height } = input;
      const look = (leaveOut: number) => {
        const scores = network.run(data, width, height, leaveOut);
        return scores ? decode(scores, model, minConfidence) : [];
      };
      const leaveOut = levelsAbove(minFace * Math.min(width, height), model.window);
      const large = leaveOut > 0 ? look(leaveOut) : [];
      const found = large.length > 0 ? large : look(0);
      return Promise.resolve(found.map(({ box, score }): Detection => {
        const { x, y, width, height } = times > 0 ? reduceBox(box, times) : box;
        return {
          box: { x: x * factor, y: y * factor, width: width * factor, height: height * factor },
          score,
        };
      }));
    },
    close: () => {},
  };
}

async function read(path: string | undefined) {
  if (path === undefined) {
    const url = import.meta.resolve("./dlib/mmod_human_face_detector.dat");
    return readModel(await Deno.readFile(new URL(url)), url);
  }
  const bytes = await Deno.readFile(path).catch((cause) => {
    throw new Error(
      `Cannot read the weights of dlibCnn: ${JSON.stringify(path)} (${cause.message}). ` +
        "Default: the weights in the project.",
      { cause },
    );
  });
  return readModel(bytes, path);
}
