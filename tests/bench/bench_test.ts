import assert from "node:assert/strict";
import { denoPeer } from "../../bench/peer.ts";
import { measureWaits, profile, roofline } from "../../bench/profile_bench.ts";
import { chart, drawImages, summary, toMarkdown as scaleTable } from "../../bench/scale_bench.ts";
import { names, parseValue, table, takeTurns } from "../../bench/harness.ts";
import { compare, toMarkdown } from "../../bench/train_bench.ts";
import { plan } from "../../packages/engine/engine_plan.ts";
import { NpyFile } from "../../packages/formats/npy.ts";
import { reportNetwork } from "../packages/engine/networks.ts";

Deno.test("table() aligns numbers to the right", () => {
  assert.equal(
    table(["", "ms"], [["ours", "12.5"], ["Keras", "9"]]),
    "|       |   ms |\n| ----- | ---: |\n| ours  | 12.5 |\n| Keras |    9 |",
  );
});

Deno.test("compare() takes medians, and null where a peer is not there", () => {
  assert.deepEqual(compare({ ours: [3, 1, 2], keras: [5, 4, 3] }), {
    ours: 2,
    keras: 4,
    torch: null,
    ratioToKeras: 0.5,
  });
  assert.equal(compare({ ours: [1] }).ratioToKeras, null);
});

Deno.test("toMarkdown() has a column for each who took part", () => {
  const text = toMarkdown({
    train: [{ network: "age", batch: 64, ...compare({ ours: [10], keras: [20] }) }],
    fit: [{ network: "age", rows: 10, epochs: 3, ...compare({ ours: [2], keras: [1] }) }],
    infer: [],
    memory: [{ network: "age", ...compare({ ours: [2e8], keras: [1e9] }) }],
  });
  assert.match(text, /^\| +\| +ours \| +Keras \| ours \/ Keras \| ours, images\/s \|/);
  assert.match(text, /\| age, batch 64: a step +\| 10\.0 ms \| +20\.0 ms \| +0\.50 \| +6,400 \|/);
  assert.match(text, /\| age, 3 epochs of 10 +\| +2\.00 s \| +1\.00 s \| +2\.00 \| +15 \|/);
  assert.match(text, /\| age, peak memory +\| +200 MB \| 1,000 MB \| +0\.20 \| +\|/);
});

Deno.test("parseValue() reads an option by its default, and refuses others", () => {
  assert.equal(parseValue("rounds", 3, undefined), 3);
  assert.equal(parseValue("rounds", 3, "7"), 7);
  assert.throws(
    () => parseValue("rounds", 3, "0"),
    /"--rounds 0": "0" is not a whole number above 0/,
  );
  assert.deepEqual(parseValue("batches", [16], "1,2"), [1, 2]);
  const peers = names(["keras", "torch"], ["keras"]);
  assert.deepEqual(parseValue("peers", peers, undefined), ["keras"]);
  assert.deepEqual(parseValue("peers", peers, "torch,keras"), ["torch", "keras"]);
  assert.throws(() => parseValue("peers", peers, "jax"), /"jax" is not one of keras, torch/);
});

Deno.test("takeTurns() lets one after the other take its turn", async () => {
  const order: string[] = [];
  const take = (name: string) => () => Promise.resolve(order.push(name));
  const results = await takeTurns(2, { a: take("a"), b: take("b") });
  assert.deepEqual(order, ["a", "b", "a", "b"]);
  assert.deepEqual(results, { a: [1, 3], b: [2, 4] });
});

