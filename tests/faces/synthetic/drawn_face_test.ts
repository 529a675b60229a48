import { doesNotMatch, equal, ok } from "node:assert/strict";
import { sha256 } from "../../../packages/pipeline/fingerprint.ts";
import { random } from "../../../packages/random/random.ts";
import { drawSvg } from "../../../faces/synthetic/sample_archive.ts";
import { faceSvg } from "../../../faces/synthetic/drawn_face.ts";
import {
  backgrounds,
  beardStyles,
  clothes,
  drawTraits,
  type Gender,
  hairStyles,
  type Traits,
} from "../../../faces/synthetic/traits.ts";
import { viewSvg } from "../../../faces/synthetic/scene.ts";

const genders: Gender[] = ["female", "male"];

/** RGB bytes of an SVG; sharp throws if it is not well formed. */
async function pixels(svg: string): Promise<Uint8Array> {
  const { data, info } = await drawSvg(svg).removeAlpha().raw()
    .toBuffer({ resolveWithObject: true });
  equal(`${info.width}×${info.height}×${info.channels}`, "256×256×3");
  return data;
}

Deno.test("faceSvg() draws every age and gender as a different, well-formed picture", async () => {
  const seen = new Set<string>();
  for (let age = 0; age <= 96; age += 8) {
    for (const gender of genders) {
      const svg = faceSvg(drawTraits(random(age, gender), age, gender));
      doesNotMatch(svg, /NaN|undefined|Infinity/);
      seen.add((await pixels(svg)).toString());
    }
  }
  equal(seen.size, 26);
});

Deno.test("faceSvg() draws every style of hair and beard at every extreme of the pose", () => {
  const plain = drawTraits(random(1), 40, "male");
  const check = (changes: Partial<Traits>) => {
    const svg = faceSvg({ ...plain, ...changes });
    doesNotMatch(svg, /NaN|undefined|Infinity/);
    ok(svg.length > 10_000 && svg.length < 300_000, `${svg.length} characters`);
  };
  for (const style of hairStyles) check({ hair: { ...plain.hair, style } });
  for (const style of beardStyles) check({ beard: { style, density: 1 } });
  for (const yaw of [-1, 1]) {
    for (const pitch of [-1, 1]) check({ pose: { ...plain.pose, yaw, pitch } });
  }
});

Deno.test("drawings keep their bytes, which data sets in use have", () => {
  const drawn = Array.from({ length: 48 }, (_, i) => {
    const rng = random(i, "bytes"), traits = drawTraits(rng, 2 * i, genders[i % 2]);
    const [hair, beard] = [hairStyles[i % hairStyles.length], beardStyles[i % beardStyles.length]];
    return faceSvg({
      ...traits,
      hair: { ...traits.hair, style: hair },
      beard: { style: beard, density: 0.8 },
      clothing: { ...traits.clothing, style: rng.pick(clothes) },
      background: { ...traits.background, style: rng.pick(backgrounds) },
    }) + viewSvg(rng);
  });
  equal(sha256(drawn.join("")), "327359ec13519f3cd748e33edc404ed64f557746c5c244627db55ce45d272f35");
});

Deno.test("faceSvg() depends on the traits alone", () => {
  const traits = drawTraits(random(9), 52, "female");
  equal(faceSvg(traits), faceSvg(structuredClone(traits)));
});

Deno.test("faceSvg() uses nothing from outside: no fonts, no pictures, no links", () => {
  const svg = faceSvg(drawTraits(random(2), 70, "male"));
  doesNotMatch(svg, /<text|<image|<use|href|font|<style|<script/);
  equal(svg.match(/https?:[^"]*/g)?.join(), "http://www.w3.org/2000/svg");
});

Deno.test("faceSvg() puts the face into the middle: the skin is there, whatever its tone", async () => {
  for (let i = 0; i < 6; i++) {
    const data = await pixels(faceSvg(drawTraits(random(i, "middle"), 30, "female")));
    const at = (x: number, y: number) => data.subarray((y * 256 + x) * 3, (y * 256 + x) * 3 + 3);
    const [red, green, blue] = at(100, 150);
    ok(red > green && green > blue, `pixel ${red}, ${green}, ${blue} of face ${i} is not skin`);
  }
});

Deno.test("viewSvg() draws different pictures without a face", async () => {
  const seen = new Set<string>();
  for (let i = 0; i < 8; i++) seen.add((await pixels(viewSvg(random(i, "view")))).toString());
  equal(seen.size, 8);
});
