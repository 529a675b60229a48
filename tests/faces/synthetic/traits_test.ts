import { deepStrictEqual, notDeepStrictEqual, ok } from "node:assert/strict";
import { random } from "../../../packages/random/random.ts";
import {
  drawPerson,
  drawTraits,
  type Gender,
  photograph,
  type Traits,
} from "../../../faces/synthetic/traits.ts";

/** The mean of a trait over many faces of an age. */
function mean(age: number, gender: Gender, trait: (traits: Traits) => number): number {
  const count = 300;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += trait(drawTraits(random(i, "traits test", age), age, gender));
  }
  return sum / count;
}

Deno.test("drawTraits() gives the same face for the same stream, another for another", () => {
  const draw = (seed: number) => drawTraits(random(seed), 40, "female");
  deepStrictEqual(draw(1), draw(1));
  notDeepStrictEqual(draw(1), draw(2));
});

Deno.test("drawTraits() ages a face: lines deepen, lids sink, hair greys", () => {
  const signs: Record<string, (traits: Traits) => number> = {
    forehead: (t) => t.forehead,
    crowsFeet: (t) => t.crowsFeet,
    folds: (t) => t.folds,
    bags: (t) => t.bags,
    sag: (t) => t.sag,
    grey: (t) => t.hair.grey,
    lids: (t) => -t.eyes.open,
  };
  for (const [name, sign] of Object.entries(signs)) {
    const means = [20, 45, 60, 80].map((age) => mean(age, "female", sign));
    for (let i = 1; i < means.length; i++) {
      ok(means[i] > means[i - 1], `${name} does not rise with age: ${means.join(", ")}`);
    }
  }
});

Deno.test("drawTraits() lets children grow and not grey, sag or shave", () => {
  const growth = [1, 6, 12, 18].map((age) => mean(age, "male", (t) => t.growth));
  deepStrictEqual(growth, [...growth].sort((a, b) => a - b));
  for (let i = 0; i < 200; i++) {
    const child = drawTraits(random(i, "child"), 1 + i % 15, i % 2 ? "male" : "female");
    ok(child.beard.density === 0 && child.eyes.shadow === 0);
    ok(child.hair.grey < 0.15 && child.sag < 0.15 && child.hair.recession < 0.15);
  }
});

Deno.test("drawTraits() shows gender in many signs, none of which tells alone", () => {
  const share = (gender: Gender, sign: (traits: Traits) => boolean) =>
    mean(35, gender, (traits) => Number(sign(traits)));
  const long = (t: Traits) => ["long", "bob", "fringe"].includes(t.hair.style);
  ok(share("female", long) > 0.6 && share("female", long) < 1);
  ok(share("male", long) > 0 && share("male", long) < 0.2);
  const rings = (t: Traits) => t.earrings !== "none";
  ok(share("male", rings) > 0 && share("male", rings) < share("female", rings));
  ok(mean(35, "female", (t) => t.eyes.lashes) > mean(35, "male", (t) => t.eyes.lashes));
  ok(share("female", (t) => t.beard.density > 0) === 0);
});

Deno.test("drawPerson() draws the tone of the skin without regard to gender", () => {
  const tones = (gender: Gender) =>
    Array.from({ length: 50 }, (_, i) => drawPerson(random(i), gender).tone);
  deepStrictEqual(tones("female"), tones("male"));
  ok(Math.min(...tones("male")) < 0.1 && Math.max(...tones("male")) > 0.9);
});

Deno.test("photograph() keeps the person and changes the day", () => {
  const person = drawPerson(random(3), "male");
  const [one, other] = [random(4), random(5)].map((rng) => photograph(rng, person, 30));
  deepStrictEqual(one.person, other.person);
  notDeepStrictEqual(one.pose, other.pose);
  notDeepStrictEqual(one.background, other.background);
});
