import assert from "node:assert/strict";
import { denoPeer } from "../../bench/peer.ts";
import { drawImages, summary } from "../../bench/scale_bench.ts";
import { readOptions, table } from "../../bench/options_table.ts";
import { compare } from "../../bench/train_bench.ts";
import { NpyFile } from "../../packages/formats/npy.ts";

Deno.test("table() aligns numbers to the right", () => {
  assert.equal(
    table(["", "ms"], [["ours", "12.5"], ["Keras", "9"]]),
    "|       |   ms |\n| ----- | ---: |\n| ours  | 12.5 |\n| Keras |    9 |",
  );
});

Deno.test("compare() takes medians, their ratio and the images per second", () => {
  const times = { ours: [30, 10, 20], keras: [50, 40, 30] };
  assert.deepEqual(compare("a step", times, (ms) => `${ms} ms`, 64), [
    ...["a step", "20 ms", "40 ms", "0.50", "3,200"],
  ]);
  assert.equal(compare("memory", times, String).at(-1), "");
});

Deno.test("readOptions() reads texts, numbers, flags and lists by their defaults", () => {
  const of = (...args: string[]) =>
    readOptions("help", args, {
      ...{ rounds: 3, sizes: [1, 2], names: ["a", "b"], all: false, python: "" },
    }, { names: ["a", "b", "c"] });
  const usual = { rounds: 3, sizes: [1, 2], names: ["a", "b"], all: false, python: "" };
  assert.deepEqual(of(), usual);
  assert.deepEqual(
    of("--rounds", "7", "--sizes", "5,6", "--names", "c", "--all", "--python", "p"),
    {
      ...{ rounds: 7, sizes: [5, 6], names: ["c"], all: true, python: "p" },
    },
  );
  assert.throws(() => of("--rounds", "0"), /"--rounds": "0" is not a whole number above 0/);
  assert.throws(() => of("--names", "d"), /"--names d": "d" is not one of a, b, c/);
  assert.throws(() => of("--round", "7"), /--round/);
});

Deno.test("Peer trains one epoch from a file, a step at a time, and tells its memory", async () => {
  const folder = await Deno.makeTempDir();
  const peer = denoPeer("ours", new URL("../../bench/peers/ours_peer.ts", import.meta.url));
  try {
    const file = `${folder}/images.npy`;
    drawImages(file, 80);
    {
      using images = new NpyFile(file, "uint8");
      assert.deepEqual(images.shape, [80, 32, 32, 3]);
    }
    const { ms } = await peer.ask({ op: "epoch", network: "age", batch: 16, rows: 64, file });
    assert.equal((ms as number[]).length, 4);
    const { bytes } = await peer.ask({ op: "memory" });
    assert.ok(bytes! > 1e7, `${bytes}`);
  } finally {
    await peer.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Peer fits each network, and predicts with it", async () => {
  const peer = denoPeer("ours", new URL("../../bench/peers/ours_peer.ts", import.meta.url));
  try {
    for (const network of ["gender", "age", "best"] as const) {
      const fit = await peer.ask({ op: "fit", network, batch: 16, rows: 40, epochs: 1 });
      const infer = await peer.ask({ op: "infer", network, rows: 640 });
      assert.ok(Number(fit.ms) > 0 && Number(infer.ms) > 0, network);
    }
  } finally {
    await peer.close();
  }
});

Deno.test("ask() of a peer that ended throws with its last output", async () => {
  const peer = denoPeer("nobody", new URL("file:///nowhere/nobody.ts"));
  await assert.rejects(
    peer.ask({ op: "memory" }),
    /Cannot measure nobody: it ended at .*Its last output:\n.*nobody\.ts/s,
  );
  await peer.close();
});

Deno.test("summary() leaves out the step that has the validation in it", () => {
  assert.deepEqual(summary(256, [10, 12, 14, 500], 2e8), [
    ...["256", "4", "12.0 ms", "13.8 ms", "5,333", "200 MB"],
  ]);
  assert.equal(summary(256, [10], null).at(-1), "–");
});
