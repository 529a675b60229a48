/** Hair: tufts behind the head, and others over the face; each an outline with strands in it. */
import { type Color, lch, mix, shift } from "./color.ts";
import {
  along,
  bend,
  between,
  betweenLines,
  lerp,
  offset,
  onEllipse,
  type Point,
  ribbon,
  smooth,
  taper,
  times,
} from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing } from "./svg.ts";
import type { HairStyle } from "./traits.ts";

export function arrangeHair(head: Head, rng: Rng): Style {
  return hairArrangements[head.traits.hair.style](head, rng);
}

export function drawHairBehind(d: Drawing, head: Head, style: Style, rng: Rng): void {
  for (const tuft of style.behind ?? []) drawTuft(d, head, tuft, rng);
}

/** Draws the hair that frames the face, and its shadow on the skin. */
export function drawHairFront(d: Drawing, head: Head, style: Style, rng: Rng): void {
  const shade = style.front.filter(({ opacity = 1 }) => opacity > 0.7);
  if (shade.length > 0) {
    d.group({ "clip-path": d.clip(smooth(head.outline, true)) }, () => {
      const away = head.traits.light.side < 0 ? 1 : -1;
      const steps = [1, 2.2, 3.4, 4.8, 6.4].map((y): Point => [away * y * 0.4, y]);
      for (const { outline } of shade) d.shadow(outline, head.skin.deep, 0.62, steps);
    });
  }
  for (const tuft of style.front) drawTuft(d, head, tuft, rng);
}

function drawTuft(d: Drawing, head: Head, tuft: Tuft, rng: Rng): void {
  const { hair, skull, traits } = head;
  const { tone = 0, opacity = 1, grain = 1 } = tuft;
  const base = shift(tuft.color ?? hair.base, tone);
  d.group(
    { opacity: opacity < 1 ? opacity : undefined, filter: tuft.blur && d.blur(tuft.blur) },
    () => {
      d.path(tuft.outline, {
        fill: d.linear([
          [0, shift(base, 0.015)],
          [0.35, base],
          [1, mix(base, hair.dark, tuft.color ? 0 : 0.55)],
        ], { gradientUnits: "userSpaceOnUse", x1: 0, y1: skull.y - skull.ry, x2: 0, y2: 95 }),
      });
      d.group({ "clip-path": d.clip(tuft.outline) }, () => {
        const inks: [Color, number, number][] = [
          [shift(hair.dark, tone), 1.5, 0.5],
          [shift(hair.dark, tone - 0.03), 0.8, 0.55],
          [shift(hair.light, tone), 0.9, 0.5],
          [shift(hair.light, tone + 0.05), 0.55, 0.45],
        ];
        const paths = inks.map(() => "");
        for (const strand of tuft.strands) paths[rng.int(inks.length)] += smooth(strand);
        for (const [i, [color, width, strength]] of inks.entries()) {
          if (paths[i]) d.line(paths[i], color, width, strength * grain);
        }
        for (const line of tuft.sheen ?? []) {
          d.brush(line, 5, shift(hair.light, 0.04), 0.16 * (0.4 + traits.light.strength));
        }
        if (tone > -0.02 && !tuft.color) {
          const { side, strength } = traits.light;
          const shine = 0.55 * strength * (0.5 + 0.5 * Math.abs(side));
          const place: Point = [24 * side, skull.y - skull.ry * 0.62];
          d.glow(place, 34, 17, shift(hair.light, 0.08), shine, 24 * side);
          d.glow([-52 * Math.sign(side), 0], 26, 60, hair.dark, 0.5 * strength);
        }
      });
    },
  );
}

/** A head's tufts: painted before the neck, if any, and after the face. */
interface Style {
  readonly behind?: readonly Tuft[];
  readonly front: readonly Tuft[];
}

