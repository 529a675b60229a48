import assert from "node:assert/strict";
import { join } from "node:path";
import { ResultLog } from "../../bench/harness.ts";
import { type Compared, spread, toMarkdown, worse } from "../../bench/parity_bench.ts";

Deno.test("Kept goes on from what a file has, but for a line that was cut off", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "kept.jsonl");
    const first = new ResultLog<number>(path);
    assert.equal(await first.take({ seed: 1 }, () => Promise.resolve(0.5)), 0.5);
    assert.equal(await first.take({ seed: 2 }, () => Promise.resolve(0.6)), 0.6);
    Deno.writeTextFileSync(path, '{"key":{"seed":3},"resu', { append: true });

    const never = () => Promise.reject(new Error("measured again"));
    const second = new ResultLog<number>(path);
    assert.equal(await second.take({ seed: 2 }, never), 0.6);
    assert.equal(await second.take({ seed: 3 }, () => Promise.resolve(0.7)), 0.7);
    assert.equal(await new ResultLog<number>(path).take({ seed: 3 }, never), 0.7);

    Deno.writeTextFileSync(path, "metric,0.5\n", { append: true });
    assert.throws(
      () => new ResultLog(path),
      /kept\.jsonl", line 4: .*Remove the file, or name another/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("worse() holds only what chance does not explain against us, in the metric's direction", () => {
  assert.deepEqual(spread([1, 2, 3]), { mean: 2, deviation: 1 });
  assert.ok(worse([0.8, 0.81, 0.79], [0.9, 0.91, 0.89], true));
  assert.ok(!worse([0.9, 0.91, 0.89], [0.8, 0.81, 0.79], true));
  assert.ok(!worse([0.8, 0.9, 0.7], [0.82, 0.92, 0.72], true), "within the spread");
  assert.ok(worse([9, 9.1, 8.9], [8, 8.1, 7.9], false));
  assert.ok(!worse([8, 8.1, 7.9], [9, 9.1, 8.9], false));
});

Deno.test("parity's table has means and spreads of both, and says which is worse", () => {
  const trained = (metrics: number[]) =>
    metrics.map((metric) => ({ metric, epochs: 10, secondsPerEpoch: 2 }));
  const row: Compared = {
    network: "age",
    weights: 7,
    ours: trained([9, 9.1, 8.9]),
    keras: trained([8, 8, 8.1]),
  };
  const text = toMarkdown([row], { train: 512, validation: 128, test: 160 });
  assert.match(text, /age: years off, 7 weights \| 9\.00 ± 0\.10 \| 8\.03 ± 0\.06 \| +worse \|/);
  assert.match(text, /age: seconds an epoch +\| 2\.00 ± 0\.00 \|/);
  assert.match(text, /over 3 seeds; 512 images to learn from/);
});
