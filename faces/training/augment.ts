/** Faces as they might also have been photographed: mirrored, moved, in other light. */
import type { Rng } from "../../packages/random/random.ts";

/** How far an image may be changed; each change is drawn evenly up to its limit, both ways. */
export interface Augmentation {
  /** Whether half of the images are mirrored. */
  flip: boolean;
  /** Share of the width, in whole pixels. */
  shift: number;
  /** Share of the full brightness. */
  light: number;
  /** Share of each value's distance from mid-grey. */
  contrast: number;
  /** Share of each colour's distance from grey. */
  saturation: number;
  /** Largest side of the square that is blotted out with noise, a share of the width. */
  erase: number;
}

/**
 * Changes images in place, each in its own way. Nothing that would scale or turn them: between two
 * pixels, a small image loses the little detail that it has.
 * @param images bytes of RGB images, [n, size, size, 3]
 * @param random decides all: the same numbers make the same images
 */
export function augment(images: Uint8Array, size: number, limits: Augmentation, random: Rng): void {
  const length = size * size * 3;
  const source = new Uint8Array(length);
  for (let at = 0; at < images.length; at += length) {
    const image = new Uint8ClampedArray(images.buffer, images.byteOffset + at, length);
    source.set(image);
    const within = (limit: number) => (2 * random.next() - 1) * limit;
    // All are drawn, whatever the limits, so that one limit changes nothing but its own change.
    const mirror = random.next() < 0.5 && limits.flip;
    const right = Math.round(within(limits.shift) * size);
    const down = Math.round(within(limits.shift) * size);
    const light = within(limits.light) * 255, contrast = 1 + within(limits.contrast);
    const saturation = 1 + within(limits.saturation);
    if (mirror || right !== 0 || down !== 0) move(source, image, size, mirror, right, down);
    recolour(image, light, contrast, saturation);
    const side = Math.round(random.next() * limits.erase * size);
    const left = random.int(size), top = random.int(size);
    if (side > 0) blot(image, size, { left, top, side }, random);
  }
}

/** Beyond the edge, the edge goes on. */
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

function recolour(
  image: Uint8ClampedArray,
  light: number,
  contrast: number,
  saturation: number,
): void {
  const offset = 128 * (1 - contrast) + light;
  for (let at = 0; at < image.length; at += 3) {
    // Rec. 601's luma.
    const grey = 0.299 * image[at] + 0.587 * image[at + 1] + 0.114 * image[at + 2];
    for (let channel = at; channel < at + 3; channel++) {
      image[channel] = contrast * (grey + saturation * (image[channel] - grey)) + offset;
    }
  }
}

/** Random erasing (Zhong et al., 2017), around a point; what lies outside is cut off. */
function blot(
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
