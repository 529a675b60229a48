/** The head: ears, the skin of the face in light and shade, the nose, wrinkles and freckles. */
import { lch, mix, shift } from "./color.ts";
import { bend, fixed, lerp, type Point, smooth } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing } from "./svg.ts";

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
    const [rose, lobe] = [0.3, 0.45].map((share) => mix(skin.base, skin.blush, share));
    const middle = skin.shaded(lit ? 0.2 : 0.6);
    d.path(smooth(outer, true), { fill: d.linear([[0, rose], [0.5, middle], [1, lobe]]) });
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
    fill: d.radial(
      [[0, skin.light], [0.42, skin.base], [0.78, skin.shaded(0.38)], [1, skin.shaded(0.85)]],
      { gradientUnits: "userSpaceOnUse", cx: faceX + 12 * light.side, cy: faceY - 8, r: 94 },
    ),
  });

  d.group({ "clip-path": d.clip(outline) }, () => {
    // The side away from the light.
    const dark = light.side < 0 ? 1 : -1;
    const shade = Math.abs(light.side) * light.strength;
    const across = dark < 0 ? { x1: 0, y1: 0, x2: 1, y2: 0 } : { x1: 1, y1: 0, x2: 0, y2: 0 };
    const fade = [[0.12, skin.deep, 0.62], [0.34, skin.shade, 0.5], [0.62, skin.shade, 0]] as const;
    d.rect(-70, -100, 140, 200, { fill: d.linear(fade, across), opacity: shade * 0.85 });
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
      transform: `rotate(${side * -14} ${fixed(nostril)})`,
    });
  }
  const [x, base] = at(0, y + 1, 0.12);
  const corner = (s: number): Point => [x + s * half * 0.45, base + 1.2];
  d.brush(bend(corner(-1), [x, base + 3.6], corner(1)), 1.2, skin.deep, 0.45);
  d.glow([tip[0] - shadow * 2.2, tip[1] - 1.5], 4, 3.6, lch(0.98, 0.01, 80), 0.42);
}

/** Draws the lines of age, from none to all, on the forehead, around the eyes and the mouth. */
function drawLines(d: Drawing, head: Head, rng: Rng): void {
  const { traits, at } = head;
  const jitter = (by: number) => by * (rng.next() - 0.5) * 2;
  /** Dark above, light below. */
  const furrow = (points: readonly Point[], width: number, opacity: number) => {
    if (opacity < 0.04) return;
    const below = points.map(([x, y]): Point => [x, y + width * 0.75]);
    d.brush(below, width, head.skin.light, opacity * 0.7);
    d.brush(points, width, head.skin.deep, opacity);
  };
  drawForehead(head, jitter, furrow);
  for (const side of sides) {
    /** A furrow along a curve whose x is towards this side. */
    const curve = (points: readonly Point[], width: number, opacity: number, count?: number) => {
      const [from, control, to] = points.map(([x, y]) => at(side * x, y));
      furrow(bend(from, control, to, count), width, opacity);
    };
    drawAroundEye(d, head, side, jitter, curve);
    drawFolds(d, head, side, curve);
  }
  // Above the upper lip.
  const { y } = head.mouth;
  for (const i of [-3, -2, -1, 1, 2, 3]) {
    const line = bend(at(i * 3.6, y - 10), at(i * 3.7, y - 8), at(i * 3.9 + jitter(0.5), y - 5), 4);
    furrow(line, 0.9, 0.5 * Math.max(0, traits.sag - 0.35));
  }
}

type Jitter = (by: number) => number;
type Furrow = (points: readonly Point[], width: number, opacity: number, count?: number) => void;

function drawForehead({ traits, at, hairline, brow }: Head, jitter: Jitter, furrow: Furrow): void {
  const { forehead } = traits;
  const lines = Math.round(1 + 3.4 * forehead);
  for (let i = 0; i < lines; i++) {
    const y = lerp(brow - 8, Math.max(hairline + 8, brow - 34), (i + 0.5) / lines) + jitter(1);
    const half = 25 + jitter(5) - 2 * i;
    const middle = at(jitter(3), y - 2.5 + jitter(1.5));
    const left = [at(-half, y + 1.5 + jitter(1)), at(-half / 2, y - 1)];
    const right = [at(half / 2, y - 1), at(half, y + 1.5 + jitter(1))];
    furrow([...left, middle, ...right], 1.1 + 1.1 * forehead, 0.66 * forehead);
  }
  for (const side of sides) {
    // Between the brows.
    const line = bend(at(side * 4.5, brow - 4), at(side * 3, brow + 3), at(side * 4.2, brow + 8));
    furrow(line, 1.4, 0.45 * forehead * forehead);
  }
}

