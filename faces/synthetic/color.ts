/**
 * Colours in OKLab (Ottosson 2020), where equal steps look equal, so that a skin's shadow or a hair's
 * highlight can be computed from its base colour.
 */

/** Lightness 0..1, and the green-red and blue-yellow axes. */
export interface Color {
  readonly l: number;
  readonly a: number;
  readonly b: number;
}

/** A colour from lightness 0..1, chroma (0 is grey, 0.15 is vivid) and hue in degrees. */
export function lch(l: number, chroma: number, hue: number): Color {
  const radians = hue * Math.PI / 180;
  return { l, a: chroma * Math.cos(radians), b: chroma * Math.sin(radians) };
}

/** `share` of the second colour, the rest of the first. */
export function mix(one: Color, other: Color, share: number): Color {
  const blend = (from: number, to: number) => from + (to - from) * share;
  return { l: blend(one.l, other.l), a: blend(one.a, other.a), b: blend(one.b, other.b) };
}

/** The colour with its lightness moved by `by`, and its chroma multiplied. */
export function shift(colour: Color, by: number, chroma = 1): Color {
  return { l: colour.l + by, a: colour.a * chroma, b: colour.b * chroma };
}

/** The colour as `#rrggbb`; what a screen cannot show is clipped. */
export function css({ l, a, b }: Color): string {
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
  return "#" + linear.map((value) => {
    const clipped = Math.min(1, Math.max(0, value));
    const encoded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
    return Math.round(encoded * 255).toString(16).padStart(2, "0");
  }).join("");
}

/** A colour from a table of them, by place 0..1, blended between neighbours. */
export function ramp(colours: readonly Color[], place: number): Color {
  const at = Math.min(1, Math.max(0, place)) * (colours.length - 1);
  const low = Math.min(Math.floor(at), colours.length - 2);
  return mix(colours[low], colours[low + 1], at - low);
}
