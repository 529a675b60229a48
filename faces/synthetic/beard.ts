/** Beards, from the shadow after shaving to a full one. */
import { type Color, lch, mix, shift } from "./color.ts";
import { along, bend, between, fixed, lerp, type Point, ribbon, smooth } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing } from "./svg.ts";

/** A tuft's two borders, in the same direction; hairs grow from the inner to the outer one. */
type Borders = readonly [outer: readonly Point[], inner: readonly Point[]];

export function drawBeard(d: Drawing, head: Head, rng: Rng): void {
  const { style, density } = head.traits.beard;
  if (density === 0) return;
  drawShadow(d, head, rng);
  if (style === "none" || style === "stubble") return;
  const length = lerp(2, 9, rng.next()) * density;
  const tufts = [moustache(head)];
  if (style === "goatee") tufts.push(goatee(head, length));
  if (style === "full") tufts.push(fullBeard(head, length));
  for (const tuft of tufts) {
    const opacity = lerp(0.7, 0.95, density);
    d.path(ribbon(...tuft), { fill: head.hair.base, opacity, filter: d.blur(1.1) });
    strokes(d, head, rng, tuft);
  }
}

function drawShadow(d: Drawing, head: Head, rng: Rng): void {
  const { traits, mouth, nose, chin, hair, skin, at, skull } = head;
  const { style, density } = traits.beard;
  // The jaw from ear to ear, around the mouth; the lips are drawn over it.
  const side = (s: number): Point[] => [
    [s * (skull.rx + 1), 8],
    [s * (skull.rx - 6), 16],
    at(s * 40, mouth.y - 13),
    at(s * 27, mouth.y - 8),
    at(s * 15, nose.y + 5.5),
  ];
  const rim: Point[] = [[-skull.rx - 3, 50], [-40, chin + 6], [0, chin + 12], [40, chin + 6]];
  const jaw = [...side(1), at(0, nose.y + 7), ...side(-1).reverse(), ...rim];
  jaw.push([skull.rx + 3, 50]);
  const color = mix(mix(hair.brow, lch(0.4, 0.02, 250), 0.3), skin.shade, 0.2);
  d.group({ "clip-path": d.clip(smooth(head.outline, true)) }, () => {
    const opacity = density * (style === "none" ? 0.38 : style === "stubble" ? 0.62 : 0.34);
    d.path(smooth(jaw, true), { fill: color, filter: d.blur(4), opacity });
    if (style === "stubble") drawStubble(d, head, rng, color);
  });
}

function moustache({ traits, mouth, nose, at }: Head): Borders {
  const corner = mouth.y + 2 - 3.6 * traits.smile;
  const both = (middle: number, ...half: Point[]) =>
    [...half.map(([x, y]): Point => [-x, y]).reverse(), [0, middle] as const, ...half]
      .map(([x, y]) => at(x, y));
  return [
    both(
      nose.y + 7,
      [mouth.half * 0.4, nose.y + 4.4],
      [mouth.half * 0.8, mouth.y - 6.9],
      [mouth.half + 3, corner + 1],
    ),
    both(
      mouth.y - 2.6,
      [mouth.half * 0.25, mouth.y - 3.4],
      [mouth.half * 0.7, mouth.y - 3.5 - 2 * traits.smile],
      [mouth.half + 2, corner + 0.5],
    ),
  ];
}

function goatee({ mouth, chin, at }: Head, length: number): Borders {
  const under = mouth.y + 7;
  const arch = (half: number, y: number, control: number, tip: number, middle: number) => [
    ...bend(at(-half, y), at(-control, tip), at(0, middle), 5),
    ...bend(at(0, middle), at(control, tip), at(half, y), 5).slice(1),
  ];
  return [
    arch(mouth.half + 3, mouth.y, 12, chin + 4 + length, chin + 2 + length),
    arch(mouth.half - 2, mouth.y + 3, 8, under + 6, under + 3),
  ];
}

/** From ear to ear, around the mouth. */
function fullBeard({ outline, mouth, chin, at, skull }: Head, length: number): Borders {
  const rim = outline.filter(([x, y]) => x > 0 && y > 12).map(([x, y]): Point => [x + 1.5, y]);
  const right: Point[] = [
    [skull.rx + 0.5, 2],
    ...rim.map(([x, y]): Point => [x, y + length * Math.max(0, (y - 20) / 60)]),
    [0, chin + length],
  ];
  const inside: Point[] = [
    [skull.rx - 5, 2],
    [skull.rx - 8, 14],
    [skull.rx - 12, 25],
    at(36, mouth.y - 12),
    at(mouth.half + 8, mouth.y - 9),
    at(mouth.half + 3, mouth.y - 2),
    at(mouth.half - 1, mouth.y + 6),
    at(0, mouth.y + 10),
  ];
  const inner = right.map((_, i) => along(inside, i / (right.length - 1)));
  const whole = (half: Point[], mirrored: Point[]) => [...half, ...mirrored.slice(0, -1).reverse()];
  const flip = ([x, y]: Point): Point => [-x, y];
  const flipInside = ([x, y]: Point): Point => {
    // The turned face is not symmetric: mirror around its moved middle.
    const middle = at(0, y)[0];
    return Math.abs(x) > 36 ? [-x, y] : [2 * middle - x, y];
  };
  return [whole(right, right.map(flip)), whole(inner, inner.map(flipInside))];
}

function drawStubble(d: Drawing, head: Head, rng: Rng, color: Color): void {
  let dots = "";
  for (let i = 0; i < 240; i++) {
    const angle = Math.PI * rng.next();
    const radius = Math.sqrt(0.16 + 0.8 * rng.next());
    const x = Math.cos(angle) * 48 * radius;
    const y = 26 + Math.sin(angle) * (head.chin - 27) * radius;
    dots += `M${fixed(head.at(x, y))}l.3 .9`;
  }
  d.line(dots, shift(color, -0.08), 0.6, 0.42 * head.traits.beard.density);
}

/** Short hairs from the inner border of a beard to its outer one. */
function strokes(d: Drawing, head: Head, rng: Rng, [outer, inner]: Borders): void {
  for (const [color, opacity] of [[head.hair.dark, 0.5], [head.hair.light, 0.35]] as const) {
    let path = "";
    for (let i = 0; i < 70; i++) {
      const place = rng.next(), from = 0.75 * rng.next();
      const [root, rim] = [along(inner, place), along(outer, place)];
      const [x, y] = between(root, rim, from + 0.3);
      path += `M${fixed(between(root, rim, from))}L${fixed([x, y + 1])}`;
    }
    d.line(path, color, 0.8, opacity);
  }
}
