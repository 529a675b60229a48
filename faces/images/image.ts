/** Decoded images and boxes. */
import { DECODED } from "../../packages/formats/image_format.ts";

/** Reason of a file of no known format. Results have it as a value. */
export const UNKNOWN_FORMAT = "it is no picture that is known";

/** Returns the reason that a file is no image as it is shown, with the formats where it is of none. */
export function shownReason(reason: string): string {
  return reason === UNKNOWN_FORMAT ? `it is none of ${DECODED}` : reason;
}

/** An upright RGB image: three bytes per pixel, row-major, no padding. */
export interface Image {
  /** [height, width, 3], R G B, 0 to 255. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Computes the luma of a pixel, by Rec. 601. @param at index of its red byte */
export function lumaAt(rgb: ArrayLike<number>, at: number): number {
  return 0.299 * rgb[at] + 0.587 * rgb[at + 1] + 0.114 * rgb[at + 2];
}

/** A rectangle in pixels; x and y are its top left corner, possibly outside the image. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Computes the IoU (intersection over union) of two boxes: 0 if disjoint, 1 if equal. */
export function iou(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}

/** Multiplies position and size of a box. */
export function scaleBox({ x, y, width, height }: Box, by: number): Box {
  return { x: x * by, y: y * by, width: width * by, height: height * by };
}

/** Clips a box to an image; returns undefined if it is entirely outside. */
export function clip(
  box: Box,
  { width, height }: { width: number; height: number },
): Box | undefined {
  const x = Math.max(0, box.x), y = Math.max(0, box.y);
  const clipped = {
    x,
    y,
    width: Math.min(width, box.x + box.width) - x,
    height: Math.min(height, box.y + box.height) - y,
  };
  return clipped.width > 0 && clipped.height > 0 ? clipped : undefined;
}

/** Reports whether the center of a box is in another box. */
export function hasCenterIn(box: Box, other: Box): boolean {
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  return x >= other.x && x <= other.x + other.width && y >= other.y && y <= other.y + other.height;
}
