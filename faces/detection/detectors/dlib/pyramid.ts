/**
 * The image pyramid of dlib's `input_rgb_image_pyramid<pyramid_down<6>>`: the image and smaller copies,
 * each 5/6 of the last, tiled in one image. Receptive fields reach into neighboring levels, so the
 * positions of the levels affect the scores.
 */
import type { Model } from "./dlib_model.ts";

/** A level of the pyramid in the tiled image, in pixels; right and bottom are inclusive. */
export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Pyramid extends Size {
  /** Sizes of the largest levels, which are not searched. */
  readonly above: readonly Size[];
  /** Positions of the other levels in the tiled image. */
  readonly levels: readonly Rect[];
}

/** Size of a level, relative to the last one. */
const RATE = 5 / 6;
/** Minimum height of a level. */
const MIN_HEIGHT = 5;

/** Returns the number of levels to skip if faces below a size are not searched. */
export function levelsAbove(leastFace: number, { width }: Model["window"]): number {
  const levels = Math.floor(Math.log(leastFace / width) / -Math.log(RATE) + 1e-9);
  return Math.max(0, levels);
}

/**
 * Places the levels: below each other, until the next one fits beside the last and half of the total
 * height is used; then upwards along the right border, up to the first level.
 * @param skip number of the largest levels that are left out
 */
export function tile(
  width: number,
  height: number,
  { padding, outerPadding: outer }: Pick<Model, "padding" | "outerPadding">,
  skip = 0,
): Pyramid {
  const sizes: Size[] = [{ width, height }];
  for (;;) {
    const last = sizes.at(-1)!;
    const next = { width: Math.floor(RATE * last.width), height: Math.floor(RATE * last.height) };
    if (next.width === 0 || next.height < MIN_HEIGHT) break;
    sizes.push(next);
  }
  const above = sizes.splice(0, Math.min(skip, sizes.length - 1));
  ({ width, height } = sizes[0]);
  const total = sizes.reduce((sum, size) => sum + size.height + padding, 0) - 2 * padding;
  let column = 0, previous = 0;
  for (const size of sizes) {
    const fits = size.width <= width - previous - padding;
    if (fits && (column - height) * 2 >= total - height) break;
    column += size.height + padding;
    previous = size.width;
  }
  column -= padding;

  const levels: Rect[] = [];
  let y = outer;
  for (const size of sizes) {
    if (y >= column + outer) break;
    levels.push({
      left: outer,
      top: y,
      right: outer + size.width - 1,
      bottom: y + size.height - 1,
    });
    y += size.height + padding;
  }
  y -= padding;
  const [first] = levels;
  for (const size of sizes.slice(levels.length)) {
    const right = outer + width - 1, bottom = y - 1;
    const rect = { left: right - size.width + 1, top: bottom - size.height + 1, right, bottom };
    if (rect.left <= first.right && rect.top <= first.bottom) break;
    levels.push(rect);
    y -= size.height + padding;
  }
  return { width: width + 2 * outer, height: column + 2 * outer, above, levels };
}

/** Returns the level of a point, or else the nearest one. */
export function nearestLevel(levels: readonly Rect[], x: number, y: number): number {
  let nearest = 0, least = Infinity;
  for (const [i, { left, top, right, bottom }] of levels.entries()) {
    const distance = Math.hypot(
      x - Math.min(right, Math.max(left, x)),
      y - Math.min(bottom, Math.max(top, y)),
    );
    if (distance === 0) return i;
    if (distance < least) [nearest, least] = [i, distance];
  }
  return nearest;
}

/** Converts a position relative to its level to the searched image. */
export function toImage(position: number, level: number): number {
  for (let i = 0; i < level; i++) position = position * (6 / 5) + 0.3;
  return position;
}
