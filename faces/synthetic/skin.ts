/** The head: ears, the skin of the face in light and shade, the nose. */
import { lch, mix, shift } from "./color.ts";
import { bend, lerp, smooth } from "./geometry.ts";
import type { Head } from "./head.ts";
import { drawLines, drawMarks } from "./wrinkles.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing, Point } from "./svg.ts";

/** Both sides of the face, as signs of x. */
const sides = [-1, 1] as const;

export function drawEars(d: Drawing, head: Head): void {
  const { skin, traits, eyes, nose } = head;
  const top = eyes.y - 7;
  const bottom = nose.y + 3 + 3 * traits.sag;
  for (const side of sides) {
    const x = (out: number) => side * (head.skull.rx - 2 + out) - traits.pose.yaw * 3;
    const outer: Point[] = [
      [x(-2), top + 4],
      [x(3.5), top],
      [x(8), top + 5],
      [x(7.5), (top + bottom) / 2],
      [x(4.5), bottom - 5],
      [x(0.5), bottom],
      [x(-4), bottom - 7],
    ];
    const lit = side === Math.sign(traits.light.side);
    d.path(smooth(outer, true), {
      fill: d.linear([
        [0, mix(skin.base, skin.blush, 0.3)],
        [0.5, mix(skin.base, skin.shade, lit ? 0.2 : 0.6)],
        [1, mix(skin.base, skin.blush, 0.45)],
      ]),
    });
    const fold: Point[] = [[x(1), top + 5], [x(4.5), top + 5], [x(5), top + 12]];
    d.stroke([...fold, [x(2.5), bottom - 9]], skin.deep, 1.3, 0.35);
    d.glow([x(1), (top + bottom) / 2 + 1], 4, 8, skin.deep, 0.45);
  }
}

/** Draws the skin of the face, without the features' own colors. */
export function drawFace(d: Drawing, head: Head, rng: Rng): void {
  const { skin, traits, eyes, mouth, chin, at, skull } = head;
  const { light, growth, sag } = traits;
  const outline = smooth(head.outline, true);
  const [faceX, faceY] = at(0, 0);

  d.path(outline, {
    fill: d.radial([
      [0, skin.light],
      [0.42, skin.base],
      [0.78, mix(skin.base, skin.shade, 0.38)],
      [1, mix(skin.base, skin.shade, 0.85)],
    ], { gradientUnits: "userSpaceOnUse", cx: faceX + 12 * light.side, cy: faceY - 8, r: 94 }),
  });

  d.group({ "clip-path": d.clip(outline) }, () => {
    // The side away from the light.
    const dark = light.side < 0 ? 1 : -1;
    const shade = Math.abs(light.side) * light.strength;
    d.rect(-70, -100, 140, 200, {
      fill: d.linear([
        [0.12, skin.deep, 0.62],
        [0.34, skin.shade, 0.5],
        [0.62, skin.shade, 0],
      ], dark < 0 ? { x1: 0, y1: 0, x2: 1, y2: 0 } : { x1: 1, y1: 0, x2: 0, y2: 0 }),
      opacity: shade * 0.85,
    });
    d.glow(at(-dark * 20, -42), 34, 22, skin.light, 0.55);
    d.glow([dark * 54, 40], 26, 46, skin.deep, 0.2 + 0.25 * shade);
    d.glow([-dark * 58, 42], 18, 44, skin.shade, 0.45);
    d.glow([0, chin + 5], 46, 16, skin.deep, 0.4);

    // Sockets, cheeks, chin.
    for (const side of sides) {
      const inShade = side === dark ? 1 : 0.75;
      const socket = at(side * (eyes.x - 6), eyes.y - 4);
      d.glow(socket, 19, 14, skin.shade, lerp(0.3, 0.55, growth) * inShade);
      d.glow(at(side * 10.5, eyes.y - 3), 7, 10, skin.deep, lerp(0.12, 0.3, growth) * inShade);
      d.glow(at(side * (skull.rx - 6), eyes.y - 16), 15, 26, skin.shade, 0.4);
      const apple = at(side * lerp(31, 30, growth), lerp(33, 22, growth));
      d.glow(apple, 19, 16, skin.blush, traits.blush * 0.62);
      d.glow([apple[0] - dark * 3, apple[1] - 7], 14, 10, skin.light, 0.5 * (2 - inShade));
      // The hollow under the cheekbone comes with age.
      const hollow = Math.max(0, growth * 0.3 + 0.5 * sag - 0.08 * traits.person.cheeks);
      d.glow(at(side * 37, 40), 12, 19, skin.shade, hollow, side * 20);
    }
    d.glow(at(-dark * 3, chin - 11), 12, 9, skin.light, 0.5);
    d.glow(at(0, mouth.y + 12.5), 13, 5, skin.deep, 0.32);
    d.glow(at(0, mouth.y - 9), 4, 6, skin.shade, 0.35);

    drawMarks(d, head, rng);
    drawLines(d, head, rng);
  });
  drawNose(d, head, light.side < 0 ? 1 : -1);
}

