/** Tufts of hair that sits on the skull: an outline, and strands in it from the root to the tip. */
import type { Color } from "./color.ts";
import { along, bend, between, lerp, ribbon } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Point } from "./svg.ts";

export interface Tuft {
  readonly outline: string;
  readonly strands: readonly (readonly Point[])[];
  /** Added to the lightness. */
  readonly tone?: number;
  readonly opacity?: number;
  /** Softens the border, in pixels. */
  readonly blur?: number;
  /** Opacity of the strands. Default: 1. */
  readonly grain?: number;
  /** Lines that shine. */
  readonly sheen?: readonly (readonly Point[])[];
  /** Default: the hair's color. */
  readonly color?: Color;
}

/** Returns points on the hair's outer border, from one angle to another (degrees, 0 is up). */
export function arc(
  { skull }: Head,
  top: number,
  side: number,
  ...[from, to, count]: [from: number, to: number, count: number]
): Point[] {
  return Array.from({ length: count }, (_, i): Point => {
    const angle = (from + (to - from) * i / (count - 1)) * Math.PI / 180;
    return [(skull.rx + side) * Math.sin(angle), skull.y - (skull.ry + top) * Math.cos(angle)];
  });
}

/** Returns the hair's distance from the skull. */
export function volume({ traits }: Head): { top: number; side: number } {
  const { hair, growth, person } = traits;
  const coily = Math.max(0, person.hairTexture - 0.5) * 2;
  const grown = lerp(0.6, 1, growth);
  return {
    top: (4 + 7 * hair.volume + 6 * coily) * grown,
    side: (3 + 4 * hair.volume + 5 * coily) * grown,
  };
}

/** Returns the hairline, from the left ear over the forehead to the right. */
export function hairline(head: Head): Point[] {
  const { skull, eyes, brow, hairline: y, at, traits } = head;
  const back = traits.hair.recession;
  const half = (side: -1 | 1): Point[] => [
    at(side * skull.rx * 0.33, y + 1 - 17 * back),
    at(side * skull.rx * 0.6, y + 7 - 20 * back),
    at(side * skull.rx * 0.79, lerp(y, brow, 0.52) - 15 * back),
    [side * (skull.rx - 6.5), brow + 1 - 3 * back],
    [side * (skull.rx - 3.5), eyes.y - 5],
    [side * (skull.rx - 1), eyes.y + 6],
  ];
  return [...half(-1).reverse(), at(0, y - 9 * back), ...half(1)];
}

/** Makes a border uneven: waves for wavy hair, small bumps for coily. */
export function ruffle(head: Head, line: readonly Point[], rng: Rng, amount = 1): Point[] {
  const texture = head.traits.person.hairTexture;
  const size = amount * lerp(0.4, 3.4, (texture - 0.25) / 0.6);
  return line.map(([x, y], i): Point =>
    i === 0 || i === line.length - 1
      ? [x, y]
      : [x + size * (rng.next() - 0.5) * 2, y + size * (rng.next() - 0.5) * 1.4]
  );
}

/** Returns hair over the skull, from the hairline outwards; strands sweep by degrees. */
export function cap(
  head: Head,
  rng: Rng,
  { top, side, sweep = 0, count = 80, rough = 1 }: Readonly<
    { top: number; side: number; sweep?: number; count?: number; rough?: number }
  >,
): Tuft {
  const { skull, eyes } = head;
  const low = (s: number): Point[] => [
    [s * (skull.rx - 1), eyes.y + 4],
    [s * (skull.rx + side * 0.75), eyes.y - 14],
  ];
  const rim = [...low(-1), ...arc(head, top, side, -90, 90, 25), ...low(1).reverse()];
  const outer = ruffle(head, rim, rng, rough);
  const line = hairline(head);
  const strands = Array.from({ length: count }, () => {
    const u = rng.next();
    const root = along(line, u);
    const angle = lerp(-88, 88, u + sweep / 180) + 5 * rng.normal();
    const reach = lerp(0.75, 1.02, rng.next());
    const a = angle * Math.PI / 180;
    const x = (skull.rx + side) * reach * Math.sin(a);
    const y = skull.y - (skull.ry + top) * reach * Math.cos(a);
    const lift = Math.min(root[1], y) * 0.6 + root[1] * 0.4;
    const control: Point = [root[0] * 0.75 + x * 0.25 - sweep * 0.12, lift];
    return curl(head, bend(root, control, [x, y], 6), rng);
  });
  return { outline: ribbon(outer, line), strands };
}

/** Bends a strand by the hair's texture. */
export function curl(head: Head, strand: readonly Point[], rng: Rng): readonly Point[] {
  const texture = head.traits.person.hairTexture;
  if (texture < 0.35) return strand;
  const size = lerp(0, 3.6, (texture - 0.35) / 0.5);
  const phase = rng.next() * 6;
  return strand.map(([x, y], i): Point => [
    x + size * Math.sin(phase + i * 2.2),
    y + size * 0.6 * Math.cos(phase + i * 2.2),
  ]);
}

/** Returns short hair at the sides. */
export function sides(head: Head, rng: Rng, thickness: number, height: number): Tuft[] {
  const { skull, eyes, brow } = head;
  return ([-1, 1] as const).map((side) => {
    const outer: Point[] = [
      ...arc(head, 2, thickness, side * lerp(58, 40, height), side * 92, 6),
      [side * (skull.rx + thickness * 0.8), eyes.y - 8],
      [side * (skull.rx + thickness * 0.4), eyes.y + 10],
    ];
    const inner: Point[] = [
      [side * skull.rx * lerp(0.8, 0.66, height), skull.y - skull.ry * lerp(0.42, 0.6, height)],
      [side * (skull.rx - 9), brow - 18],
      [side * (skull.rx - 8), brow - 6],
      [side * (skull.rx - 5), eyes.y - 9],
      [side * (skull.rx - 3), eyes.y + 8],
    ];
    const strands = Array.from({ length: 30 }, () => {
      const [from, to] = [along(outer, rng.next()), along(inner, rng.next())];
      const at = between(from, to, rng.next());
      return [at, [at[0] + side * 1.5, at[1] + 5]] as Point[];
    });
    const look = { tone: -0.02, opacity: 0.82, blur: 0.9, grain: 0.8 };
    return { outline: ribbon(outer, inner), strands, ...look };
  });
}
