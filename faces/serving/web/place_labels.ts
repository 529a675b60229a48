/** Positions of the labels of boxes: inside the image, and never over each other. */
import type { Box } from "../../images/image.ts";

export type Size = Pick<Box, "width" | "height">;

/** Space between a box and its label, and between two labels, in pixels. */
const GAP = 6;

/**
 * Places a label at each box: above it, below it, inside it, or else at the nearest free height.
 * @returns for each box the label's rectangle; undefined where no space is left
 */
export function placeLabels(
  boxes: readonly Box[],
  labels: readonly Size[],
  area: Size,
): (Box | undefined)[] {
  const placed: Box[] = [];
  return boxes.map((box, i) => {
    const { width, height } = labels[i];
    const x = Math.min(Math.max(0, box.x + (box.width - width) / 2), area.width - width);
    const bottom = area.height - height;
    const [above, below] = [box.y - GAP - height, box.y + box.height + GAP];
    const steps = Array.from({ length: Math.max(0, Math.floor(bottom / (height + GAP))) + 1 });
    const others = steps.map((_, step) => step * (height + GAP))
      .sort((a, b) => Math.abs(a - above) - Math.abs(b - above));
    for (const y of [above, below, box.y + box.height - GAP - height, ...others]) {
      const at = { x, y, width, height };
      if (x < 0 || y < 0 || y > bottom || placed.some((other) => overlap(at, other))) continue;
      placed.push(at);
      return at;
    }
    return undefined;
  });
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
