/** Eyes, brows and mouth, glasses and earrings. */
import { lch, mix, ramp, shift } from "./color.ts";
import {
  along,
  bend,
  fixed,
  lerp,
  onEllipse,
  type Point,
  ribbon,
  smooth,
  times,
} from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing } from "./svg.ts";

const irises = [
  lch(0.3, 0.04, 50),
  lch(0.38, 0.06, 55),
  lch(0.46, 0.075, 65),
  lch(0.54, 0.07, 95),
  lch(0.58, 0.06, 150),
  lch(0.62, 0.06, 225),
  lch(0.66, 0.075, 245),
];
const black = lch(0.12, 0.01, 40);
const white = lch(0.985, 0.004, 90);

export function drawEyes(d: Drawing, head: Head, rng: Rng): void {
  for (const side of [-1, 1] as const) {
    drawEye(d, head, side);
    drawBrow(d, head, side, rng);
  }
}

/** Draws an eye in its own coordinates; the outer corner has a positive x on both sides. */
function drawEye(d: Drawing, head: Head, side: -1 | 1): void {
  const { traits, skin, eyes, at } = head;
  const { person, growth, pose } = traits;
  const [cx, cy] = at(side * eyes.x, eyes.y);
  // The head's turn narrows the far eye.
  const squeeze = (at(side * eyes.x + 10, eyes.y)[0] - at(side * eyes.x - 10, eyes.y)[0]) / 20;
  const a = eyes.half;
  const open = traits.eyes.open * (1 - 0.1 * Math.max(0, traits.smile));
  const high = lerp(9, 6.7, growth) * open + 0.2 * person.eyeSize;
  const low = lerp(5.4, 3.9, growth) * Math.min(1, open);
  const tilt = 0.9 + 0.8 * person.eyeTilt - 1.8 * traits.sag;
  const inner: Point = [-a, 1.4];
  const outer: Point = [a, -tilt];
  const lid = (...middle: Point[]) => [inner, ...middle, outer];
  const slope = tilt * 0.4;
  const upper = lid([-a * 0.52, -high * 0.78], [a * 0.08, -high], [a * 0.6, -high * 0.72 - slope]);
  const lower = lid([-a * 0.5, low * 0.82], [a * 0.15, low], [a * 0.65, low * 0.68 - slope]);
  const almond = ribbon(upper, lower);
  const lifted = (by: number, swell: number): Point[] =>
    upper.map(([x, y], i) => [x * 1.03, y - by - swell * Math.sin(Math.PI * i / 4)]);

  const scale = (side * squeeze).toFixed(3);
  const transform = `translate(${fixed([cx, cy], 2)}) scale(${scale} 1)`;
  d.group({ transform }, () => {
    // The lid, painted or not, and its crease.
    const crease = lifted(lerp(1.4, 1.6, growth), lerp(1.8, 3.1, growth) - 1.6 * traits.sag);
    d.path(ribbon(upper, crease), { fill: skin.shaded(0.35), opacity: 0.7 });
    if (traits.eyes.shadow > 0) {
      const hue = 360 * traits.eyes.shadow;
      const paint = mix(skin.shade, lch(skin.base.l * 0.62, 0.07, hue), 0.5);
      d.path(ribbon(upper, lifted(2, 4.5)), { fill: paint, opacity: 0.42 });
    }
    d.brush(crease, 1.5, skin.deep, lerp(0.35, 0.55, growth), 0.6);

    d.group({ "clip-path": d.clip(almond) }, () => {
      const [pale, dim] = [0.04, 0.12].map((share) => mix(white, skin.light, share));
      const ball = d.radial([[0, pale], [0.6, dim], [1, mix(white, skin.shade, 0.5)]]);
      d.path(almond, { fill: ball });
      d.add("ellipse", { cx: -a + 0.8, cy: 1.3, rx: 2, ry: 1.6, fill: skin.blush, opacity: 0.75 });
      const r = lerp(7.4, 6, growth) + 0.15 * person.eyeSize;
      const x = side * (1.1 * traits.eyes.gaze + 1.6 * pose.yaw) - 0.2;
      const y = -high * 0.16 + 0.8 * pose.pitch;
      const iris = ramp(irises, person.eyeShade);
      const shades = [
        [0, shift(iris, -0.12)],
        [0.45, iris],
        [0.78, shift(iris, 0.09, 1.1)],
        [0.9, shift(iris, -0.06)],
        [1, mix(iris, black, 0.75)],
      ] as const;
      d.circle([x, y], r, d.radial(shades, { cx: 0.5, cy: 0.62, r: 0.56 }));
      d.circle([x, y], r * 0.43, black);
      d.glow([x, y + r * 0.55], r * 0.7, r * 0.45, shift(iris, 0.25), 0.5);
      // The lid's shadow on the ball.
      d.path(ribbon(lifted(2, 1), lifted(-1.7, -0.8)), { fill: black, opacity: 0.3 });
      // Catch-lights: the same side in both eyes, so against this group's mirror.
      const lit = side * (traits.light.side < 0 ? -1 : 1);
      d.circle([x + lit * r * 0.36, y - r * 0.36], r * 0.27, white, 0.95);
      d.circle([x - lit * r * 0.38, y + r * 0.4], r * 0.13, white, 0.5);
      d.stroke(lower, mix(skin.blush, white, 0.3), 1.3, 0.6);
    });

    drawLashes(d, head, upper, lower);
  });
}

