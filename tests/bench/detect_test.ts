import assert from "node:assert/strict";
import { agreement, drawn, photos, rows, toMarkdown } from "../../bench/detect_bench.ts";
import { Peer } from "../../bench/peer.ts";
import { hasCenterIn } from "../../faces/images/image.ts";

const place = { x: 50, y: 50, width: 100, height: 100 };
const seen = [
  {
    picture: { name: "one", faces: [place] },
    said: {
      dlib: { ms: 400, faces: [[60, 60, 80, 80, 1.05]] },
      dlibCnn: { ms: 40, faces: [[60, 61, 80, 80, 1.04]] },
    },
  },
  {
    picture: { name: "none", faces: [] },
    said: {
      dlib: { ms: 600, faces: [] },
      dlibCnn: { ms: 60, faces: [[0, 0, 80, 80, 0.1], [90, 90, 80, 80, 0.1]] },
    },
  },
];

Deno.test("rows() counts what was found, what is none, and how fast", () => {
  assert.deepEqual(rows(["dlib", "dlibCnn"], seen), [
    { detector: "dlib", picturesPerSecond: 2, found: 1, falseFinds: 0, timesDlib: 1 },
    { detector: "dlibCnn", picturesPerSecond: 20, found: 1, falseFinds: 2, timesDlib: 10 },
  ]);
  assert.equal(rows(["dlibCnn"], seen)[0].timesDlib, null);
});

Deno.test("agreement() names the pictures that differ", () => {
  const { mostScore, ...rest } = agreement(seen);
  assert.ok(Math.abs(mostScore - 0.01) < 1e-9);
  assert.deepEqual(rest, { pictures: 2, same: 1, faces: 1, mostPixels: 1, others: ["none"] });
  const detect = rows(["dlib", "dlibCnn"], seen);
  const report = {
    pictures: [],
    detect,
    agreement: agreement(seen),
  };
  assert.match(toMarkdown(report), /\| dlibCnn +\| +20\.0 \| +10\.0 \| +1 \| +2 \|/);
  assert.match(toMarkdown(report), /the same in 1 of 2 pictures: boxes within 1 pixels/);
});

Deno.test("the bench's pictures are found where they say that their faces are", async () => {
  const script = import.meta.resolve("../../bench/peers/detector_peer.ts");
  const options = JSON.stringify({ name: "dlibCnn" });
  const peer = new Peer("dlibCnn", Deno.execPath(), ["run", "--quiet", "-A", script, options]);
  const file = await Deno.makeTempFile();
  try {
    for (const [group, pictures] of [[drawn(4), 4], [photos(), 6]] as const) {
      let count = 0;
      for await (const { name, image: { data, width, height }, faces } of group.read()) {
        await Deno.writeFile(file, data);
        const answer = await peer.ask({ op: "detect", file, width, height });
        const boxes = answer.faces!.map(([x, y, width, height]) => ({ x, y, width, height }));
        assert.equal(boxes.length, faces.length, name);
        assert.ok(faces.every((place) => boxes.some((box) => hasCenterIn(box, place))), name);
        assert.ok(answer.ms as number >= 0);
        count++;
      }
      assert.equal(count, pictures);
    }
  } finally {
    await peer[Symbol.asyncDispose]();
    await Deno.remove(file);
  }
});
