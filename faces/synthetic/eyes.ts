/** Eyes and brows. */
import { lch, mix, ramp, shift } from "./color.ts";
import { along, lerp, ribbon } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing, Point } from "./svg.ts";

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

  const transform = `translate(${cx.toFixed(2)} ${cy.toFixed(2)}) scale(${
    (side * squeeze).toFixed(3)
  } 1)`;
  d.group({ transform }, () => {
    // The lid, painted or not, and its crease.
    const crease = lifted(lerp(1.4, 1.6, growth), lerp(1.8, 3.1, growth) - 1.6 * traits.sag);
    d.path(ribbon(upper, crease), { fill: mix(skin.base, skin.shade, 0.35), opacity: 0.7 });
    if (traits.eyes.shadow > 0) {
      const hue = 360 * traits.eyes.shadow;
      const paint = mix(skin.shade, lch(skin.base.l * 0.62, 0.07, hue), 0.5);
      d.path(ribbon(upper, lifted(2, 4.5)), { fill: paint, opacity: 0.42 });
    }
    d.brush(crease, 1.5, skin.deep, lerp(0.35, 0.55, growth), 0.6);

    d.group({ "clip-path": d.clip(almond) }, () => {
      d.path(almond, {
        fill: d.radial([
          [0, mix(white, skin.light, 0.04)],
          [0.6, mix(white, skin.light, 0.12)],
          [1, mix(white, skin.shade, 0.5)],
        ]),
      });
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
    const [x, y] = along(upper, t);
    const reach = lerp(1.5, 3.4, lashes) * (0.6 + 0.4 * t);
    const lean = lerp(-0.35, 1.05, t);
    d.line(
      `M${x.toFixed(2)} ${y.toFixed(2)}q${(lean * reach * 0.4).toFixed(2)} ${
        (-reach * 0.7).toFixed(2)
      } ${(lean * reach).toFixed(2)} ${(-reach).toFixed(2)}`,
      ink,
      0.65,
      0.85,
    );
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
    const [x, y] = along(bottom, t);
    const [tx, ty] = along(top, Math.min(1, t + 0.16 + 0.14 * t));
    strokes += `M${x.toFixed(1)} ${y.toFixed(1)}L${(tx + 0.4 * rng.normal()).toFixed(1)} ${
      (ty - 0.3).toFixed(1)
    }`;
  }
  d.line(strokes, hair.brow, 0.7, strength * 0.6);
}
