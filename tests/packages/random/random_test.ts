import assert from "node:assert/strict";
import { random } from "../../../packages/random/random.ts";

const draw = (n: number, rng: { next(): number }) => Array.from({ length: n }, () => rng.next());

Deno.test("random() gives the same numbers for the same seed and labels", () => {
  assert.deepEqual(draw(20, random(42, "a", 1)), draw(20, random(42, "a", 1)));
  // Numbers of the day this was written: artifacts of other machines and days must match.
  const rng = random(42, "shuffle", 3);
  assert.deepEqual([rng.int(1e6), rng.int(1e6), rng.int(1e6)], [494685, 417469, 473154]);
});

Deno.test("random() gives other numbers for another seed, label, type or split of labels", () => {
  const streams = [
    random(1, "a"),
    random(2, "a"),
    random(1, "b"),
    random(1, "a", 0),
    random(1, "a", "0"),
    random(1, "a0"),
    random(1, "a", ""),
    random(1.5, "a"),
    random(-1, "a"),
    random(1),
  ].map((rng) => draw(3, rng).join());
  assert.equal(new Set(streams).size, streams.length);
});

Deno.test("random() streams of neighbouring labels are unrelated", () => {
  const n = 2000;
  for (let lag = 1; lag < 4; lag++) {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      sum += (random(7, i).next() - 0.5) * (random(7, i + lag).next() - 0.5);
    }
    // The product of two even numbers deviates by 1/12: five standard errors.
    assert.ok(Math.abs(sum / n) < (5 / 12) / Math.sqrt(n), `lag ${lag}: ${sum / n}`);
  }
});

Deno.test("Rng.next() is even over [0, 1)", () => {
  const rng = random(3, "even");
  const counts = new Array(64).fill(0);
  const n = 64_000;
  for (let i = 0; i < n; i++) {
    const x = rng.next();
    assert.ok(x >= 0 && x < 1);
    counts[Math.floor(x * 64)]++;
  }
  const chi2 = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chi2 > 25 && chi2 < 120, `chi-square of 63 degrees of freedom: ${chi2}`);
});

Deno.test("Rng.normal() has the moments of a normal distribution", () => {
  const rng = random(5, "normal");
  const n = 100_000;
  let mean = 0, square = 0, fourth = 0;
  for (let i = 0; i < n; i++) {
    const x = rng.normal();
    mean += x / n;
    square += x ** 2 / n;
    fourth += x ** 4 / n;
  }
  assert.ok(Math.abs(mean) < 0.02, `mean ${mean}`);
  assert.ok(Math.abs(square - 1) < 0.03, `variance ${square}`);
  assert.ok(Math.abs(fourth - 3) < 0.2, `fourth moment ${fourth}`);
});

Deno.test("Rng.shuffle() keeps the items and gives every order equally often", () => {
  const orders = new Map<string, number>();
  const rng = random(11, "orders");
  for (let i = 0; i < 6000; i++) {
    const items = ["a", "b", "c"];
    rng.shuffle(items);
    orders.set(items.join(""), (orders.get(items.join("")) ?? 0) + 1);
  }
  assert.equal(orders.size, 6);
  for (const [order, count] of orders) assert.ok(Math.abs(count - 1000) < 150, `${order} ${count}`);
  const typed = Int32Array.from({ length: 100 }, (_, i) => i);
  rng.shuffle(typed);
  assert.notDeepEqual([...typed].slice(0, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual([...typed].sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i));
});

Deno.test("Rng.int() and Rng.pick() say what they cannot draw from", () => {
  const rng = random(1);
  assert.throws(() => rng.int(0), /Cannot draw one of 0 whole numbers: pass 1 or more/);
  assert.throws(() => rng.int(1.5), /Cannot draw one of 1.5/);
  assert.throws(() => rng.pick([]), /Cannot pick one of no items/);
  assert.equal(rng.pick(["only"]), "only");
});
