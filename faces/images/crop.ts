/** Crops faces. */
import { ImageError, MAX_PIXELS } from "./decode_image.ts";
import type { Box, Image } from "./image.ts";
import { resize } from "./resize.ts";

export interface CropOptions {
  /** Margin on every side, as a share of the box's longer side. */
  readonly margin: number;
  /** Maximum side in pixels; larger crops are downscaled. 0: no limit. */
  readonly maxSize: number;
  /** Alignment by landmarks; see `alignedSquare`. Default: none. */
  readonly align?: "eyes" | "template";
}

export interface Turned {
  /** Center in pixels. */
  readonly x: number;
  readonly y: number;
  /** In pixels. */
  readonly side: number;
  /** Clockwise, radians. */
  readonly angle: number;
}

/** Returns the square to crop, around the box's center: (1 + 2 × margin) times its longer side. */
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
 * Crops the square around a box. Beyond the image, border pixels are repeated. Crops larger than
 * `maxSize` are downscaled with a Lanczos filter (a = 3).
 *
 * @example
 * ```ts
 * const image = { data: new Uint8Array(100 * 80 * 3), width: 100, height: 80 };
 * const box = { x: 30, y: 20, width: 40, height: 40 };
 * const face = await crop(image, box, { margin: 0.2, maxSize: 32 });
 * console.assert(face.width === 32 && face.height === 32);
 * ```
 * @throws {ImageError} if the square is too large
 */
export async function crop(image: Image, box: Box, options: CropOptions): Promise<Image> {
  const { x, y, width: side } = cropSquare(box, options.margin);
  checkSide(side);
  const data = new Uint8Array(side * side * 3);
  // Pixels inside the image are copied by rows, border pixels one by one.
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
  return await limit({ data, width: side, height: side }, options);
}

/**
 * Crops a turned square and its margin: bilinear at the image's own resolution, then as `crop`.
 * @throws {ImageError} if the square is too large
 */
export async function cropTurned(
  image: Image,
  { x, y, side: face, angle }: Turned,
  options: CropOptions,
): Promise<Image> {
  const side = Math.max(1, Math.round(face * (1 + 2 * options.margin)));
  checkSide(side);
  const { width, height, data: from } = image;
  const data = new Uint8Array(side * side * 3);
  const cos = Math.cos(angle), sin = Math.sin(angle), middle = (side - 1) / 2;
  for (let row = 0, to = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const u = column - middle, v = row - middle;
      // Centers of pixels are at halves.
      const px = Math.min(width - 1, Math.max(0, x - 0.5 + cos * u - sin * v));
      const py = Math.min(height - 1, Math.max(0, y - 0.5 + sin * u + cos * v));
      const left = Math.floor(px), top = Math.floor(py);
      const right = Math.min(left + 1, width - 1), bottom = Math.min(top + 1, height - 1);
      const a = px - left, b = py - top;
      const [p, q] = [(top * width + left) * 3, (top * width + right) * 3];
      const [r, s] = [(bottom * width + left) * 3, (bottom * width + right) * 3];
      for (let c = 0; c < 3; c++) {
        const above = from[p + c] * (1 - a) + from[q + c] * a;
        const below = from[r + c] * (1 - a) + from[s + c] * a;
        data[to++] = above * (1 - b) + below * b + 0.5;
      }
    }
  }
  return await limit({ data, width: side, height: side }, options);
}

/** Downscales a square to the maximum side. */
async function limit(image: Image, { maxSize: size }: CropOptions): Promise<Image> {
  if (size === 0 || image.width <= size) return image;
  return { data: await resize(image, size, size, "lanczos3"), width: size, height: size };
}

function checkSide(side: number): void {
  if (side * side <= MAX_PIXELS) return;
  throw new ImageError(
    `the face and its margin take ${side} × ${side} pixels, ` +
      `the maximum is ${MAX_PIXELS / 1e6} million`,
  );
}

function clamp(position: number, size: number): number {
  return Math.min(size - 1, Math.max(0, position));
}