Deno.test("Peer trains one epoch from a file, a step at a time, and tells its memory", async () => {
  const folder = await Deno.makeTempDir();
  const peer = denoPeer("ours", "ours_peer.ts");
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
    await peer[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Peer fits each network, and predicts with it", async () => {
  const peer = denoPeer("ours", "ours_peer.ts");
  try {
    for (const network of ["gender", "age", "best"] as const) {
      const fit = await peer.ask({ op: "fit", network, batch: 16, rows: 40, epochs: 1 });
      const infer = await peer.ask({ op: "infer", network, rows: 640 });
      assert.ok(Number(fit.ms) >= 0 && Number(infer.ms) >= 0, network);
    }
  } finally {
    await peer[Symbol.asyncDispose]();
  }
});

Deno.test("ask() of a peer that ended throws with its last output", async () => {
  const peer = denoPeer("nobody", "nobody.ts");
  await assert.rejects(
    peer.ask({ op: "memory" }),
    /Cannot measure nobody: it ended at .*Its last output:\n.*nobody\.ts/s,
  );
  await peer[Symbol.asyncDispose]();
});

Deno.test("summary() leaves out the step that has the validation in it", () => {
  const row = summary(256, [10, 12, 14, 500], 2e8);
  assert.deepEqual(row.step, { median: 12, p95: 13.8, mean: 12 });
  assert.equal(row.steps, 4);
  assert.match(
    scaleTable([row]),
    /\| 256 +\| +4 \| +12\.0 ms \| +13\.8 ms \| +5,333 \| +200 MB \|/,
  );
  assert.match(chart([row]), /^<svg .*256 images.*12\.0.*200.*<\/svg>\n$/s);
});

Deno.test("roofline() divides steps into products, transforms and passes, with waits", () => {
  const of = (stage: number, ms: number, operations: number) => ({
    stage,
    kernels: ["convolve"],
    ms,
    operations,
  });
  // At 40 GFLOP/s, the products of all take 1.2 ms of 2.1; the rest has none.
  const timings = [of(0, 0.5, 2e7), of(1, 1.5, 2e7), of(1, 1, 0), of(2, 0.1, 8e6)];
  const text = roofline([
    { name: "a", plan: { bytes: 3e6, batch: 2 }, timings, copy: 0.62, waits: 0.31 },
    { name: "b", plan: { bytes: 3e6, batch: 2 }, timings, copy: 0, waits: 0 },
  ]);
  const [, , a, b] = text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const shares = ["39 %", "29 %", "32 %"];
  const cells = ["a", "24.0", "40.0", "3", "3 MB", "1.550", ...shares];
  assert.deepEqual(a.slice(1, -1), [...cells, "20 %", "10 %"]);
  assert.deepEqual(b.slice(1, -1), ["b", ...cells.slice(1), "0 %", "0 %"]);
});

Deno.test("profile() times every kernel of a step, and counts what the large ones compute", async () => {
  const batch = 3;
  const timings = await profile(
    plan(reportNetwork("gender"), { batch, threads: 1, divisor: 255 }),
    1,
    "train",
  );
  const plans = [1, 2].map((threads) =>
    plan(reportNetwork("gender"), { batch, threads, divisor: 255 })
  );
  assert.ok(Number.isFinite(await measureWaits(plans, 1, "train")));
  // Two threads of 7 ms where one takes 10 lose 4; where they take 4, nothing.
  for (const [both, lost] of [[7, 4], [4, 0]]) {
    let calls = 0, ms = 0;
    const now = () => ms += calls++ % 2 === 0 ? 100 : calls % 4 === 0 ? both : 10;
    assert.equal(await measureWaits(plans, 2, "infer", now), lost);
  }
  const of = (kernel: string) => timings.filter(({ kernels }) => kernels.includes(kernel));
  for (
    const kernel of ["inputBytes", "winograd", "winogradGradient", "denseBackward", "updateWeights"]
  ) {
    assert.ok(of(kernel).length > 0, kernel);
  }
  // The first convolution: 12 numbers of each window times 16 filters, once for each pixel.
  assert.equal(of("convolve")[0].operations, 2 * batch * 32 * 32 * 12 * 16);
  // The second one: 25 products for each tile of 4x4 outputs, of 16 by 32 channels.
  assert.equal(of("winograd")[0].operations, 2 * batch * 4 * 4 * 25 * 16 * 32);
});
