/**
 * dlib's `cnn_face_detection_model_v1`, which Python's face_recognition calls "cnn": the same faces,
 * boxes and scores, computed by WebAssembly kernels. It does not need TensorFlow.js.
 *
 * The smallest detectable face is 80 pixels; each upsampling by 2 halves that and takes four times as
 * long. The weights are dlib's, in the public domain (CC0 1.0).
 */
import { z } from "zod";
import { pathParam } from "../../../packages/pipeline/stage.ts";
import { type Box, scaleBox } from "../../images/image.ts";
import { defineDetector, minConfidence } from "../detector.ts";

/**
 * Larger images are halved before detection: the network takes about 60 bytes per pixel. Their
 * smallest detectable face is then 160 pixels, of a side of at least about 1700.
 */
const MAX_PIXELS = 3_000_000;

export default defineDetector({
  name: "dlibCnn",
  summary: "Detect faces with dlib's CNN, also face_recognition's: detects most faces",
  params: z.strictObject({
    minConfidence: minConfidence.default(0),
    upsample: z.int().min(0).max(2).default(0).describe(
      "Only dlibCnn: number of times the photo is upsampled by 2 before detection. The " +
        "smallest detectable face is 80 pixels, with 1 it is 40, with 2 it is 20; each step " +
        "takes four times as long. Photos above 3 million pixels are halved first and not " +
        "upsampled beyond. 0 is dlib's default and enough for large faces, as in the _crop " +
        "archives; face_recognition uses 1",
    ),
    minFace: z.number().min(0).max(1).default(0).describe(
      "Only dlibCnn: minimum face size as a share of the photo's shorter side. Smaller " +
        "faces are searched only if no larger one is detected, which saves time. Faces in the" +
        " _crop archives are at 0.55; 0.45 saves two fifths of the time",
    ),
    weights: pathParam({ byContent: true }).optional().describe(
      "Only dlibCnn: path of a mmod_human_face_detector.dat. Default: the weights in the " +
        "project",
    ),
  }),
  async open({ minConfidence, upsample, minFace, weights }) {
    const { decode } = await import("./dlib/decode_boxes.ts");
    const { MmodNetwork } = await import("./dlib/dlib_network.ts");
    const { levelsAbove } = await import("./dlib/pyramid.ts");
    const { enlarge, halve, reduceBox } = await import("./dlib/enlarge.ts");
    const model = await read(weights);
    const network = await MmodNetwork.open(model);
    return {
      detect(image) {
        let input = image, factor = 1, times = 0;
        for (; input.width * input.height > MAX_PIXELS; factor *= 2) input = halve(input);
        if (input.width * input.height === 0) return Promise.resolve([]); // of a side of few pixels
        for (; times < upsample && input.width * input.height * 4 <= MAX_PIXELS; times++) {
          input = enlarge(input);
        }
        const { data, width, height } = input;
        const search = (skip: number) => {
          const scores = network.run(data, width, height, skip);
          return scores ? decode(scores, model, minConfidence) : [];
        };
        const skip = levelsAbove(minFace * Math.min(width, height), model.window);
        const large = skip > 0 ? search(skip) : [];
        const found = large.length > 0 ? large : search(0);
        const inImage = (box: Box) => scaleBox(times > 0 ? reduceBox(box, times) : box, factor);
        return Promise.resolve(found.map(({ box, score }) => ({ box: inImage(box), score })));
      },
      close: () => {},
    };
  },
});

async function read(path: string | undefined) {
  const { readModel } = await import("./dlib/dlib_model.ts");
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
