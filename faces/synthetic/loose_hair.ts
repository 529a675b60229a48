/** Tufts of hair that falls or is bound: curtains, fringes, tails, buns. */
import { type Color, lch, mix } from "./color.ts";
import {
  along,
  bend,
  between,
  betweenLines,
  lerp,
  offset,
  ribbon,
  smooth,
  taper,
} from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Point } from "./svg.ts";
import { arc, curl, ruffle, type Tuft, volume } from "./tufts.ts";

/** Shape of a curtain of hair, in pixels. */
export interface Fall {
  /** Position of the part, from the middle, and y of the tips. */
  readonly part: number;
  readonly tip: number;
  /** Covered width of the cheek, swing outwards, and turn of the tips inwards. */
  readonly cover: number;
  readonly flare: number;
  readonly turnIn?: number;
}

/** Returns both halves of parted hair, and the part. */
export function parted(head: Head, rng: Rng, options: Fall): Tuft[] {
  const { part } = options;
  const { skull, at, hairline: y, skin } = head;
  // The wider half lies over the other.
  const order = part > 0 ? [1, -1] as const : [-1, 1] as const;
  const root = at(part, y - 11 * head.traits.hair.recession - 4);
  const end: Point = [
    part * 0.9,
    skull.y - Math.sqrt(1 - (part / skull.rx) ** 2) * (skull.ry + volume(head).top) * 0.93,
  ];
  const scalp = bend(root, [(root[0] + end[0]) / 2 + 0.8, (root[1] + end[1]) / 2], end, 6);
  return [
    ...order.map((side) => curtain(head, rng, side, options)),
    // Darker roots beside the part, and the scalp in it.
    { ...plain(taper(scalp, 6, 0.35), head.hair.dark), opacity: 0.4, blur: 1.2 },
    plain(taper(scalp, 1.7, 0.3), mix(skin.base, head.hair.base, 0.35)),
  ];
}

/** Returns a tuft without strands. */
function plain(outline: string, color: Color): Tuft {
  return { outline, strands: [], color };
}

/** Returns the position of long hair's part, in pixels from the middle. */
export function partOf(head: Head): number {
  return head.traits.hair.part * 20;
}

/** Returns one half of parted hair: from the part over the temple, down beside the face to the tips. */
function curtain(head: Head, rng: Rng, side: -1 | 1, options: Fall): Tuft {
  const { skull, eyes, at, traits, hairline: y } = head;
  const { part, tip, cover, flare, turnIn = 0 } = options;
  const { top, side: off } = volume(head);
  const back = traits.hair.recession;
  const start = Math.asin(part / (skull.rx + off)) * 180 / Math.PI;
  const over = arc(head, top, off, start, side * 90, 7);
  const wave = lerp(0, 4.5, (traits.person.hairTexture - 0.2) / 0.5) * lerp(0, 1, (tip - 20) / 60);
  const phase = 6 * rng.next();
  const fall = (from: number, sway: number, out: (t: number) => number): Point[] =>
    Array.from({ length: 8 }, (_, i): Point => {
      const t = (i + 1) / 8;
      const x = out(t) + sway * wave * Math.sin(phase + t * (tip - from) / 13);
      return [side * x, lerp(from, tip, t)];
    });
  const swing = fall(skull.y, 1, (t) => {
    return skull.rx + off + flare * Math.sin(Math.PI * Math.min(t, 0.75) / 1.5) - turnIn * t ** 3;
  });
  const outer = [...over, ...swing];
  const temple = eyes.y - 20;
  const root = at(part, y - 11 * back - 5);
  const control = at(lerp(part, side * skull.rx, 0.62), y + 1 - 15 * back);
  const rim = fall(temple, 0.6, (t) => {
    const covered = cover * Math.sin(Math.PI * Math.min(1, t * 1.25));
    return skull.rx - 4 - covered + 2 * t - turnIn * 0.5 * t ** 3;
  });
  const inner = [...bend(root, control, [side * (skull.rx - 5 - cover * 0.4), temple], 7), ...rim];
  // The tips draw together.
  const [one, other] = [inner[inner.length - 1], outer[outer.length - 1]];
  inner[inner.length - 1] = [lerp(one[0], other[0], 0.3), tip + 3];
  outer[outer.length - 1] = [lerp(other[0], one[0], 0.3), tip - 1];
  const strands = Array.from({ length: 46 }, () => {
    const share = rng.next();
    const from = rng.next() < 0.5 ? 0 : rng.int(5);
    return everyOther(betweenLines(inner, outer, share).slice(from, inner.length - rng.int(5)));
  });
  const sheen = [0.35, 0.45, 0.55, 0.7].map((share) =>
    betweenLines(inner, outer, share).slice(2, 9)
  );
  return { outline: ribbon(ruffle(head, outer, rng, 0.6), inner), strands, sheen };
}

