/** Mouth and beard. */
import { lch, mix, shift } from "./colour.ts";
import { bend, lerp, ribbon, smooth, taper } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../compute/random.ts";
import type { Drawing, Point } from "./svg.ts";

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
  const line = (
    inside: readonly Point[],
  ): Point[] => [left, ...inside.map(([x, dy]) => at(x, y + dy)), right];
  const top = line([
    [-half * 0.55, -upper * 0.62 - rise * 0.35],
    [-half * 0.2, -upper],
    [0, -upper * 0.72],
    [half * 0.2, -upper],
    [half * 0.55, -upper * 0.62 - rise * 0.35],
  ]);
  const meet = (open: number) =>
    line([
      [-half * 0.55, open * 0.75 - rise * 0.32],
      [-half * 0.2, open],
      [0, open + 0.7],
      [half * 0.2, open],
      [half * 0.55, open * 0.75 - rise * 0.32],
    ]);
  const bottom = line([
    [-half * 0.62, gap * 0.8 + lower * 0.62 - rise * 0.25],
    [-half * 0.25, gap + lower * 0.96],
    [0, gap + lower],
    [half * 0.25, gap + lower * 0.96],
    [half * 0.62, gap * 0.8 + lower * 0.62 - rise * 0.25],
  ]);

  const rouge = lch(lerp(0.52, 0.36, person.tone), lerp(0.16, 0.12, person.tone), 18);
  const lip = mix(skin.lip, rouge, traits.lipTint);
  const soft = lerp(0.72, 1, traits.lipTint) * lerp(0.8, 1, 1 - m);
  d.path(ribbon(top, meet(0)), {
    fill: d.linear([[0, mix(lip, skin.base, 0.25)], [1, shift(lip, -0.07)]]),
    opacity: soft,
  });
  d.path(ribbon(meet(gap), bottom), {
    fill: d.linear([[0, lip], [0.45, shift(lip, 0.05)], [1, mix(lip, skin.base, 0.4)]]),
    opacity: soft,
  });
  if (gap > 0) {
    const open = ribbon(meet(-0.2), meet(gap));
    d.path(open, { fill: lch(0.28, 0.07, 20) });
    d.group({ "clip-path": d.clip(open) }, () => {
      const teeth = ribbon(meet(-0.4), meet(gap * 0.78));
      d.path(teeth, {
        fill: d.linear(
          [[0, shift(tooth, -0.28)], [0.22, tooth], [0.78, tooth], [1, shift(tooth, -0.28)]],
          { x1: 0, y1: 0, x2: 1, y2: 0 },
        ),
      });
      d.path(ribbon(meet(-1), meet(0.8)), { fill: lch(0.3, 0.05, 20), opacity: 0.3 });
    });
  } else {
    d.path(taper(meet(0.1), 1.9), {
      fill: mix(skin.deep, lch(0.25, 0.07, 20), 0.6),
      opacity: 0.85,
    });
  }
  for (const [x, cy] of [left, right]) d.glow([x, cy + 0.5], 3.4, 2.8, skin.deep, 0.5);
  const shine = at(-1.5 * Math.sign(-traits.light.side), y + gap + lower * 0.5);
  d.glow(shine, half * 0.36, 1.8, lch(0.98, 0.01, 60), 0.28 + 0.35 * traits.lipTint);
}

