/**
 * Colors in OKLab (Ottosson 2020), where equal steps look equal: shadows and highlights are computed
 * from a base color.
 */

/** Lightness 0..1, and the green-red and blue-yellow axes. */
export interface Color {
  readonly l: number;
  readonly a: number;
  readonly b: number;
}

/** Returns a color by lightness 0 to 1, chroma (0 is gray, 0.15 is vivid) and hue in degrees. */
export function lch(l: number, chroma: number, hue: number): Color {
  const radians = hue * Math.PI / 180;
  return { l, a: chroma * Math.cos(radians), b: chroma * Math.sin(radians) };
}

/** Mixes two colors; `share` is that of the second. */
export function mix(one: Color, other: Color, share: number): Color {
  const blend = (from: number, to: number) => from + (to - from) * share;
  return { l: blend(one.l, other.l), a: blend(one.a, other.a), b: blend(one.b, other.b) };
}

/** Adds to a color's lightness, and multiplies its chroma. */
export function shift(color: Color, by: number, chroma = 1): Color {
  return { l: color.l + by, a: color.a * chroma, b: color.b * chroma };
}

/** Formats a color as `#rrggbb`; values out of gamut are clipped. */
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

/** Returns a color from a table by its place, 0 to 1; neighbors are mixed. */
export function ramp(colors: readonly Color[], place: number): Color {
  const at = Math.min(1, Math.max(0, place)) * (colors.length - 1);
  const low = Math.min(Math.floor(at), colors.length - 2);
  return mix(colors[low], colors[low + 1], at - low);
}