function drawNose(d: Drawing, head: Head, shadow: 1 | -1): void {
  const { skin, nose, eyes, at, traits } = head;
  const { half, y } = nose;
  const strength = 0.55 + 0.45 * traits.light.strength * Math.abs(traits.light.side);
  const adult = lerp(0.45, 1, traits.growth);
  const bridge = at(0, (eyes.y + y) / 2, 0.15);
  const tip = at(0, y - 4.5, 0.3);
  const long = (y - eyes.y) / 2;
  const dark: Point = [bridge[0] + shadow * 8, bridge[1] + 2];
  d.glow(dark, 6.5, long + 5, skin.deep, 0.42 * strength * adult, -shadow * 7);
  d.glow([bridge[0] - shadow * 8.5, bridge[1] + 5], 5, long, skin.shade, 0.35 * adult, shadow * 8);
  d.glow([bridge[0] - shadow * 1.2, bridge[1] - 2], 4.2, long + 4, skin.light, 0.75 * adult);
  // Ball, wings, and the shadow that they cast.
  d.glow(at(shadow * 2, y + 6, 0.1), half * 1.25, 5.5, skin.deep, 0.4);
  d.glow([tip[0] + shadow * 3.5, tip[1] + 1], half * 0.8, 6.5, skin.shade, 0.55);
  d.glow([tip[0], tip[1] + 1], half * 0.9, 7, skin.blush, 0.16 + 0.2 * traits.blush);
  for (const side of sides) {
    const wing = at(side * half, y - 2.5, 0.05);
    d.glow(wing, 4.2, 4.8, side === shadow ? skin.deep : skin.shade, 0.32);
    const from = (x: number, y: number): Point => [wing[0] + side * x, wing[1] + y];
    d.brush(bend(from(-0.5, -4), from(2.2, 2.5), from(-3, 4)), 1.3, skin.deep, 0.5);
    const nostril = at(side * half * 0.48, y + 1, 0.12);
    d.add("ellipse", {
      cx: nostril[0],
      cy: nostril[1],
      rx: half * 0.27,
      ry: 1.5,
      fill: shift(skin.deep, -0.1),
      opacity: 0.62,
      transform: `rotate(${side * -14} ${nostril[0].toFixed(1)} ${nostril[1].toFixed(1)})`,
    });
  }
  const [x, base] = at(0, y + 1, 0.12);
  const corner = (s: number): Point => [x + s * half * 0.45, base + 1.2];
  d.brush(bend(corner(-1), [x, base + 3.6], corner(1)), 1.2, skin.deep, 0.45);
  d.glow([tip[0] - shadow * 2.2, tip[1] - 1.5], 4, 3.6, lch(0.98, 0.01, 80), 0.42);
}