const hairArrangements: Record<HairStyle, (head: Head, rng: Rng) => Style> = {
  long(head, rng) {
    const { length, part } = head.traits.hair;
    const tip = lerp(105, 170, length), behind = [back(head, rng, tip, 14)];
    const [cover, flare] = [lerp(4, 12, rng.next()), lerp(4, 12, rng.next())];
    return { behind, front: parted(head, rng, { part: 20 * part, tip, cover, flare }) };
  },
  fringe(head, rng) {
    const tip = lerp(80, 165, head.traits.hair.length);
    const behind = [back(head, rng, tip, 10)];
    const fall = { part: 0, tip, cover: lerp(5, 12, rng.next()), flare: 6 };
    return { behind, front: [...parted(head, rng, fall), bangs(head, rng)] };
  },
  bob(head, rng) {
    const { length, part } = head.traits.hair, tip = lerp(52, 84, length);
    const look = { part: 20 * part, tip, cover: lerp(5, 12, rng.next()), flare: 9, turnIn: 9 };
    const front = parted(head, rng, look), behind = [back(head, rng, tip + 2, 6)];
    return { behind, front: rng.next() < 0.35 ? [...front, bangs(head, rng)] : front };
  },
  updo(head, rng) {
    const { top, side } = volume(head);
    const crown = head.skull.y - head.skull.ry - top;
    const high = rng.next() < 0.6;
    return {
      behind: high ? [ball(rng, [8 * rng.normal(), crown - 5], 19)] : [],
      front: [cap(head, rng, { top: top * 0.6, side: side * 0.4, rough: 0.4 })],
    };
  },
  ponytail(head, rng) {
    const { top, side } = volume(head);
    const s = rng.next() < 0.5 ? -1 : 1;
    const root: Point = [s * 22, head.skull.y - 44];
    const tip: Point = [s * lerp(66, 84, rng.next()), lerp(40, 90, rng.next())];
    const line = bend(root, [s * 96, -70], tip, 9);
    return {
      behind: [tail(head, rng, line, 34, -0.02)],
      front: [cap(head, rng, { top: top * 0.6, side: side * 0.4, sweep: 12 * s, rough: 0.4 })],
    };
  },
  pigtails(head, rng) {
    const drop = lerp(30, 85, head.traits.hair.length);
    const hue = 360 * rng.next();
    const y = lerp(-30, 5, rng.next());
    const x = head.skull.rx + 5;
    const both = [-1, 1] as const;
    return {
      behind: [
        ...both.map((s) => {
          const line = bend([s * (x - 4), y], [s * (x + 34), y + 4], [s * (x + 14), y + drop], 9);
          return tail(head, rng, line, 27);
        }),
        ...both.map((s) => tie([s * (x + 1), y], hue)),
      ],
      front: [
        ...parted(head, rng, { part: 0, tip: head.eyes.y + 2, cover: 0, flare: 1 }),
        ...(rng.next() < 0.5 ? [bangs(head, rng)] : []),
      ],
    };
  },
  sidePart(head, rng) {
    const { part: place, length } = head.traits.hair, tip = head.eyes.y + lerp(4, 14, length);
    const part = (place < 0 ? -1 : 1) * lerp(16, 27, Math.abs(place));
    return { front: parted(head, rng, { part, tip, cover: -1, flare: 0, turnIn: 3 }) };
  },
  crop(head, rng) {
    const { top, side } = volume(head);
    const sweep = 30 * head.traits.hair.part;
    return { front: [cap(head, rng, { top: top * 0.8, side: side * 0.6, sweep })] };
  },
  quiff(head, rng) {
    const { top, side } = volume(head);
    const lift = lerp(7, 13, head.traits.hair.length);
    const sweep = 26 * Math.sign(head.traits.hair.part);
    const look = { top: top + lift, side: side * 0.25, sweep };
    return { front: [...sides(head, rng, 2, 0.6), cap(head, rng, look)] };
  },
  buzz(head, rng) {
    const tuft = cap(head, rng, { top: 1.6, side: 1.2, count: 150, rough: 0.2 });
    return { front: [{ ...tuft, opacity: 0.78, blur: 0.8, grain: 0.7 }] };
  },
  curls(head, rng) {
    const { top, side } = volume(head);
    const grow = lerp(3, 13, head.traits.hair.length);
    const tuft = cap(head, rng, { top: top + grow, side: side + grow * 0.8, count: 0, rough: 2 });
    const strands = times(190, () => {
      const angle = (-100 + 200 * rng.next()) * Math.PI / 180;
      const reach = 0.42 + 0.64 * rng.next();
      const x = (head.skull.rx + side + grow) * reach * Math.sin(angle);
      const y = head.skull.y - (head.skull.ry + top + grow) * reach * Math.cos(angle);
      const r = 2 + 2.6 * rng.next();
      const start = 6.3 * rng.next();
      return times(6, (i) => onEllipse([x, y], r, r, start + 0.8 * i));
    });
    return { front: [{ ...tuft, strands, grain: 1.1 }] };
  },
  ring(head, rng) {
    return { front: sides(head, rng, lerp(3, 7, head.traits.hair.volume), 0) };
  },
  shaved(head, rng) {
    const tuft = cap(head, rng, { top: 0.2, side: 0.2, count: 0, rough: 0 });
    return { front: [{ ...tuft, opacity: 0.16, blur: 2.2 }] };
  },
  wisps(head, rng) {
    const { skull } = head;
    // A baby's down begins far back and thins out towards the ears.
    const rim = arc(head, 1, 0.8, -88, 88, 15);
    const line = times(9, (i): Point => {
      const t = i / 4 - 1;
      return [t * skull.rx * 0.95, lerp(skull.y - skull.ry * 0.62, skull.y - 2, Math.abs(t) ** 3)];
    });
    const down = times(70, () => {
      const u = rng.next();
      const [from, to] = [along(line, u), along(rim, u + 0.06 * rng.normal())];
      return curl(head, bend(from, [from[0] * 0.9, (from[1] + to[1]) / 2], to, 5), rng);
    });
    const top: Point = [5 * rng.normal(), skull.y - skull.ry + 1];
    const curls = times(16, () => {
      const lean = rng.normal();
      const from: Point = [top[0] + 8 * rng.normal(), top[1] + 9 + 4 * rng.next()];
      const tip: Point = [top[0] + 13 * lean, top[1] + 1 + 4 * rng.next()];
      return taper(bend(from, [top[0] + 6 * lean, top[1] - 7], tip, 6), 1.8);
    });
    const fluff = {
      outline: ribbon(rim, line),
      strands: down,
      opacity: 0.55,
      blur: 2.2,
      grain: 1.4,
    };
    return { front: [fluff, { outline: curls.join(""), strands: [], opacity: 0.7 }] };
  },
};

