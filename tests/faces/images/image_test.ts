import assert from "node:assert/strict";
import { clip, hasCenterIn, iou } from "../../../faces/images/image.ts";

const box = { x: 0, y: 0, width: 10, height: 10 };

Deno.test("overlap() is shared area over joint area", () => {
  assert.equal(iou(box, box), 1);
  assert.equal(iou(box, { ...box, x: 5 }), 50 / 150);
  assert.equal(iou(box, { ...box, x: 10 }), 0);
  assert.equal(iou(box, { ...box, x: 50, y: 50 }), 0);
});

Deno.test("clip() keeps the part inside, if any", () => {
  const picture = { width: 20, height: 8 };
  assert.deepEqual(clip({ ...box, x: 15, y: -2 }, picture), { x: 15, y: 0, width: 5, height: 8 });
  assert.equal(clip({ ...box, x: 20 }, picture), undefined);
});

Deno.test("centredIn() looks at the first box's centre", () => {
  assert.ok(hasCenterIn({ x: 4, y: 4, width: 10, height: 10 }, box));
  assert.ok(!hasCenterIn({ x: 6, y: 4, width: 10, height: 10 }, box));
});
