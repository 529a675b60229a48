/** A head's measures and colors, from its traits. All other modules draw by them. */
import { type Color, lch, mix, ramp, shift } from "./color.ts";
import { ease, lerp, type Point, symmetric } from "./geometry.ts";
import type { Traits } from "./traits.ts";

/**
 * Measures and colors of a head, in its own coordinates: pixels, the origin between the temples, x to
 * the right of the image, y down. The crown is at about -88, the chin at 79.
 */
export type Head = ReturnType<typeof measure>;

const tones = [
  lch(0.905, 0.034, 54),
  lch(0.875, 0.046, 56),
  lch(0.835, 0.06, 60),
  lch(0.785, 0.073, 63),
  lch(0.715, 0.083, 63),
  lch(0.63, 0.086, 60),
  lch(0.545, 0.08, 56),
  lch(0.465, 0.073, 51),
  lch(0.395, 0.06, 48),
];

const hairShades = [
  lch(0.2, 0.012, 40),
  lch(0.26, 0.026, 48),
  lch(0.33, 0.042, 52),
  lch(0.42, 0.06, 55),
  lch(0.48, 0.085, 48),
  lch(0.56, 0.075, 66),
  lch(0.68, 0.085, 78),
  lch(0.78, 0.085, 85),
];

export function measure(traits: Traits) {
  const { person, growth: g, masculinity: m, pose } = traits;
  const grown = (child: number, adult: number) => lerp(child, adult, g);
  const male = (by: number) => by * (m - 0.5) * 2 * lerp(0.65, 1, g);

  // Babies: all of a child, and more so.
  const baby = 1 - ease(0.5, 5, traits.age);

  const eyeY = grown(11, -7) + 1.5 * baby;
  const chin = grown(67, 77) - 1.5 * baby + 2.2 * person.length + male(2.2);
  const mouthY = grown(47, 47) + 0.9 * person.length + male(1);
  const noseY = grown(33, 27) + 1.1 * person.noseLength + 2 * traits.sag;
  const temple = grown(54, 51) + 1.1 * person.width + male(0.5);
  const cheek = grown(56.5, 51.5) + 1.3 * person.width + 0.8 * person.cheeks;
  const low = grown(53, 44.5) + 2 * baby + 1.2 * person.cheeks + male(2.8) + 1.5 * traits.sag;
  const jaw = grown(37, 31) + 1.1 * person.jaw + male(5.2) + 3.5 * traits.sag;
  const tip = grown(15, 13.5) + 0.7 * person.jaw + male(4);
  const skull = { y: grown(-22, -28), rx: temple + 0.6, ry: grown(62, 59) };

  const outline = symmetric([
    [0, skull.y - skull.ry],
    [skull.rx * 0.5, skull.y - skull.ry * 0.866],
    [skull.rx * 0.866, skull.y - skull.ry * 0.5],
    [skull.rx, skull.y],
    [cheek, lerp(skull.y, 22, 0.5)],
    [lerp(cheek, low, 0.45), 21],
    [low, lerp(21, chin, 0.36)],
    [jaw, lerp(21, chin, 0.76)],
    [tip, chin - 3.2],
    [0, chin],
  ]);

  return {
    traits,
    /** Moves a point of the face by the head's turn: most in the middle, not at all at the rim. */
    at(x: number, y: number, lift = 0): Point {
      const depth = Math.sqrt(Math.max(0, 1 - (x / 58) ** 2 - (y / 100) ** 2)) + lift;
      return [x + pose.yaw * depth * 13, y + pose.pitch * depth * 8];
    },
    outline: outline as readonly Point[],
    /** The skull above the temples is half an ellipse. */
    skull,
    eyes: {
      x: grown(24.5, 23) + 0.7 * person.eyeSpacing + 0.3 * person.width,
      y: eyeY,
      half: grown(14, 12.6) + 0.7 * baby + 0.5 * person.eyeSize - male(0.35),
    },
    brow: eyeY - grown(19, 17.5) + male(2) + 1.4 * traits.sag,
    nose: { y: noseY, half: grown(8.2, 10.6) + 0.8 * person.noseWidth + male(1.2) + traits.sag },
    mouth: { y: mouthY, half: grown(14.5, 19.2) - 1.5 * baby + person.mouthWidth + male(0.8) },
    chin,
    hairline: skull.y - skull.ry + grown(32, 33) - male(0.5),
    neck: grown(20, 28) + 2 * baby + male(6),
    skin: skinColors(traits),
    hair: hairColors(traits),
  };
}

function skinColors({ person, age, masculinity }: Traits) {
  // The rose of childhood fades over the years, and the skin turns a little paler and duller.
  const years = Math.min(1, age / 85);
  const tone = shift(ramp(tones, person.tone), 0.015 - 0.03 * years, 1.15 - 0.4 * years);
  const warm = 0.006 * person.undertone;
  const base = { l: tone.l, a: tone.a - warm / 2, b: tone.b + warm };
  const towards = (l: number, a: number, b: number): Color => ({
    l: base.l + l,
    a: base.a + a,
    b: base.b + b,
  });
  const depth = lerp(1, 0.62, person.tone);
  const rose = mix(base, lch(0.5, 0.15, 22), 0.5);
  const shade = towards(-0.15 * depth, 0.022, 0.006);
  return {
    light: shift(base, 0.055, 0.92),
    base,
    shade,
    /** Mixes some of the shade with the base. */
    shaded: (share: number) => mix(base, shade, share),
    deep: towards(-0.36 * depth, 0.03, 0.006),
    blush: mix(base, lch(0.62, 0.15, 24), 0.75),
    lip: shift(rose, age < 14 ? 0.05 : 0, lerp(1, 0.75, masculinity)),
  };
}

function hairColors({ person, age, hair }: Traits) {
  // Children are fairer than they will be.
  const fairer = 0.12 * (1 - person.tone) * (1 - Math.min(1, age / 14));
  const shade = ramp(hairShades, person.hairShade + fairer);
  const grey = lch(lerp(0.62, 0.87, hair.grey), 0.008, 80);
  const base = mix(shade, grey, hair.grey);
  return {
    light: shift(base, lerp(0.13, 0.08, hair.grey), 1.1),
    base,
    dark: shift(base, -0.11 - 0.08 * hair.grey, 0.9),
    brow: shift(mix(shade, grey, hair.grey * 0.7), -0.06),
  };
}