/** Returns the hair behind the neck, down to `tip`. */
export function back(head: Head, rng: Rng, tip: number, flare: number): Tuft {
  const { skull } = head;
  const { top, side } = volume(head);
  const low = (s: number): Point[] => [
    [s * (skull.rx + side + flare * 0.6), lerp(skull.y, tip, 0.35)],
    [s * (skull.rx + side + flare), lerp(skull.y, tip, 0.7)],
    [s * (skull.rx + side + flare * 0.7), tip - 4],
  ];
  const left: Point[] = [...arc(head, top, side, -8, -90, 6), ...low(-1)];
  const right: Point[] = [...arc(head, top, side, 8, 90, 6), ...low(1)];
  const outline = ribbon(ruffle(head, left, rng), ruffle(head, right, rng));
  const strands = Array.from(
    { length: 44 },
    () => everyOther(betweenLines(left, right, rng.next()).slice(3)),
  );
  return { outline, strands, tone: -0.055 };
}

/** Returns every other point of a strand, and the last one. */
function everyOther(line: readonly Point[]): Point[] {
  return line.filter((_, i) => i % 2 === 0 || i === line.length - 1);
}

/** Returns a tail of hair along a line, `width` at its widest. */
export function tail(head: Head, rng: Rng, line: readonly Point[], width: number, tone = 0): Tuft {
  const last = line.length - 1;
  const swell = (i: number) => Math.sin(Math.PI * lerp(0.16, 0.98, i / last) ** 0.75);
  const edge = (sign: number) => offset(line, (i) => sign * width / 2 * swell(i));
  const [one, other] = [ruffle(head, edge(1), rng), ruffle(head, edge(-1), rng)];
  return {
    outline: ribbon(one, other),
    strands: Array.from(
      { length: 24 },
      () => curl(head, betweenLines(one, other, rng.next()), rng),
    ),
    tone,
  };
}

/** Returns a bun. */
export function ball(rng: Rng, [x, y]: Point, radius: number): Tuft {
  const on = (r: number, a: number): Point => [x + r * Math.cos(a), y + r * 0.86 * Math.sin(a)];
  const rim = Array.from(
    { length: 14 },
    (_, i) => on(radius * (1 + 0.05 * rng.normal()), i / 14 * 2 * Math.PI),
  );
  const strands = Array.from({ length: 26 }, () => {
    const start = 6.3 * rng.next();
    const r = radius * (0.25 + 0.75 * rng.next());
    return Array.from({ length: 5 }, (_, i) => on(r, start + 0.4 * i));
  });
  return { outline: smooth(rim, true), strands, tone: -0.03 };
}

/** Returns bangs from the crown to the brows. */
export function bangs(head: Head, rng: Rng): Tuft {
  const { skull, at, brow } = head;
  const { top } = volume(head);
  const y = brow - 4 + 3 * rng.normal();
  const edge = (side: number): Point[] => [
    [side * 6, skull.y - skull.ry - top + 3],
    [side * skull.rx * 0.55, skull.y - skull.ry * 0.74],
    [side * skull.rx * 0.82, skull.y - skull.ry * 0.3],
    [side * (skull.rx - 5), brow - 2],
  ];
  const bottom = Array.from({ length: 11 }, (_, i): Point => {
    const x = lerp(-skull.rx + 5, skull.rx - 5, i / 10);
    return at(x, y - 3 * Math.cos(x / skull.rx * 1.5) + (i % 2 ? 1 : -1) * rng.next());
  });
  const [left, right] = [edge(-1), edge(1)];
  const outline = `${smooth([...[...left].reverse(), ...right])}L${
    smooth([...bottom].reverse()).slice(1)
  }Z`;
  const strands = Array.from({ length: 60 }, () => {
    const share = rng.next();
    const [x, dy] = along(bottom, share);
    const root = between(left[0], right[0], share);
    return bend(root, [x * 1.02, lerp(root[1], dy, 0.35)], [x, dy - 1], 5);
  });
  return { outline, strands };
}

/** Returns a colored hair tie. */
export function tie([x, y]: Point, hue: number): Tuft {
  const rim: Point[] = [[x - 4.5, y], [x, y - 4.5], [x + 4.5, y], [x, y + 4.5]];
  return { ...plain(smooth(rim, true), lch(0.6, 0.1, hue)), grain: 0 };
}
