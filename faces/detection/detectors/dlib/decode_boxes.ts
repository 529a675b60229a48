/** Converts the network's scores to boxes, as dlib's `loss_mmod`. */
import type { Detection } from "../../detector.ts";
import type { Model } from "./dlib_model.ts";
import type { Scores } from "./dlib_network.ts";
import { nearestLevel, type Rect, toImage } from "./pyramid.ts";

/** Product of the layers' strides, and offset of the first score, in pixels of the tiled image. */
const STRIDE = 8, OFFSET = 14;

/**
 * Returns the faces with a score above a threshold, highest score first, in whole pixels of the image,
 * after non-maximum suppression.
 */
export function decode(
  { scores, width, height, pyramid: { above, levels } }: Scores,
  { window, sameFace }: Pick<Model, "window" | "sameFace">,
  threshold: number,
): Detection[] {
  const found: { rect: Rect; score: number }[] = [];
  for (let row = 0, i = 0; row < height; row++) {
    for (let column = 0; column < width; column++, i++) {
      const score = scores[i];
      if (!(score > threshold)) continue;
      const x = column * STRIDE + OFFSET, y = row * STRIDE + OFFSET;
      const level = nearestLevel(levels, x, y);
      const { left, top } = levels[level], times = above.length + level;
      const across = (window.width - 1) / 2, down = (window.height - 1) / 2;
      found.push({
        rect: {
          left: round(toImage(x - across - left, times)),
          top: round(toImage(y - down - top, times)),
          right: round(toImage(x + across - left, times)),
          bottom: round(toImage(y + down - top, times)),
        },
        score,
      });
    }
  }
  const kept: typeof found = [];
  for (const one of found.sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => !same(other.rect, one.rect, sameFace))) kept.push(one);
  }
  return kept.map(({ rect: { left, top, right, bottom }, score }) => ({
    box: { x: left, y: top, width: right - left + 1, height: bottom - top + 1 },
    score,
  }));
}

function same(a: Rect, b: Rect, { overlap, covered }: Model["sameFace"]): boolean {
  const merge = (inner: typeof Math.max, outer: typeof Math.min) => ({
    left: inner(a.left, b.left),
    top: inner(a.top, b.top),
    right: outer(a.right, b.right),
    bottom: outer(a.bottom, b.bottom),
  });
  const shared = area(merge(Math.max, Math.min));
  return shared > 0 && (shared / area(merge(Math.min, Math.max)) > overlap ||
    shared / area(a) > covered || shared / area(b) > covered);
}

/** Returns the area in pixels; right and bottom are inclusive. */
function area({ left, top, right, bottom }: Rect): number {
  return right < left || bottom < top ? 0 : (right - left + 1) * (bottom - top + 1);
}

/** Rounds to the nearest integer, halves away from zero. */
export function round(value: number): number {
  return Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
}
