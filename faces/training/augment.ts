/** Data augmentation: geometry, resolution, color, noise, random erasing. */
import { z } from "zod";
import { definedChoices } from "../../packages/pipeline/define.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import type { Rng } from "../../packages/random/random.ts";
import { lumaAt } from "../images/image.ts";
import { type AugmentationDefinition, defineAugmentation } from "./training_definitions.ts";

/** The built-in further augmentations. */
export const augmentations = [
  defineAugmentation({
    name: "gamma",
    summary: "Brighten or darken the middle tones, as of other exposures",
    params: z.strictObject({
      limit: z.number().gt(0).max(1).default(0.3).describe(
        "Maximum of the exponent's logarithm: from exp(-limit) to exp(limit)",
      ),
    }),
    apply(image, { random }, { limit }) {
      const exponent = Math.exp((2 * random.next() - 1) * limit);
      const tones = Float64Array.from({ length: 256 }, (_, i) => 255 * (i / 255) ** exponent);
      for (let i = 0; i < image.length; i++) image[i] = tones[image[i]];
    },
  }),
];

const share = (max: number) => z.number().min(0).max(max);

/** Limits of augmentation. Each change is drawn uniformly from [-limit, limit]. */
export const augmentation = z.strictObject({
  flip: z.boolean().default(true).describe("Flip half of the images horizontally"),
  shift: share(0.5).default(0.1).describe(
    "Maximum translation, as a share of the width, in whole pixels",
  ),
  light: share(1).default(0.1).describe("Maximum change of brightness, as a share of white"),
  contrast: share(1).default(0.2).describe("Maximum relative change of contrast"),
  saturation: share(1).default(0.2).describe("Maximum relative change of saturation"),
  erase: share(1).default(0).describe(
    "Random erasing: maximum side of the erased square, as a share of the width",
  ),
  zoom: share(0.5).default(0).describe("Maximum relative change of scale"),
  rotate: share(45).default(0).describe("Maximum rotation, degrees"),
  lowResolution: share(0.5).default(0).describe(
    "Maximum reduction of the resolution, as a share of the width: scaled down and up again",
  ),
  grayscale: share(1).default(0).describe("Share of the images without color"),
  noise: share(0.5).default(0).describe(
    "Maximum standard deviation of Gaussian noise, as a share of white",
  ),
  further: definedChoices("augmentation", augmentations).optional().describe(
    "Further changes, in this order, after all others. Default: none",
  ),
});

export type Augmentation = z.output<typeof augmentation>;

/** A map of pixels, row by row: x' = a x + b y + c, y' = d x + e y + f. */
type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

/**
 * Augments images in place, each independently. Scaling and rotation interpolate, which blurs small
 * images.
 * @param images bytes of RGB images, [n, size, size, 3]
 * @param random source of all changes
 * @param further what `limits.further` names
 */
export function augment(
  images: Uint8Array,
  size: number,
  limits: Augmentation,
  random: Rng,
  further: readonly { definition: AugmentationDefinition; options: Record<string, unknown> }[] = [],
): void {
  const length = size * size * 3;
  const source = new Uint8Array(length);
  for (let at = 0; at < images.length; at += length) {
    const image = new Uint8ClampedArray(images.buffer, images.byteOffset + at, length);
    source.set(image);
    const within = (limit: number) => (2 * random.next() - 1) * limit;
    // These are drawn for any limits, so that one limit does not affect the other changes.
    const mirror = random.next() < 0.5 && limits.flip;
    const right = Math.round(within(limits.shift) * size);
    const down = Math.round(within(limits.shift) * size);
    const light = within(limits.light) * 255, contrast = 1 + within(limits.contrast);
    const saturation = 1 + within(limits.saturation);
    const side = Math.round(random.next() * limits.erase * size);
    const left = random.int(size), top = random.int(size);
    // The others are drawn only if they are used, so that results without them stay the same.
    const zoom = limits.zoom > 0 ? 1 + within(limits.zoom) : 1;
    const angle = limits.rotate > 0 ? within(limits.rotate) * Math.PI / 180 : 0;
    const reduction = limits.lowResolution > 0 ? random.next() * limits.lowResolution : 0;
    const gray = limits.grayscale > 0 && random.next() < limits.grayscale;
    if (zoom !== 1 || angle !== 0) {
      const center = (size - 1) / 2, sign = mirror ? -1 : 1;
      const cos = Math.cos(angle) / zoom, sin = Math.sin(angle) / zoom;
      const x = -right - center, y = -down - center; // of the first pixel, from the center
      sample(source, size, image, size, [
        ...[sign * cos, -sign * sin, center + sign * (cos * x - sin * y)] as const,
        ...[sin, cos, center + sin * x + cos * y] as const,
      ]);
    } else if (mirror || right !== 0 || down !== 0) move(source, image, size, mirror, right, down);
    const reduced = Math.round(size * (1 - reduction));
    if (reduced < size) reduceResolution(image, size, reduced);
    jitterColor(image, light, contrast, gray ? 0 : saturation);
    if (limits.noise > 0) {
      const deviation = random.next() * limits.noise * 255;
      for (let i = 0; i < length; i++) image[i] += deviation * random.normal();
    }
    if (side > 0) eraseSquare(image, size, { left, top, side }, random);
    for (const { definition: { name, apply }, options } of further) {
      if (apply(image, { size, random }, options) === undefined) continue;
      throw new Error(
        `Cannot augment images: apply() of augmentation ${quote(name)} has to change the image ` +
          "in place and to return nothing, not even a promise.",
      );
    }
  }
}