function drawLashes(
  d: Drawing,
  { traits, hair, skin }: Head,
  upper: readonly Point[],
  lower: readonly Point[],
): void {
  const { lashes } = traits.eyes;
  const ink = mix(hair.brow, black, 0.7 - 0.25 * traits.hair.grey);
  const thick = lerp(0.9, 2.7, lashes);
  const end = upper[upper.length - 1];
  const flick = Math.max(0, lashes - 0.3) * lerp(0.45, 1, traits.growth);
  const wing: Point = [end[0] + 0.4 + 3.4 * flick, end[1] - 2.6 * flick];
  const edge = [...upper.slice(0, -1), end, wing];
  d.brush(edge.map(([x, y]): Point => [x, y - thick * 0.25]), thick, ink, 0.92, 0.68);
  d.brush(lower, 1.1, mix(skin.deep, ink, lashes * 0.7), 0.4 + 0.3 * lashes, 0.7);
  const count = Math.round(lerp(0, 8, lashes));
  for (let i = 0; i < count; i++) {
    const t = lerp(0.3, 1, i / Math.max(1, count - 1));
    const reach = lerp(1.5, 3.4, lashes) * (0.6 + 0.4 * t);
    const lean = lerp(-0.35, 1.05, t);
    const bend = fixed([lean * reach * 0.4, -reach * 0.7], 2);
    const tip = fixed([lean * reach, -reach], 2);
    d.line(`M${fixed(along(upper, t), 2)}q${bend} ${tip}`, ink, 0.65, 0.85);
  }
}

function drawBrow(d: Drawing, head: Head, side: -1 | 1, rng: Rng): void {
  const { traits, brow, hair, at, eyes, skin } = head;
  const { person, masculinity: m, growth } = traits;
  const arch = lerp(3.4, 1.9, m) + 0.8 * person.browArch;
  const thick = lerp(lerp(3, 6.6, m), lerp(2, 4.4, m), 0.75 * (1 - growth)) +
    0.6 * person.browWeight;
  const from = eyes.x - 13.5 + 1.2 * (0.5 - m);
  const to = eyes.x + 15.5;
  const line: Point[] = [
    [from, brow + 0.9],
    [lerp(from, to, 0.3), brow - 0.5 - arch * 0.4],
    [lerp(from, to, 0.62), brow - arch],
    [lerp(from, to, 0.85), brow - arch * 0.45 + 0.5],
    [to, brow + 2.6 - arch * 0.2],
  ];
  const profile = [0.78, 1, 0.82, 0.46, 0.06];
  const edge = (sign: number) =>
    line.map(([x, y], i): Point => at(side * x, y + sign * thick * profile[i] / 2));
  const [top, bottom] = [edge(-1), edge(1)];
  const strength = lerp(0.4, 0.9, lerp(0.5, 1, growth) * (0.45 + 0.55 * m)) +
    0.05 * person.browWeight;
  const color = mix(hair.brow, skin.deep, 0.25);
  d.path(ribbon(top, bottom), { fill: color, opacity: strength * 0.8 });
  const hairs = Math.round(lerp(9, 20, growth));
  let strokes = "";
  for (let i = 0; i < hairs; i++) {
    const t = (i + rng.next()) / hairs * 0.93;
    const [x, y] = along(top, Math.min(1, t + 0.16 + 0.14 * t));
    strokes += `M${fixed(along(bottom, t))}L${fixed([x + 0.4 * rng.normal(), y - 0.3])}`;
  }
  d.line(strokes, hair.brow, 0.7, strength * 0.6);
}

