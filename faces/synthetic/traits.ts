/**
 * What a drawn face looks like, in numbers: first the person, who stays the same from photo to photo,
 * then what age, the day and the photographer make of them.
 *
 * Signs of age and gender are drawn from overlapping distributions, as in life: no single one tells,
 * all together mostly do. Skin tones, scenes and clothes know nothing of either.
 */
import type { Rng } from "../../packages/random/random.ts";
import { ease, lerp } from "./geometry.ts";

export type Gender = "female" | "male";

export const hairStyles = [
  "long",
  "fringe",
  "bob",
  "updo",
  "ponytail",
  "pigtails",
  "sidePart",
  "crop",
  "quiff",
  "buzz",
  "curls",
  "ring",
  "shaved",
  "wisps",
] as const;
export type HairStyle = typeof hairStyles[number];

export const beardStyles = ["none", "stubble", "moustache", "goatee", "full"] as const;
export type BeardStyle = typeof beardStyles[number];

export const clothes = ["tee", "vneck", "collar", "jacket", "turtleneck", "hoodie"] as const;
export const backgrounds = ["studio", "lights", "garden", "window", "wall"] as const;

/** What stays the same in all photos of one person. Shares are 0..1, deviations around 0. */
export interface Person {
  readonly gender: Gender;
  /** How strongly the signs of gender show: 0 as in women, 1 as in men, most people between. */
  readonly masculinity: number;
  /** Fair to deep, and cool to warm. */
  readonly tone: number;
  readonly undertone: number;
  readonly freckles: number;
  /** Years that the skin looks older than it is, and that the hair greys later than usual. */
  readonly weathering: number;
  readonly greyDelay: number;
  /** How far the hair recedes in the end. */
  readonly balding: number;
  /** Black to blond and red, and straight to coily. */
  readonly hairShade: number;
  readonly hairTexture: number;
  readonly eyeShade: number;
  /** Of the face: deviations of about 1. */
  readonly width: number;
  readonly length: number;
  readonly jaw: number;
  readonly cheeks: number;
  readonly eyeSize: number;
  readonly eyeSpacing: number;
  readonly eyeTilt: number;
  readonly browArch: number;
  readonly browWeight: number;
  readonly noseWidth: number;
  readonly noseLength: number;
  readonly lips: number;
  readonly mouthWidth: number;
  /** Below it, the person wears glasses. */
  readonly sight: number;
}

/** All that a drawing shows. */
export interface Traits {
  readonly person: Person;
  /** In years. */
  readonly age: number;
  /** Seed of the small strokes. */
  readonly strokes: number;
  /** Child to grown up. */
  readonly growth: number;
  /** How much the signs of gender show at this age: 0 female, 1 male. */
  readonly masculinity: number;
  /** Share of each sign of age. */
  readonly forehead: number;
  readonly crowsFeet: number;
  readonly folds: number;
  readonly bags: number;
  readonly sag: number;
  readonly spots: number;
  readonly eyes: {
    readonly open: number;
    readonly lashes: number;
    readonly shadow: number;
    readonly gaze: number;
  };
  readonly blush: number;
  readonly smile: number;
  readonly teeth: boolean;
  readonly lipTint: number;
  readonly hair: {
    readonly style: HairStyle;
    readonly grey: number;
    /** How far the hairline has moved back. */
    readonly recession: number;
    readonly volume: number;
    /** Where it parts: -1 far left, 1 far right. */
    readonly part: number;
    readonly length: number;
  };
  readonly beard: { readonly style: BeardStyle; readonly density: number };
  readonly glasses: "none" | "round" | "square" | "soft";
  readonly earrings: "none" | "stud" | "hoop" | "drop";
  readonly clothing: {
    readonly style: typeof clothes[number];
    readonly hue: number;
    readonly lightness: number;
    readonly chroma: number;
  };
  readonly background: {
    readonly style: typeof backgrounds[number];
    readonly hue: number;
    readonly lightness: number;
    readonly chroma: number;
  };
  readonly light: {
    /** From the left (-1) to the right (1). */
    readonly side: number;
    readonly strength: number;
    readonly warmth: number;
    readonly exposure: number;
  };
  /** Pixels, factor, degrees, and turns of the head of about -1..1. */
  readonly pose: {
    readonly x: number;
    readonly y: number;
    readonly scale: number;
    readonly roll: number;
    readonly yaw: number;
    readonly pitch: number;
  };
}

