/**
 * dlib's `cnn_face_detection_model_v1`, the detector that Python's face_recognition calls "cnn": the
 * same faces, boxes and scores come out, on kernels of our own. It needs no TensorFlow.js.
 *
 * Its smallest face has 80 pixels; each doubling of the picture (`upsample`) halves that, and takes
 * four times as long. The weights are dlib's, in the public domain (CC0 1.0).
 */
import type { Detection, DetectorModel, NetworkOptions } from "../detector.ts";
import type { Image } from "../../images/image.ts";
import { decode } from "./dlib/decode_boxes.ts";
import { readModel } from "./dlib/dlib_model.ts";
import { MmodNetwork } from "./dlib/dlib_network.ts";
import { levelsAbove } from "./dlib/pyramid.ts";
import { enlarge, halve, reduceBox } from "./dlib/enlarge.ts";

/**
 * Larger pictures are halved before the search, since the network takes some 60 bytes a pixel. Their
 * smallest face is then 160 pixels, of a side of some 1700 or more.
 */
const mostPixels = 3_000_000;

/** Opens the network in this thread. */
export async function open(
  { minConfidence, upsample = 0, minFace = 0, weights }: NetworkOptions,
): Promise<DetectorModel> {
  const model = await read(weights);
  const network = await MmodNetwork.open(model);
  return {
    search(image) {
      let seen: Image = image, factor = 1, times = 0;
      for (; seen.width * seen.height > mostPixels; factor *= 2) seen = halve(seen);
      for (; times < upsample && seen.width * seen.height * 4 <= mostPixels; times++) {
        seen = enlarge(seen);
      }
      const { data, width, height } = seen;
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
        "Without a path, the project's own are taken.",
      { cause },
    );
  });
  return readModel(bytes, path);
}