function drawAroundEye(
  d: Drawing,
  { traits, eyes, at, skin }: Head,
  side: -1 | 1,
  jitter: Jitter,
  curve: Furrow,
): void {
  const { x, y, half } = eyes;
  // Crow's feet.
  for (let i = 0; i < 4; i++) {
    const angle = -24 + 19 * i + jitter(5);
    const [dx, dy] = [Math.cos(angle * Math.PI / 180), Math.sin(angle * Math.PI / 180)];
    const from = x + half + 2.5;
    const reach = 6 + 6 * traits.crowsFeet + jitter(2);
    const line: Point[] = [
      [from, y + 1 + 3.5 * dy],
      [from + reach * 0.5 * dx, y + 2 + (3.5 + reach * 0.5) * dy],
      [from + reach * dx, y + 1.5 + (4 + reach) * dy],
    ];
    curve(line, 1.2, 0.62 * traits.crowsFeet, 5);
  }
  // Bags under the eyes: a shade first, then a fold.
  const under = y + 9 + 2 * traits.bags;
  d.glow(at(side * (x - 1), under + 0.5), 13, 6, skin.deep, 0.06 + 0.5 * traits.bags);
  const bag: Point[] = [[x - 10, under - 3], [x - 1, under + 5], [x + 9.5, under - 1.5]];
  curve(bag, 1.5, 0.55 * traits.bags);
}

function drawFolds(
  d: Drawing,
  { traits, mouth, nose, at, skin, chin }: Head,
  side: -1 | 1,
  curve: Furrow,
): void {
  const { half, y } = mouth;
  // From the nose to the mouth's corners; a smile shows it in the young too.
  const fold = Math.max(traits.folds, 0.28 * Math.max(0, traits.smile) * traits.growth);
  const corner = half + 4.5;
  const cheek = at(side * (corner - 1.5), (nose.y + y) / 2 + 2);
  d.glow(cheek, 5.5, 15, skin.deep, 0.48 * fold, -side * 24);
  const end: Point = [corner + 0.5, y + 1 + 3 * fold];
  const nasal: Point[] = [[nose.half + 2, nose.y - 3], [corner + 1, nose.y + 7], end];
  curve(nasal, 1.2 + 1.1 * fold, 0.7 * fold);
  // Marionette lines and jowls.
  curve([[half + 1.5, y + 5], [half + 4, y + 11], [half + 2, y + 18]], 1.5, 0.5 * traits.sag);
  d.glow(at(side * 27, chin - 13), 9, 11, skin.deep, 0.42 * traits.sag, side * 25);
  d.glow(at(side * 33, chin - 22), 9, 9, skin.light, 0.35 * traits.sag);
  // Cheeks crease last.
  curve([[37, 18], [35, 30], [30, 42]], 1.2, 0.4 * Math.max(0, traits.folds - 0.55));
}

function drawMarks(d: Drawing, { traits, skin, at }: Head, rng: Rng): void {
  const count = Math.round(46 * traits.person.freckles);
  for (let i = 0; i < count; i++) {
    const place = at(19 * rng.normal(), 14 + 7 * rng.normal());
    d.circle(place, 0.4 + 0.6 * rng.next(), skin.deep, 0.18 + 0.3 * rng.next());
  }
  for (let i = 0; i < Math.round(13 * traits.spots); i++) {
    const side = rng.next() < 0.5 ? -1 : 1;
    const x = side * (22 + 26 * rng.next());
    const place = at(x, rng.pick([-45, -35, -25, 5, 15, 25, 35]) + 4 * rng.normal());
    d.glow(place, 1.2 + 2 * rng.next(), 1 + 1.6 * rng.next(), skin.deep, 0.25 + 0.25 * rng.next());
  }
}