const clip = (value: number, low = 0, high = 1): number => Math.min(high, Math.max(low, value));

/** Invents a person. */
export function drawPerson(rng: Rng, gender: Gender): Person {
  const tone = rng.next();
  // Where people come from shows in hair and eyes too: the deeper the skin, the rarer are fair ones.
  const fair = clip(1.15 - 1.9 * tone);
  return {
    gender,
    masculinity: clip((gender === "male" ? 0.87 : 0.13) + 0.1 * rng.normal()),
    tone,
    undertone: rng.normal(),
    freckles: clip((rng.next() - 0.8) * 4) * fair,
    weathering: 2.5 * rng.normal(),
    greyDelay: 4.5 * rng.normal(),
    balding: clip(gender === "male" ? 0.45 + 0.4 * rng.normal() : 0.08 * rng.normal()),
    hairShade: clip((0.14 + 0.12 * rng.normal()) * (0.45 + 0.55 * fair) + 0.9 * fair * rng.next()),
    hairTexture: clip(0.1 + 0.55 * tone + 0.22 * rng.normal()),
    eyeShade: clip(0.12 + 0.1 * rng.normal() + fair * rng.next()),
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
    sight: rng.next(),
  };
}

/** Takes a photo of a person at an age. */
export function photograph(rng: Rng, person: Person, age: number): Traits {
  const growth = ease(-2, 19, age);
  const looks = age + person.weathering * ease(20, 60, age);
  const sign = (from: number, to: number) =>
    clip(ease(from, to, looks) * (1 + 0.1 * rng.normal()) + 0.015 * rng.normal());
  // Children's faces tell less.
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
    strokes: rng.int(2 ** 31),
    growth,
    masculinity,
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
      side: clip(0.6 * rng.normal(), -1, 1),
      strength: 0.3 + 0.5 * rng.next(),
      warmth: clip(0.4 * rng.normal(), -1, 1),
      exposure: clip(0.3 * rng.normal(), -1, 1),
    },
    pose: {
      x: clip(2.5 * rng.normal(), -6, 6),
      y: clip(2.5 * rng.normal(), -6, 6),
      scale: clip(1 + 0.035 * rng.normal(), 0.92, 1.08),
      roll: clip(2.6 * rng.normal(), -7, 7),
      yaw: clip(0.33 * rng.normal(), -0.8, 0.8),
      pitch: clip(0.35 * rng.normal(), -0.8, 0.8),
    },
  };
}

/** Invents a person and takes a photo: all traits of a face of this age and gender. */
export function drawTraits(rng: Rng, age: number, gender: Gender): Traits {
  return photograph(rng, drawPerson(rng, gender), age);
}

type Chances<T extends string> = Partial<Record<T, number>>;

/** What people wear on their heads, by gender and time of life. */
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

function drawBeard(rng: Rng, person: Person, age: number): Traits["beard"] {
  if (person.gender === "female" || age < 17) return { style: "none", density: 0 };
  const young = age < 22;
  const style = choose<BeardStyle>(
    rng,
    young ? { none: 5, stubble: 4 } : { none: 2, stubble: 5, moustache: 3, goatee: 3, full: 6 },
  );
  // A shaven beard still shows as a shadow.
  return { style, density: clip(lerp(0.55, 0.92, ease(17, 25, age)) + 0.1 * rng.normal()) };
}

/** One of the options, each as likely as its weight says. */
function choose<T extends string>(rng: Rng, chances: Chances<T>): T {
  const options = Object.entries(chances) as [T, number][];
  let left = rng.next() * options.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [option, weight] of options) {
    left -= weight;
    if (left < 0) return option;
  }
  return options[options.length - 1][0];
}