const tooth = lch(0.955, 0.012, 85);

export function drawMouth(d: Drawing, head: Head): void {
  const { traits, mouth, skin, at } = head;
  const { person, smile, masculinity: m, growth, sag } = traits;
  const half = mouth.half + 2.6 * Math.max(0, smile);
  const y = mouth.y;
  const full = lerp(1.18, 0.76, m) * lerp(1, 0.62, sag) + 0.09 * person.lips;
  const upper = lerp(3.9, 4.6, growth) * full;
  const lower = lerp(5, 6.3, growth) * full;
  const rise = 4.6 * smile - 1.4 * sag;
  const gap = traits.teeth ? 3.6 + 2 * smile : 0;
  const corner = (side: number): Point => at(side * half, y - rise);
  const [left, right] = [corner(-1), corner(1)];
  // Lines from corner to corner: the lips' outer borders, and where they meet.
  const line = (far: Point, near: Point, middle: number): Point[] => {
    const side = (s: number) => [far, near].map(([x, dy]) => at(s * half * x, y + dy));
    return [left, ...side(-1), at(0, y + middle), ...side(1).reverse(), right];
  };
  const top = line([0.55, -upper * 0.62 - rise * 0.35], [0.2, -upper], -upper * 0.72);
  const meet = (open: number) => line([0.55, open * 0.75 - rise * 0.32], [0.2, open], open + 0.7);
  const corners = gap * 0.8 + lower * 0.62 - rise * 0.25;
  const bottom = line([0.62, corners], [0.25, gap + lower * 0.96], gap + lower);

  const rouge = lch(lerp(0.52, 0.36, person.tone), lerp(0.16, 0.12, person.tone), 18);
  const lip = mix(skin.lip, rouge, traits.lipTint);
  const soft = lerp(0.72, 1, traits.lipTint) * lerp(0.8, 1, 1 - m);
  const above = d.linear([[0, mix(lip, skin.base, 0.25)], [1, shift(lip, -0.07)]]);
  const below = d.linear([[0, lip], [0.45, shift(lip, 0.05)], [1, mix(lip, skin.base, 0.4)]]);
  d.path(ribbon(top, meet(0)), { fill: above, opacity: soft });
  d.path(ribbon(meet(gap), bottom), { fill: below, opacity: soft });
  if (gap > 0) {
    const open = ribbon(meet(-0.2), meet(gap));
    d.path(open, { fill: lch(0.28, 0.07, 20) });
    d.group({ "clip-path": d.clip(open) }, () => {
      const teeth = ribbon(meet(-0.4), meet(gap * 0.78));
      const edge = shift(tooth, -0.28);
      d.path(teeth, { fill: d.across([[0, edge], [0.22, tooth], [0.78, tooth], [1, edge]]) });
      d.path(ribbon(meet(-1), meet(0.8)), { fill: lch(0.3, 0.05, 20), opacity: 0.3 });
    });
  } else {
    d.brush(meet(0.1), 1.9, mix(skin.deep, lch(0.25, 0.07, 20), 0.6), 0.85);
  }
  for (const [x, cy] of [left, right]) d.glow([x, cy + 0.5], 3.4, 2.8, skin.deep, 0.5);
  const shine = at(-1.5 * Math.sign(-traits.light.side), y + gap + lower * 0.5);
  d.glow(shine, half * 0.36, 1.8, lch(0.98, 0.01, 60), 0.28 + 0.35 * traits.lipTint);
}

