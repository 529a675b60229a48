/** Cuts a face out of a photo. */
import { ImageError, MAX_PIXELS } from "./decode_image.ts";
import type { Box, Image } from "./image.ts";
import { resize } from "./resize.ts";

/** How a face is cut out. */
export interface CropOptions {
  /** How much of the box's longer side is added on every side. */
  readonly margin: number;
  /** A crop's largest side in pixels; larger ones are reduced to it. 0 keeps all. */
  readonly maxSize: number;
}

/** The square around a box's centre that is cut out: (1 + 2 × margin) times its longer side. */
export function cropSquare(box: Box, margin: number): Box {
  const side = Math.max(1, Math.round(Math.max(box.width, box.height) * (1 + 2 * margin)));
  return {
    x: Math.round(box.x + box.width / 2 - side / 2),
    y: Math.round(box.y + box.height / 2 - side / 2),
    width: side,
    height: side,
  };
}

/**
 * The square around a box. Where it reaches beyond the photo, the photo's border pixels are
 * repeated. Reduced with Lanczos's filter, a = 3, if it is larger than `maxSize`.
 * @throws {ImageError} if it is too large
 */
export async function crop(image: Image, box: Box, options: CropOptions): Promise<Image> {
  const { x, y, width: side } = cropSquare(box, options.margin);
  if (side * side > MAX_PIXELS) {
    throw new ImageError(
      `the face and its margin take ${side} × ${side} pixels, ` +
        `more than the ${MAX_PIXELS / 1e6} million that are taken`,
    );
  }
  const data = new Uint8Array(side * side * 3);
  // What lies within the photo is copied row by row, what lies beside it pixel by pixel.
  const left = Math.min(side, Math.max(0, -x));
  const right = Math.min(side, Math.max(left, image.width - x));
  for (let row = 0; row < side; row++) {
    const from = clamp(y + row, image.height) * image.width;
    const to = row * side;
    const within = image.data.subarray((from + x + left) * 3, (from + x + right) * 3);
    data.set(within, (to + left) * 3);
    for (let column = 0; column < side; column++) {
      if (column === left) column = right;
      if (column === side) break;
      const pixel = (from + clamp(x + column, image.width)) * 3;
      data.set(image.data.subarray(pixel, pixel + 3), (to + column) * 3);
    }
  }
  const size = options.maxSize;
  if (size === 0 || side <= size) return { data, width: side, height: side };
  const reduced = await resize({ data, width: side, height: side }, size, size, "lanczos3");
  return { data: reduced, width: size, height: size };
}

function clamp(position: number, size: number): number {
  return Math.min(size - 1, Math.max(0, position));
}
