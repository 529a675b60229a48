/**
 * Traits of a drawn face: of the person, the same in all photos, and of a photo at an age.
 *
 * Signs of age and gender are drawn from overlapping distributions, as in life: none suffices, all
 * together mostly do. Skin tones, scenes and clothes depend on neither.
 */
import type { Rng } from "../../packages/random/random.ts";
import { ease, lerp } from "./geometry.ts";

export type Gender = "female" | "male";

export const hairStyles = [
  ...["long", "fringe", "bob", "updo", "ponytail", "pigtails", "sidePart"] as const,
  ...["crop", "quiff", "buzz", "curls", "ring", "shaved", "wisps"] as const,
];
export type HairStyle = typeof hairStyles[number];

export const beardStyles = ["none", "stubble", "moustache", "goatee", "full"] as const;
export type BeardStyle = typeof beardStyles[number];

export const clothes = ["tee", "vneck", "collar", "jacket", "turtleneck", "hoodie"] as const;
export const backgrounds = ["studio", "lights", "garden", "window", "wall"] as const;

/** Everything that is the same in all photos of one person. */
export type Person = Readonly<ReturnType<typeof drawPerson>>;

export type Traits = Readonly<ReturnType<typeof photograph>>;

const clip = (value: number, low = 0, high = 1): number => Math.min(high, Math.max(low, value));

/** Draws a person at random. Shares are 0 to 1, deviations have mean 0 and standard deviation 1. */
export function drawPerson(rng: Rng, gender: Gender) {
  /** Fair (0) to deep (1). */
  const tone = rng.next();
  // Fair hair and eyes are rarer with deep skin.
  const fair = clip(1.15 - 1.9 * tone);
  return {
    gender,
    /** Strength of the signs of gender: near 0 in women, near 1 in men. */
    masculinity: clip((gender === "male" ? 0.87 : 0.13) + 0.1 * rng.normal()),
    tone,
    /** Cool to warm, a deviation. */
    undertone: rng.normal(),
    freckles: clip((rng.next() - 0.8) * 4) * fair,
    /** Years that the skin looks older than it is. */
    weathering: 2.5 * rng.normal(),
    /** Years that the hair grays later than usual. */
    greyDelay: 4.5 * rng.normal(),
    /** Recession of the hair at the end of life. */
    balding: clip(gender === "male" ? 0.45 + 0.4 * rng.normal() : 0.08 * rng.normal()),
    /** Black to blond and red. */
    hairShade: clip((0.14 + 0.12 * rng.normal()) * (0.45 + 0.55 * fair) + 0.9 * fair * rng.next()),
    /** Straight to coily. */
    hairTexture: clip(0.1 + 0.55 * tone + 0.22 * rng.normal()),
    eyeShade: clip(0.12 + 0.1 * rng.normal() + fair * rng.next()),
    // Deviations of the face's measures.
    width: rng.normal(),
    length: rng.normal(),
    jaw: rng.normal(),
    cheeks: rng.normal(),
    eyeSize: rng.normal(),
    eyeSpacing: rng.normal(),
    eyeTilt: rng.normal(),
    browArch: rng.normal(),
    browWeight: rng.normal(),
    noseWidth: rng.normal(),
    noseLength: rng.normal(),
    lips: rng.normal() + 1.2 * (tone - 0.5),
    mouthWidth: rng.normal(),
    /** A person with less than a threshold, which rises with age, wears glasses. */
    sight: rng.next(),
  };
}

