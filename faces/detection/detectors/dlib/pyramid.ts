/**
 * The image pyramid that dlib's `input_rgb_image_pyramid<pyramid_down<6>>` gives the network: the
 * picture and ever smaller ones, each 5/6 of the last, tiled in one image. The network sees them all
 * at once, and from one into its neighbours, so that where they lie is a part of what it computes.
 */
import type { Model } from "./dlib_model.ts";

/** A picture of the pyramid in the tiled image, in whole pixels; right and bottom belong to it. */
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
  /** Sizes of the largest pictures, if they are left out: the searched one, and on. */
  readonly above: readonly Size[];
  /** The other pictures' places in the tiled image, whose size this is. */
  readonly levels: readonly Rect[];
}

/** Each picture of the pyramid is so much of the last. */
const rate = 5 / 6;
/** Pictures of fewer rows are left out. */
const leastHeight = 5;

export const widthOf = ({ left, right }: Rect) => right - left + 1;
export const heightOf = ({ top, bottom }: Rect) => bottom - top + 1;

/** How many of the largest pictures can be left out if faces below a size need not be found. */
export function levelsAbove(leastFace: number, { width }: Model["window"]): number {
  const levels = Math.floor(Math.log(leastFace / width) / -Math.log(rate) + 1e-9);
  return Math.max(0, levels);
}

/**
 * Where the pictures lie: one under the other, until the next one fits beside the last and half of
 * their heights is used up; then upwards along the right border, as far as the first picture.
 * @param leaveOut so many of the largest pictures
 */
export function tile(
  width: number,
  height: number,
  { padding, outerPadding: outer }: Pick<Model, "padding" | "outerPadding">,
  leaveOut = 0,
): Pyramid {
  const sizes: Size[] = [{ width, height }];
  for (;;) {
    const last = sizes.at(-1)!;
    const next = { width: Math.floor(rate * last.width), height: Math.floor(rate * last.height) };
    if (next.width === 0 || next.height < leastHeight) break;
    sizes.push(next);
  }
  const above = sizes.splice(0, Math.min(leaveOut, sizes.length - 1));
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

/** The level that a point lies in, or else is nearest to; of equally near ones the first. */
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

/** A place in the tiled image, relative to its level, in the picture that was searched. */
export function toPicture(position: number, level: number): number {
  for (let i = 0; i < level; i++) position = position * (6 / 5) + 0.3;
  return position;
}
