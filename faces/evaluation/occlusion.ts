/** Occlusion maps: the change of a prediction where a part of its image is covered (Zeiler 2014). */
import { mean } from "../../packages/statistics/prediction_metrics.ts";
import { imagesInMemory, type ImageSource } from "../training/image_source.ts";

/** Positions of the cover per axis; its side is a quarter of the image's. */
export const GRID = 8;

/**
 * Covers each part of an image with its mean color and predicts.
 * @param image RGB bytes, [size, size, 3]
 * @param predict returns outputs of images, [images, values]: probabilities, or one number each
 * @returns the predicted class index or number, and its change by the part, [GRID, GRID]: prediction less
 *   that of the covered image; of a classifier, of the predicted class's probability
 */
export async function occlusionMap(
  image: Uint8Array,
  size: number,
  predict: (images: ImageSource) => Promise<Float32Array>,
) {
  const length = 3 * size * size, side = Math.max(1, Math.round(size / 4));
  const color = [0, 1, 2].map((channel) => mean(image.filter((_, at) => at % 3 === channel)));
  const covered = new Uint8Array((GRID * GRID + 1) * length);
  for (let i = 0; i <= GRID * GRID; i++) {
    covered.set(image, i * length);
    if (i === 0) continue;
    const [row, column] = [Math.floor((i - 1) / GRID), (i - 1) % GRID];
    const start = (n: number) => Math.round((n + 0.5) * size / GRID - side / 2);
    for (let y = Math.max(0, start(row)); y < Math.min(size, start(row) + side); y++) {
      for (let x = Math.max(0, start(column)); x < Math.min(size, start(column) + side); x++) {
        covered.set(color, i * length + 3 * (y * size + x));
      }
    }
  }
  const outputs = await predict(imagesInMemory(covered, size));
  const values = outputs.length / (GRID * GRID + 1);
  const own = outputs.subarray(0, values), best = own.indexOf(Math.max(...own));
  const changes = Float64Array.from(
    { length: GRID * GRID },
    (_, i) => own[best] - outputs[(i + 1) * values + best],
  );
  return { prediction: values > 1 ? best : own[0], changes };
}

/**
 * Paints a map over its image, enlarged: orange raised the prediction, blue lowered it.
 * @param scale change of the strongest color
 */
export function paintMap(
  image: Uint8Array,
  size: number,
  { changes }: { changes: Float64Array },
  scale: number,
): { data: Uint8Array; width: number; height: number } {
  const factor = Math.max(1, Math.ceil(240 / size)), width = size * factor;
  const data = new Uint8Array(width * width * 3);
  for (let y = 0, to = 0; y < width; y++) {
    for (let x = 0; x < width; x++) {
      const cell = Math.floor(y * GRID / width) * GRID + Math.floor(x * GRID / width);
      const share = 0.7 * Math.min(1, Math.abs(changes[cell]) / scale);
      const color = changes[cell] > 0 ? [230, 120, 0] : [0, 114, 178];
      const from = 3 * (Math.floor(y / factor) * size + Math.floor(x / factor));
      for (let channel = 0; channel < 3; channel++) {
        data[to++] = (1 - share) * image[from + channel] + share * color[channel];
      }
    }
  }
  return { data, width, height: width };
}
