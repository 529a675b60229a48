/** What the years write on a skin: furrows, folds, bags, freckles and spots. */
import { bend, lerp, taper } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing, Point } from "./svg.ts";

const sides = [-1, 1] as const;

/** Draws the lines of age, from none to all, on the forehead, around the eyes and the mouth. */
export function drawLines(d: Drawing, head: Head, rng: Rng): void {
  const jitter = (by: number) => by * (rng.next() - 0.5) * 2;
  drawForehead(d, head, jitter);
  for (const side of sides) {
    drawAroundEye(d, head, side, jitter);
    drawFolds(d, head, side);
  }
  drawLipLines(d, head, jitter);
}

type Jitter = (by: number) => number;

/** Dark above, light below: a furrow. */
function furrow(
  d: Drawing,
  head: Head,
  points: readonly Point[],
  width: number,
  opacity: number,
): void {
  if (opacity < 0.04) return;
  d.path(taper(points.map(([x, y]): Point => [x, y + width * 0.75]), width), {
    fill: head.skin.light,
    opacity: opacity * 0.7,
  });
  d.path(taper(points, width), { fill: head.skin.deep, opacity });
}

function drawForehead(d: Drawing, head: Head, jitter: Jitter): void {
  const { traits, at, hairline, brow } = head;
  const lines = Math.round(1 + 3.4 * traits.forehead);
  for (let i = 0; i < lines; i++) {
    const y = lerp(brow - 8, Math.max(hairline + 8, brow - 34), (i + 0.5) / lines) + jitter(1);
    const half = 25 + jitter(5) - 2 * i;
    const middle = at(jitter(3), y - 2.5 + jitter(1.5));
    furrow(
      d,
      head,
      [
        at(-half, y + 1.5 + jitter(1)),
        at(-half / 2, y - 1),
        middle,
        at(half / 2, y - 1),
        at(half, y + 1.5 + jitter(1)),
      ],
      1.1 + 1.1 * traits.forehead,
      0.66 * traits.forehead,
    );
  }
  for (const side of sides) {
    // Between the brows.
    furrow(
      d,
      head,
      bend(at(side * 4.5, brow - 4), at(side * 3, brow + 3), at(side * 4.2, brow + 8)),
      1.4,
      0.45 * traits.forehead * traits.forehead,
    );
  }
}

function drawAroundEye(d: Drawing, head: Head, side: -1 | 1, jitter: Jitter): void {
  const { traits, eyes, at, skin } = head;
  // Crow's feet.
  for (let i = 0; i < 4; i++) {
    const angle = -24 + 19 * i + jitter(5);
    const [dx, dy] = [Math.cos(angle * Math.PI / 180), Math.sin(angle * Math.PI / 180)];
    const x = eyes.x + eyes.half + 2.5;
    const reach = 6 + 6 * traits.crowsFeet + jitter(2);
    furrow(
      d,
      head,
      bend(
        at(side * x, eyes.y + 1 + 3.5 * dy),
        at(side * (x + reach * 0.5 * dx), eyes.y + 2 + (3.5 + reach * 0.5) * dy),
        at(side * (x + reach * dx), eyes.y + 1.5 + (4 + reach) * dy),
        5,
      ),
      1.2,
      0.62 * traits.crowsFeet,
    );
  }
  // Bags under the eyes: a shade first, then a fold.
  const under = eyes.y + 9 + 2 * traits.bags;
  d.glow(at(side * (eyes.x - 1), under + 0.5), 13, 6, skin.deep, 0.06 + 0.5 * traits.bags);
  furrow(
    d,
    head,
    bend(
      at(side * (eyes.x - 10), under - 3),
      at(side * (eyes.x - 1), under + 5),
      at(side * (eyes.x + 9.5), under - 1.5),
    ),
    1.5,
    0.55 * traits.bags,
  );
}

function drawFolds(d: Drawing, head: Head, side: -1 | 1): void {
  const { traits, mouth, nose, at, skin, chin } = head;
  // From the nose to the mouth's corners; a smile shows it in the young too.
  const fold = Math.max(traits.folds, 0.28 * Math.max(0, traits.smile) * traits.growth);
  const corner = mouth.half + 4.5;
  d.glow(
    at(side * (corner - 1.5), (nose.y + mouth.y) / 2 + 2),
    5.5,
    15,
    skin.deep,
    0.48 * fold,
    -side * 24,
  );
  furrow(
    d,
    head,
    bend(
      at(side * (nose.half + 2), nose.y - 3),
      at(side * (corner + 1), nose.y + 7),
      at(side * (corner + 0.5), mouth.y + 1 + 3 * fold),
    ),
    1.2 + 1.1 * fold,
    0.7 * fold,
  );
  // Marionette lines and jowls.
  furrow(
    d,
    head,
    bend(
      at(side * (mouth.half + 1.5), mouth.y + 5),
      at(side * (mouth.half + 4), mouth.y + 11),
      at(side * (mouth.half + 2), mouth.y + 18),
    ),
    1.5,
    0.5 * traits.sag,
  );
  d.glow(at(side * 27, chin - 13), 9, 11, skin.deep, 0.42 * traits.sag, side * 25);
  d.glow(at(side * 33, chin - 22), 9, 9, skin.light, 0.35 * traits.sag);
  // Cheeks crease last.
  furrow(
    d,
    head,
    bend(at(side * 37, 18), at(side * 35, 30), at(side * 30, 42)),
    1.2,
    0.4 * Math.max(0, traits.folds - 0.55),
  );
}

function drawLipLines(d: Drawing, head: Head, jitter: Jitter): void {
  const { traits, mouth, at } = head;
  for (let i = -3; i <= 3; i++) {
    if (i === 0) continue;
    furrow(
      d,
      head,
      bend(
        at(i * 3.6, mouth.y - 10),
        at(i * 3.7, mouth.y - 8),
        at(i * 3.9 + jitter(0.5), mouth.y - 5),
        4,
      ),
      0.9,
      0.5 * Math.max(0, traits.sag - 0.35),
    );
  }
}

/** Draws freckles, and the spots that come late. */
export function drawMarks(d: Drawing, head: Head, rng: Rng): void {
  drawFreckles(d, head, rng);
  drawSpots(d, head, rng);
}

function drawFreckles(d: Drawing, { traits, skin, at }: Head, rng: Rng): void {
  const count = Math.round(46 * traits.person.freckles);
  for (let i = 0; i < count; i++) {
    const [cx, cy] = at(19 * rng.normal(), 14 + 7 * rng.normal());
    d.add("circle", {
      cx,
      cy,
      r: 0.4 + 0.6 * rng.next(),
      fill: skin.deep,
      opacity: 0.18 + 0.3 * rng.next(),
    });
  }
}

/** Age spots, on temples and cheeks. */
function drawSpots(d: Drawing, { traits, skin, at }: Head, rng: Rng): void {
  const count = Math.round(13 * traits.spots);
  for (let i = 0; i < count; i++) {
    const side = rng.next() < 0.5 ? -1 : 1;
    const place = at(
      side * (22 + 26 * rng.next()),
      rng.pick([-45, -35, -25, 5, 15, 25, 35]) + 4 * rng.normal(),
    );
    d.glow(place, 1.2 + 2 * rng.next(), 1 + 1.6 * rng.next(), skin.deep, 0.25 + 0.25 * rng.next());
  }
}
