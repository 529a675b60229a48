/** Sensitivity to changes of the images that photos meet: blur, compression, light, framing. */
import sharp from "sharp";
import { random } from "../../packages/random/random.ts";
import { SEED } from "../../packages/statistics/confidence_intervals.ts";
import { sample } from "../training/augment.ts";
import { imagesInMemory, type ImageSource, readBytes } from "../training/image_source.ts";

/** Metric of a model on a sample of the test set, as it is and changed. */
export interface Sensitivity {
  count: number;
  /** Metric on the unchanged images. */
  unchanged: number;
  changes: readonly { name: string; value: number }[];
}

type Change = (image: Uint8Array, size: number, position: number) => Promise<Uint8Array>;

/** Blurs; `share`: standard deviation as a share of the side, and at least the 0.3 pixels of sharp. */
const blur = (share: number): Change => (image, size) =>
  raw(image, size).blur(Math.max(0.3, share * size)).raw().toBuffer();

const jpeg = (quality: number): Change => async (image, size) =>
  await sharp(await raw(image, size).jpeg({ quality }).toBuffer()).raw().toBuffer();

const light = (factor: number): Change => (image) =>
  Promise.resolve(new Uint8Array(Uint8ClampedArray.from(image, (value) => value * factor)));

/** Shifts up, right, down and left in turn. */
const shift = (share: number): Change => (image, size, position) => {
  const by = Math.max(1, Math.round(share * size)) * (position & 1 ? 1 : -1);
  return move(image, size, 0, position & 2 ? [by, 0] : [0, by]);
};

/** Turns left and right in turn. */
const turn = (degrees: number): Change => (image, size, position) =>
  move(image, size, (position & 1 ? 1 : -1) * degrees * Math.PI / 180, [0, 0]);

const CHANGES: Readonly<Record<string, Change>> = {
  "blur, σ 2 % of the side": blur(0.02),
  "blur, σ 4 %": blur(0.04),
  "JPEG, quality 50": jpeg(50),
  "JPEG, quality 20": jpeg(20),
  "brightness × 0.6": light(0.6),
  "brightness × 1.4": light(1.4),
  "shift by 5 %": shift(0.05),
  "shift by 10 %": shift(0.1),
  "rotation by 5°": turn(5),
  "rotation by 15°": turn(15),
};

/** Multiplications of all predictions: half a minute or so. At least `MIN` images are predicted. */
const BUDGET = 2e11, MIN = 20;

/**
 * Scores changed images.
 * @param most maximum number of images
 * @param multiplyAdds of a prediction, which lowers the number for large networks
 * @param score returns the metric on images, given their rows of the data set
 */
export async function measureSensitivity(
  images: ImageSource,
  rows: Int32Array,
  { most, multiplyAdds = 0 }: { most: number; multiplyAdds?: number },
  score: (images: ImageSource, rows: Int32Array) => Promise<number>,
): Promise<Sensitivity> {
  const affordable = BUDGET / (multiplyAdds * Object.keys(CHANGES).length);
  const drawn = random(SEED, "sensitivity").shuffle(rows.slice());
  const some = drawn.subarray(0, Math.min(most, Math.max(MIN, Math.floor(affordable)))).sort();
  const size = images.shape[1], length = size * size * 3;
  const bytes = readBytes(images, some);
  const changes: { name: string; value: number }[] = [];
  for (const [name, change] of Object.entries(CHANGES)) {
    const changed = new Uint8Array(bytes.length);
    for (let i = 0; i < some.length; i++) {
      changed.set(await change(bytes.subarray(i * length, (i + 1) * length), size, i), i * length);
    }
    changes.push({ name, value: await score(imagesInMemory(changed, size), some) });
  }
  const unchanged = await score(imagesInMemory(bytes, size), some);
  return { count: some.length, unchanged, changes };
}

function raw(image: Uint8Array, size: number) {
  return sharp(image, { raw: { width: size, height: size, channels: 3 } });
}

/** Turns an image around its center and shifts it; border pixels are replicated. */
function move(
  image: Uint8Array,
  size: number,
  angle: number,
  [right, down]: readonly [number, number],
): Promise<Uint8Array> {
  const target = new Uint8ClampedArray(image.length), center = (size - 1) / 2;
  const cos = Math.cos(angle), sin = Math.sin(angle);
  sample(image, size, target, size, [
    ...[cos, -sin, center - cos * center + sin * center - right] as const,
    ...[sin, cos, center - sin * center - cos * center - down] as const,
  ]);
  return Promise.resolve(new Uint8Array(target));
}