export function drawBeard(d: Drawing, head: Head, rng: Rng): void {
  const { traits, mouth, nose, chin, hair, skin, at, skull } = head;
  const { style, density } = traits.beard;
  if (density === 0) return;
  const face = d.clip(smooth(head.outline, true));
  const under = mouth.y + 7;
  // The jaw from ear to ear, around the mouth; the lips are drawn over it.
  const jaw: Point[] = [
    [skull.rx + 1, 8],
    [skull.rx - 6, 16],
    at(40, mouth.y - 13),
    at(27, mouth.y - 8),
    at(15, nose.y + 5.5),
    at(0, nose.y + 7),
    at(-15, nose.y + 5.5),
    at(-27, mouth.y - 8),
    at(-40, mouth.y - 13),
    [-skull.rx + 6, 16],
    [-skull.rx - 1, 8],
    [-skull.rx - 3, 50],
    [-40, chin + 6],
    [0, chin + 12],
    [40, chin + 6],
    [skull.rx + 3, 50],
  ];
  const shadow = mix(mix(hair.brow, lch(0.4, 0.02, 250), 0.3), skin.shade, 0.2);
  d.group({ "clip-path": face }, () => {
    d.path(smooth(jaw, true), {
      fill: shadow,
      filter: d.blur(4),
      opacity: density * (style === "none" ? 0.32 : style === "stubble" ? 0.58 : 0.3),
    });
    if (style === "stubble") drawStubble(d, head, rng, shadow);
  });
  if (style === "none" || style === "stubble") return;

  const length = lerp(2, 9, rng.next()) * density;
  const moustache = (grow: number): Point[] => [
    at(-mouth.half - 2 - grow, mouth.y + 2 - 3.6 * traits.smile + grow),
    at(-mouth.half * 0.8, mouth.y - 6.5 - grow * 0.4),
    at(-mouth.half * 0.4, nose.y + 4.4),
    at(0, nose.y + 7),
    at(mouth.half * 0.4, nose.y + 4.4),
    at(mouth.half * 0.8, mouth.y - 6.5 - grow * 0.4),
    at(mouth.half + 2 + grow, mouth.y + 2 - 3.6 * traits.smile + grow),
  ];
  const lipline = [
    at(-mouth.half - 2, mouth.y + 2.5 - 3.6 * traits.smile),
    at(-mouth.half * 0.7, mouth.y - 3.5 - 2 * traits.smile),
    at(-mouth.half * 0.25, mouth.y - 3.4),
    at(0, mouth.y - 2.6),
    at(mouth.half * 0.25, mouth.y - 3.4),
    at(mouth.half * 0.7, mouth.y - 3.5 - 2 * traits.smile),
    at(mouth.half + 2, mouth.y + 2.5 - 3.6 * traits.smile),
  ];
  const opacity = lerp(0.7, 0.95, density);
  const tuft = (outer: readonly Point[], inner: readonly Point[]) => {
    d.path(ribbon(outer, inner), { fill: hair.base, opacity, filter: d.blur(1.1) });
    strokes(d, head, rng, outer, inner);
  };
  tuft(moustache(1), lipline);
  if (style === "goatee") {
    const outer = bend(
      at(-mouth.half - 3, mouth.y),
      at(-12, chin + 4 + length),
      at(0, chin + 2 + length),
      5,
    )
      .concat(
        bend(at(0, chin + 2 + length), at(12, chin + 4 + length), at(mouth.half + 3, mouth.y), 5)
          .slice(1),
      );
    const inner = bend(at(-mouth.half + 2, mouth.y + 3), at(-8, under + 6), at(0, under + 3), 5)
      .concat(
        bend(at(0, under + 3), at(8, under + 6), at(mouth.half - 2, mouth.y + 3), 5).slice(1),
      );
    tuft(outer, inner);
  } else if (style === "full") {
    const rim = head.outline.filter(([x, y]) => x > 0 && y > 12).map((
      [x, y],
    ): Point => [x + 1.5, y]);
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
      at(0, under + 3),
    ];
    const steps = right.length;
    const inner = Array.from({ length: steps }, (_, i): Point => {
      const place = i / (steps - 1) * (inside.length - 1);
      const low = Math.min(Math.floor(place), inside.length - 2);
      const [p, q] = [inside[low], inside[low + 1]];
      return [p[0] + (q[0] - p[0]) * (place - low), p[1] + (q[1] - p[1]) * (place - low)];
    });
    const whole = (half: readonly Point[], mirrored: readonly Point[]) => [
      ...half,
      ...[...mirrored].slice(0, -1).reverse(),
    ];
    const flip = ([x, y]: Point): Point => [-x, y];
    const flipInside = ([x, y]: Point): Point => {
      // The face's turn is not symmetric: mirror around where the middle has gone.
      const middle = at(0, y)[0];
      return Math.abs(x) > 36 ? [-x, y] : [2 * middle - x, y];
    };
    tuft(whole(right, right.map(flip)), whole(inner, inner.map(flipInside)));
  }
}

function drawStubble(d: Drawing, head: Head, rng: Rng, colour: ReturnType<typeof lch>): void {
  let dots = "";
  for (let i = 0; i < 240; i++) {
    const angle = Math.PI * rng.next();
    const radius = Math.sqrt(0.16 + 0.8 * rng.next());
    const x = Math.cos(angle) * 48 * radius;
    const y = 26 + Math.sin(angle) * (head.chin - 27) * radius;
    const [px, py] = head.at(x, y);
    dots += `M${px.toFixed(1)} ${py.toFixed(1)}l.3 .9`;
  }
  d.line(dots, shift(colour, -0.08), 0.6, 0.42 * head.traits.beard.density);
}

/** Short hairs from the inner border of a beard to its outer one. */
function strokes(
  d: Drawing,
  head: Head,
  rng: Rng,
  outer: readonly Point[],
  inner: readonly Point[],
): void {
  for (const [colour, opacity] of [[head.hair.dark, 0.5], [head.hair.light, 0.35]] as const) {
    let path = "";
    for (let i = 0; i < 70; i++) {
      const t = rng.next() * (outer.length - 1);
      const low = Math.min(Math.floor(t), outer.length - 2);
      const blend = (line: readonly Point[], k: number): number =>
        line[low][k] + (line[low + 1][k] - line[low][k]) * (t - low);
      const from = 0.75 * rng.next();
      const to = from + 0.3;
      const x = (s: number) => blend(inner, 0) + (blend(outer, 0) - blend(inner, 0)) * s;
      const y = (s: number) => blend(inner, 1) + (blend(outer, 1) - blend(inner, 1)) * s;
      path += `M${x(from).toFixed(1)} ${y(from).toFixed(1)}L${x(to).toFixed(1)} ${
        (y(to) + 1).toFixed(1)
      }`;
    }
    d.line(path, colour, 0.8, opacity);
  }
}