/** Translates an image; border pixels are replicated. */
function move(
  source: Uint8Array,
  image: Uint8ClampedArray,
  size: number,
  mirror: boolean,
  right: number,
  down: number,
): void {
  const last = size - 1;
  for (let y = 0, to = 0; y < size; y++) {
    const row = Math.min(Math.max(y - down, 0), last) * size;
    for (let x = 0; x < size; x++, to += 3) {
      const from = Math.min(Math.max(x - right, 0), last);
      const at = (row + (mirror ? last - from : from)) * 3;
      image[to] = source[at];
      image[to + 1] = source[at + 1];
      image[to + 2] = source[at + 2];
    }
  }
}

/**
 * Interpolates an image linearly at the map of each pixel of `target`; border pixels are replicated.
 * @param from width of `source`
 * @param size width of `target`
 */
export function sample(
  source: ArrayLike<number>,
  from: number,
  target: Uint8ClampedArray,
  size: number,
  [a, b, c, d, e, f]: Affine,
): void {
  const clamp = (value: number) => Math.min(Math.max(value, 0), from - 1);
  for (let y = 0, to = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const sx = clamp(a * x + b * y + c), sy = clamp(d * x + e * y + f);
      const left = Math.floor(sx), top = Math.floor(sy), u = sx - left, v = sy - top;
      const right = u > 0 ? 3 : 0, below = v > 0 ? 3 * from : 0;
      for (let at = 3 * (top * from + left), end = at + 3; at < end; at++) {
        const upper = source[at] + u * (source[at + right] - source[at]);
        const under = at + below;
        const lower = source[under] + u * (source[under + right] - source[under]);
        target[to++] = upper + v * (lower - upper);
      }
    }
  }
}

/** Scales an image down to `reduced` pixels a side and up again. */
export function reduceResolution(image: Uint8ClampedArray, size: number, reduced: number): void {
  const small = new Uint8ClampedArray(reduced * reduced * 3);
  const scale = (ratio: number): Affine => {
    const offset = (ratio - 1) / 2; // the centers of the corner pixels
    return [ratio, 0, offset, 0, ratio, offset];
  };
  sample(image, size, small, reduced, scale(size / reduced));
  sample(small, reduced, image, size, scale(reduced / size));
}

function jitterColor(
  image: Uint8ClampedArray,
  light: number,
  contrast: number,
  saturation: number,
): void {
  const offset = 128 * (1 - contrast) + light;
  for (let at = 0; at < image.length; at += 3) {
    const gray = lumaAt(image, at);
    for (let channel = at; channel < at + 3; channel++) {
      image[channel] = contrast * (gray + saturation * (image[channel] - gray)) + offset;
    }
  }
}

/** Random erasing (Zhong et al., 2017) of a square around a point, clipped to the image. */
function eraseSquare(
  image: Uint8ClampedArray,
  size: number,
  { left, top, side }: { left: number; top: number; side: number },
  random: Rng,
): void {
  const half = side >> 1;
  for (let y = Math.max(0, top - half); y < Math.min(size, top - half + side); y++) {
    for (let x = Math.max(0, left - half); x < Math.min(size, left - half + side); x++) {
      for (let channel = 0; channel < 3; channel++) {
        image[(y * size + x) * 3 + channel] = random.int(256);
      }
    }
  }
}