/** Draws the traits of a person in a photo at an age, in years. */
export function photograph(rng: Rng, person: Person, age: number) {
  const growth = ease(-2, 19, age);
  const looks = age + person.weathering * ease(20, 60, age);
  const sign = (from: number, to: number) =>
    clip(ease(from, to, looks) * (1 + 0.1 * rng.normal()) + 0.015 * rng.normal());
  // Children's faces show fewer signs of gender.
  const masculinity = 0.5 + (person.masculinity - 0.5) * lerp(0.9, 1, ease(8, 18, age));
  const soft = 1 - masculinity;
  const grown = ease(13, 20, age);
  const grey = clip(ease(28, 84, age - person.greyDelay) * 1.1 + 0.02 * rng.normal());
  const style = drawHair(rng, person, age);
  const beard = drawBeard(rng, person, age);
  const smile = clip(0.58 + 0.28 * rng.normal(), -0.05, 1);
  return {
    person,
    age,
    /** Seed of the small strokes. */
    strokes: rng.int(2 ** 31),
    /** Child (0) to adult (1). */
    growth,
    /** Visible signs of gender at this age: 0 female, 1 male. */
    masculinity,
    // Signs of age, 0 to 1.
    forehead: sign(30, 78),
    crowsFeet: sign(30, 75),
    folds: sign(20, 72),
    bags: sign(26, 78),
    sag: sign(40, 90),
    spots: sign(52, 95),
    eyes: {
      open: clip(1 - 0.3 * ease(35, 90, looks) + 0.07 * rng.normal(), 0.6, 1.15),
      lashes: clip(lerp(0.75, 1, growth) * (0.1 + 0.85 * soft + 0.1 * rng.normal())),
      shadow: person.gender === "female" && age > 17 && rng.next() < 0.45 ? rng.next() : 0,
      gaze: 0.5 * rng.normal(),
    },
    blush: clip(0.35 + 0.35 * (1 - growth) + 0.4 * (soft - 0.5) + 0.1 * rng.normal()),
    smile,
    teeth: age > 3 && smile > 0.55 && rng.next() < 0.6,
    lipTint: clip(
      0.06 + lerp(0.35, 1, grown) * (soft - 0.4) * (0.8 + 0.7 * rng.next()) + 0.12 * soft,
    ),
    hair: {
      style,
      grey,
      recession: clip(person.balding * 1.1 * ease(20, 68, age) + 0.03 * rng.normal()),
      volume: clip(0.5 + 0.25 * rng.normal() - 0.2 * ease(50, 90, age)),
      /** Position of the part: -1 far left, 1 far right. */
      part: clip(0.5 * rng.normal(), -1, 1),
      length: rng.next(),
    },
    beard,
    glasses: person.sight < lerp(0.06, 0.5, ease(4, 70, age))
      ? rng.pick(["round", "square", "soft"] as const)
      : "none",
    earrings: age > 6 && rng.next() < (person.gender === "female" ? 0.45 : 0.04)
      ? rng.pick(["stud", "hoop", "drop"] as const)
      : "none",
    clothing: {
      style: rng.pick(
        age < 14 ? ["tee", "tee", "collar", "hoodie", "turtleneck"] as const : clothes,
      ),
      hue: 360 * rng.next(),
      lightness: 0.25 + 0.6 * rng.next(),
      chroma: 0.1 * rng.next(),
    },
    background: {
      style: rng.pick(backgrounds),
      hue: 360 * rng.next(),
      lightness: 0.46 + 0.42 * rng.next(),
      chroma: 0.02 + 0.065 * rng.next(),
    },
    light: {
      /** From the left (-1) to the right (1). */
      side: clip(0.6 * rng.normal(), -1, 1),
      strength: 0.3 + 0.5 * rng.next(),
      warmth: clip(0.4 * rng.normal(), -1, 1),
      exposure: clip(0.3 * rng.normal(), -1, 1),
    },
    /** Pixels, factor, degrees, and turns of the head of about -1 to 1. */
    pose: {
      x: clip(2.5 * rng.normal(), -6, 6),
      y: clip(2.5 * rng.normal(), -6, 6),
      scale: clip(1 + 0.035 * rng.normal(), 0.92, 1.08),
      roll: clip(2.6 * rng.normal(), -7, 7),
      yaw: clip(0.33 * rng.normal(), -0.8, 0.8),
      pitch: clip(0.35 * rng.normal(), -0.8, 0.8),
    },
  } as const;
}

export function drawTraits(rng: Rng, age: number, gender: Gender): Traits {
  return photograph(rng, drawPerson(rng, gender), age);
}

type Chances<T extends string> = Partial<Record<T, number>>;

/** Weights of hair styles, by gender and age. */
const hairChances: Record<Gender, [until: number, Chances<HairStyle>][]> = {
  female: [
    [2.5, { wisps: 4, fringe: 3, pigtails: 4 }],
    [13, { long: 12, fringe: 9, pigtails: 9, ponytail: 3, bob: 6, crop: 1 }],
    [55, { long: 20, fringe: 7, bob: 10, updo: 2, ponytail: 2, curls: 1, sidePart: 1 }],
    [Infinity, { bob: 14, curls: 2, updo: 2, long: 12, sidePart: 1, fringe: 3 }],
  ],
  male: [
    [2.5, { wisps: 6, crop: 2 }],
    [13, { crop: 12, sidePart: 8, quiff: 6, curls: 2, buzz: 4, bob: 0.5 }],
    [55, { crop: 10, sidePart: 8, quiff: 8, buzz: 5, curls: 2, shaved: 2, long: 0.7 }],
    [Infinity, { sidePart: 5, crop: 4, quiff: 2, buzz: 2, curls: 1, shaved: 1 }],
  ],
};

function drawHair(rng: Rng, person: Person, age: number): HairStyle {
  const chances = hairChances[person.gender].find(([until]) => age < until)![1];
  const style = choose(rng, chances);
  const bald = person.balding * ease(24, 66, age);
  return bald > 0.62 && rng.next() < 0.85 ? rng.next() < 0.75 ? "ring" : "shaved" : style;
}

function drawBeard(rng: Rng, person: Person, age: number): { style: BeardStyle; density: number } {
  if (person.gender === "female" || age < 17) return { style: "none", density: 0 };
  const young = age < 22;
  const style = choose<BeardStyle>(
    rng,
    young ? { none: 5, stubble: 4 } : { none: 2, stubble: 5, moustache: 3, goatee: 3, full: 6 },
  );
  // A shaven beard is visible as a shadow.
  return { style, density: clip(lerp(0.55, 0.92, ease(17, 25, age)) + 0.1 * rng.normal()) };
}

function choose<T extends string>(rng: Rng, chances: Chances<T>): T {
  const options = Object.entries(chances) as [T, number][];
  let left = rng.next() * options.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [option, weight] of options) {
    left -= weight;
    if (left < 0) return option;
  }
  return options[options.length - 1][0];
}