interface Tuft {
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
function arc(
  { skull }: Head,
  top: number,
  side: number,
  ...[from, to, count]: [from: number, to: number, count: number]
): Point[] {
  return times(count, (i): Point => {
    const angle = (from + (to - from) * i / (count - 1)) * Math.PI / 180;
    return [(skull.rx + side) * Math.sin(angle), skull.y - (skull.ry + top) * Math.cos(angle)];
  });
}

/** Returns the hair's distance from the skull. */
function volume({ traits }: Head): { top: number; side: number } {
  const { hair, growth, person } = traits;
  const coily = Math.max(0, person.hairTexture - 0.5) * 2;
  const grown = lerp(0.6, 1, growth);
  const [top, side] = [4 + 7 * hair.volume + 6 * coily, 3 + 4 * hair.volume + 5 * coily];
  return { top: top * grown, side: side * grown };
}

/** Returns the hairline, from the left ear over the forehead to the right. */
function hairline(head: Head): Point[] {
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
function ruffle(head: Head, line: readonly Point[], rng: Rng, amount = 1): Point[] {
  const texture = head.traits.person.hairTexture;
  const size = amount * lerp(0.4, 3.4, (texture - 0.25) / 0.6);
  return line.map(([x, y], i): Point =>
    i === 0 || i === line.length - 1
      ? [x, y]
      : [x + size * (rng.next() - 0.5) * 2, y + size * (rng.next() - 0.5) * 1.4]
  );
}

/** Returns hair over the skull, from the hairline outwards; strands sweep by degrees. */
function cap(
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
  const strands = times(count, () => {
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

function curl(head: Head, strand: readonly Point[], rng: Rng): readonly Point[] {
  const texture = head.traits.person.hairTexture;
  if (texture < 0.35) return strand;
  const size = lerp(0, 3.6, (texture - 0.35) / 0.5);
  const phase = rng.next() * 6;
  return strand.map(([x, y], i): Point => [
    x + size * Math.sin(phase + i * 2.2),
    y + size * 0.6 * Math.cos(phase + i * 2.2),
  ]);
}

function sides(head: Head, rng: Rng, thickness: number, height: number): Tuft[] {
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
    const strands = times(30, () => {
      const [from, to] = [along(outer, rng.next()), along(inner, rng.next())];
      const at = between(from, to, rng.next());
      return [at, [at[0] + side * 1.5, at[1] + 5]] as Point[];
    });
    const look = { tone: -0.02, opacity: 0.82, blur: 0.9, grain: 0.8 };
    return { outline: ribbon(outer, inner), strands, ...look };
  });
}

/** Shape of a curtain of hair, in pixels. */
interface Fall {
  /** Position of the part, from the middle, and y of the tips. */
  readonly part: number;
  readonly tip: number;
  /** Covered width of the cheek, swing outwards, and turn of the tips inwards. */
  readonly cover: number;
  readonly flare: number;
  readonly turnIn?: number;
}

/** Returns both halves of parted hair, and the part. */
function parted(head: Head, rng: Rng, options: Fall): Tuft[] {
  const { part } = options;
  const { skull, at, hairline: y, skin } = head;
  // The wider half lies over the other.
  const order = part > 0 ? [1, -1] as const : [-1, 1] as const;
  const root = at(part, y - 11 * head.traits.hair.recession - 4);
  const high = Math.sqrt(1 - (part / skull.rx) ** 2) * (skull.ry + volume(head).top) * 0.93;
  const end: Point = [part * 0.9, skull.y - high];
  const scalp = bend(root, [(root[0] + end[0]) / 2 + 0.8, (root[1] + end[1]) / 2], end, 6);
  return [
    ...order.map((side) => curtain(head, rng, side, options)),
    // Darker roots beside the part, and the scalp in it.
    { ...plain(taper(scalp, 6, 0.35), head.hair.dark), opacity: 0.4, blur: 1.2 },
    plain(taper(scalp, 1.7, 0.3), mix(skin.base, head.hair.base, 0.35)),
  ];
}

function plain(outline: string, color: Color): Tuft {
  return { outline, strands: [], color };
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
    times(8, (i): Point => {
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
  const strands = times(46, () => {
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
function back(head: Head, rng: Rng, tip: number, flare: number): Tuft {
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
  const strands = times(44, () => everyOther(betweenLines(left, right, rng.next()).slice(3)));
  return { outline, strands, tone: -0.055 };
}

/** Returns every other point of a strand, and the last one. */
function everyOther(line: readonly Point[]): Point[] {
  return line.filter((_, i) => i % 2 === 0 || i === line.length - 1);
}

/** Returns a tail of hair along a line, `width` at its widest. */
function tail(head: Head, rng: Rng, line: readonly Point[], width: number, tone = 0): Tuft {
  const last = line.length - 1;
  const swell = (i: number) => Math.sin(Math.PI * lerp(0.16, 0.98, i / last) ** 0.75);
  const edge = (sign: number) => offset(line, (i) => sign * width / 2 * swell(i));
  const [one, other] = [ruffle(head, edge(1), rng), ruffle(head, edge(-1), rng)];
  return {
    outline: ribbon(one, other),
    strands: times(24, () => curl(head, betweenLines(one, other, rng.next()), rng)),
    tone,
  };
}

/** Returns a bun. */
function ball(rng: Rng, center: Point, radius: number): Tuft {
  const on = (r: number, angle: number) => onEllipse(center, r, r * 0.86, angle);
  const rim = times(14, (i) => on(radius * (1 + 0.05 * rng.normal()), i / 14 * 2 * Math.PI));
  const strands = times(26, () => {
    const start = 6.3 * rng.next();
    const r = radius * (0.25 + 0.75 * rng.next());
    return times(5, (i) => on(r, start + 0.4 * i));
  });
  return { outline: smooth(rim, true), strands, tone: -0.03 };
}

function bangs(head: Head, rng: Rng): Tuft {
  const { skull, at, brow } = head;
  const { top } = volume(head);
  const y = brow - 4 + 3 * rng.normal();
  const edge = (side: number): Point[] => [
    [side * 6, skull.y - skull.ry - top + 3],
    [side * skull.rx * 0.55, skull.y - skull.ry * 0.74],
    [side * skull.rx * 0.82, skull.y - skull.ry * 0.3],
    [side * (skull.rx - 5), brow - 2],
  ];
  const bottom = times(11, (i): Point => {
    const x = lerp(-skull.rx + 5, skull.rx - 5, i / 10);
    return at(x, y - 3 * Math.cos(x / skull.rx * 1.5) + (i % 2 ? 1 : -1) * rng.next());
  });
  const [left, right] = [edge(-1), edge(1)];
  const outline = ribbon([...left.toReversed(), ...right], bottom);
  const strands = times(60, () => {
    const share = rng.next();
    const [x, dy] = along(bottom, share);
    const root = between(left[0], right[0], share);
    return bend(root, [x * 1.02, lerp(root[1], dy, 0.35)], [x, dy - 1], 5);
  });
  return { outline, strands };
}

function tie([x, y]: Point, hue: number): Tuft {
  const rim: Point[] = [[x - 4.5, y], [x, y - 4.5], [x + 4.5, y], [x, y + 4.5]];
  return { ...plain(smooth(rim, true), lch(0.6, 0.1, hue)), grain: 0 };
}
