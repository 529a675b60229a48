/** Data augmentation: flip, translation, color jitter, random erasing. */
import type { Rng } from "../../packages/random/random.ts";

/** Limits of augmentation. Each change is drawn uniformly from [-limit, limit]. */
export interface Augmentation {
  /** True to flip half of the images horizontally. */
  flip: boolean;
  /** Translation, as a share of the width, in whole pixels. */
  shift: number;
  /** Brightness, as a share of white. */
  light: number;
  /** Contrast: relative change of the distance from mid-gray. */
  contrast: number;
  /** Saturation: relative change of the distance from gray. */
  saturation: number;
  /** Random erasing: maximum side of the erased square, as a share of the width. */
  erase: number;
}

/**
 * Augments images in place, each independently. No scaling or rotation: interpolation would blur
 * small images.
 * @param images bytes of RGB images, [n, size, size, 3]
 * @param random source of all changes
 */
export function augment(images: Uint8Array, size: number, limits: Augmentation, random: Rng): void {
  const length = size * size * 3;
  const source = new Uint8Array(length);
  for (let at = 0; at < images.length; at += length) {
    const image = new Uint8ClampedArray(images.buffer, images.byteOffset + at, length);
    source.set(image);
    const within = (limit: number) => (2 * random.next() - 1) * limit;
    // All are drawn for any limits, so that one limit does not affect the other changes.
    const mirror = random.next() < 0.5 && limits.flip;
    const right = Math.round(within(limits.shift) * size);
    const down = Math.round(within(limits.shift) * size);
    const light = within(limits.light) * 255, contrast = 1 + within(limits.contrast);
    const saturation = 1 + within(limits.saturation);
    if (mirror || right !== 0 || down !== 0) move(source, image, size, mirror, right, down);
    jitterColor(image, light, contrast, saturation);
    const side = Math.round(random.next() * limits.erase * size);
    const left = random.int(size), top = random.int(size);
    if (side > 0) eraseSquare(image, size, { left, top, side }, random);
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

function jitterColor(
  image: Uint8ClampedArray,
  light: number,
  contrast: number,
  saturation: number,
): void {
  const offset = 128 * (1 - contrast) + light;
  for (let at = 0; at < image.length; at += 3) {
    // Luma of Rec. 601.
    const gray = 0.299 * image[at] + 0.587 * image[at + 1] + 0.114 * image[at + 2];
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