const glass = lch(0.99, 0.004, 90);

export function drawGlasses(d: Drawing, head: Head, rng: Rng): void {
  const { traits, eyes, at, skull } = head;
  if (traits.glasses === "none") return;
  const frame = rng.next() < 0.6
    ? lch(0.2 + 0.15 * rng.next(), 0.03, 40)
    : lch(0.45 + 0.3 * rng.next(), 0.06, 360 * rng.next());
  const width = traits.glasses === "round" ? 1.6 : 1.5 + 1.3 * rng.next();
  const rx = eyes.half + 5.2;
  const ry = traits.glasses === "round" ? rx * 0.93 : rx * 0.72;
  for (const s of [-1, 1] as const) {
    const [cx, cy] = at(s * (eyes.x + 0.8), eyes.y + 2, 0.05);
    const corner = traits.glasses === "square" ? 0.9 : 0.76;
    const rim = traits.glasses === "round"
      ? times(12, (i) => onEllipse([cx, cy], rx, ry, i * Math.PI / 6))
      : ([
        [-1, -0.5],
        [-corner, -0.95],
        [0, -1.04],
        [corner, -0.98],
        [1.03, -0.55],
        [0.98, 0.25],
        [corner * 0.86, 0.9],
        [0, 1.02],
        [-corner * 0.86, 0.86],
        [-0.98, 0.25],
      ] as const)
        .map(([x, y]): Point => [cx + s * x * rx, cy + y * ry]);
    const path = smooth(rim, true);
    const shine = [[0, glass, 0.2], [0.4, glass, 0.03], [1, glass, 0.1]] as const;
    d.path(path, { fill: d.linear(shine, { x1: 0, y1: 0, x2: 1, y2: 1 }) });
    d.line(path, head.skin.deep, width, 0.22, { transform: "translate(0 2)" });
    d.line(path, frame, width);
    d.stroke(rim.slice(0, 5), shift(frame, 0.25), width * 0.35, 0.6);
    const ear: Point = [s * (skull.rx + 1), eyes.y - 3];
    const temple: Point = [cx + s * rx, cy - ry * 0.45];
    d.stroke([temple, [(cx + s * rx + ear[0]) / 2, cy - ry * 0.5], ear], frame, width * 0.9);
  }
  const bridge = at(0, eyes.y, 0.15);
  const edge = (s: number) => at(s * (eyes.x + 0.8), eyes.y + 2, 0.05)[0] - s * rx;
  const [x, y] = bridge;
  d.stroke(bend([edge(-1), y], [x, y - 5], [edge(1), y]), frame, width);
}

export function drawEarrings(d: Drawing, head: Head, hidden: boolean): void {
  const { traits, skull, nose } = head;
  if (traits.earrings === "none" || hidden) return;
  const metal = traits.strokes % 3 === 0 ? lch(0.86, 0.01, 250) : lch(0.8, 0.11, 85);
  for (const s of [-1, 1]) {
    const x = s * (skull.rx + 1) - traits.pose.yaw * 3;
    const y = nose.y + 2 + 3 * traits.sag;
    if (traits.earrings === "hoop") {
      const place = { cx: x, cy: y + 6, rx: 4, ry: 6.5 };
      d.add("ellipse", { ...place, fill: "none", stroke: metal, "stroke-width": 1.5 });
    } else {
      const drop = traits.earrings === "drop" ? 8 : 0;
      if (drop) d.line(`M${x} ${y}v${drop}`, metal, 0.9);
      const stops = [[0, shift(metal, 0.12)], [0.6, metal], [1, shift(metal, -0.25)]] as const;
      d.circle([x, y + drop], drop ? 2.8 : 2.1, d.radial(stops, { cx: 0.35, cy: 0.3, r: 0.8 }));
    }
  }
}
