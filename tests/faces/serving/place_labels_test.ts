import assert from "node:assert/strict";
import type { Face } from "../../../faces/serving/api.ts";
import { placeLabels } from "../../../faces/serving/web/place_labels.ts";
import { random } from "../../../packages/random/random.ts";

const area = { width: 400, height: 300 };
const covers = (a: Face["box"], b: Face["box"]) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

Deno.test("placeLabels() puts a label above its face, below it or inside it", () => {
  const label = [{ width: 100, height: 20 }];
  const at = (y: number, height: number) =>
    placeLabels([{ x: 150, y, width: 100, height }], label, area)[0]!.y;
  assert.equal(at(100, 100), 74);
  assert.equal(at(10, 100), 116);
  assert.equal(at(10, 285), 269);
  const [corner] = placeLabels([{ x: -10, y: 100, width: 40, height: 40 }], label, area);
  assert.equal(corner!.x, 0);
});

Deno.test("placeLabels() never covers a label or leaves the image", () => {
  const draw = random(1, "labels");
  let placed = 0, all = 0;
  for (let n = 0; n < 300; n++) {
    const boxes = Array.from({ length: 1 + Math.floor(12 * draw.next()) }, () => ({
      x: 350 * draw.next(),
      y: 250 * draw.next(),
      width: 20 + 150 * draw.next(),
      height: 20 + 150 * draw.next(),
    }));
    const labels = boxes.map(() => ({ width: 60 + 120 * draw.next(), height: 22 }));
    const rects = placeLabels(boxes, labels, area);
    all += boxes.length;
    const shown = rects.filter((rect) => rect !== undefined);
    placed += shown.length;
    for (const [i, rect] of shown.entries()) {
      assert.ok(rect.x >= 0 && rect.x + rect.width <= area.width);
      assert.ok(rect.y >= 0 && rect.y + rect.height <= area.height);
      assert.ok(shown.every((other, j) => i === j || !covers(rect, other)));
    }
  }
  assert.ok(placed / all > 0.9, `${placed} of ${all} labels found a place`);
  assert.deepEqual(
    placeLabels([{ x: 0, y: 0, width: 9, height: 9 }], [{ width: 500, height: 20 }], area),
    [
      undefined,
    ],
  );
});
