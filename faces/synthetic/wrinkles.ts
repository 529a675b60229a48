/** Draws wrinkles: furrows, folds, bags, freckles and spots. */
import { bend, lerp } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing, Point } from "./svg.ts";

const sides = [-1, 1] as const;

/** Draws the lines of age, from none to all, on the forehead, around the eyes and the mouth. */
export function drawLines(d: Drawing, head: Head, rng: Rng): void {
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

/** Draws freckles, and age spots on temples and cheeks. */
export function drawMarks(d: Drawing, { traits, skin, at }: Head, rng: Rng): void {
  const count = Math.round(46 * traits.person.freckles);
  for (let i = 0; i < count; i++) {
    const place = at(19 * rng.normal(), 14 + 7 * rng.normal());
    d.circle(place, 0.4 + 0.6 * rng.next(), skin.deep, 0.18 + 0.3 * rng.next());
  }
  for (let i = 0; i < Math.round(13 * traits.spots); i++) {
    const side = rng.next() < 0.5 ? -1 : 1;
    const place = at(
      side * (22 + 26 * rng.next()),
      rng.pick([-45, -35, -25, 5, 15, 25, 35]) + 4 * rng.normal(),
    );
    d.glow(place, 1.2 + 2 * rng.next(), 1 + 1.6 * rng.next(), skin.deep, 0.25 + 0.25 * rng.next());
  }
}
