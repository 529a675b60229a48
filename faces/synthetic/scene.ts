/** Background and light; and images without a face: landscapes and bowls of fruit. */
import { type Color, lch, mix, shift } from "./color.ts";
import { fixed, lerp, type Point, smooth, times } from "./geometry.ts";
import type { Rng } from "../../packages/random/random.ts";
import { Drawing, IMAGE_SIZE } from "./svg.ts";
import type { Traits } from "./traits.ts";

const white = lch(0.99, 0.004, 90);
const black = lch(0.1, 0.01, 60);

export function drawBackground(d: Drawing, { background, light }: Traits, rng: Rng): void {
  const { style, hue, lightness, chroma } = background;
  const base = lch(lightness, chroma, hue);
  const other = lch(lightness - 0.04, chroma, hue + 40);
  const stops = [[0, shift(base, 0.11)], [0.55, base], [1, shift(other, -0.16)]] as const;
  d.cover({ fill: d.radial(stops, { cx: 0.5 + 0.25 * light.side, cy: 0.36, r: 0.85 }) });
  const disc = (radius: number, color: Color, opacity: number, y = IMAGE_SIZE * rng.next()) =>
    d.add("circle", {
      cx: IMAGE_SIZE * rng.next(),
      cy: y,
      r: radius,
      fill: d.radial([[0, color, 0.75], [0.8, color, 0.9], [1, color, 0]]),
      opacity,
    });
  const stripe = (x: number, width: number, color: Color, opacity: number) => {
    const fill = d.across([[0, color, 0], [0.3, color], [0.7, color], [1, color, 0]]);
    d.rect(x, -10, width, IMAGE_SIZE + 20, { fill, opacity });
  };
  switch (style) {
    case "studio":
      break;
    case "lights":
      for (let i = 0; i < 15; i++) {
        const radius = 7 + 15 * rng.next();
        const color = lch(lightness + 0.16, chroma + 0.05, hue + 70 * rng.normal());
        disc(radius, color, 0.12 + 0.3 * rng.next());
      }
      break;
    case "garden": {
      const [sky, leaves, lawn] = [
        lch(0.86, 0.045, 225),
        lch(0.78, 0.06, 140),
        lch(0.45, 0.06, 135),
      ];
      const fill = d.linear([[0, sky, 0.85], [0.45, leaves, 0.65], [1, lawn, 0.85]]);
      d.cover({ fill, opacity: 0.8 });
      for (let i = 0; i < 22; i++) {
        const radius = 9 + 20 * rng.next();
        const color = lch(0.5 + 0.35 * rng.next(), 0.07, 105 + 35 * rng.next());
        disc(radius, color, 0.16 + 0.2 * rng.next());
      }
      break;
    }
    case "window": {
      const left = light.side < 0 ? 0 : 150;
      for (let i = 0; i < 3; i++) {
        stripe(left + 38 * i - 12 + 6 * rng.next(), 31, shift(base, 0.2), 0.6);
      }
      break;
    }
    case "wall":
      for (let i = 0; i < 7; i++) {
        const x = -10 + 42 * i + 8 * rng.normal(), width = 26 + 26 * rng.next();
        const light = lightness + 0.16 * (rng.next() - 0.5);
        stripe(x, width, lch(light, chroma + 0.02, hue + 80 * (rng.next() - 0.5)), 0.55);
      }
      break;
  }
}

export function drawLight(d: Drawing, { light }: Traits): void {
  const tint = light.warmth > 0 ? lch(0.75, 0.12, 70) : lch(0.7, 0.09, 245);
  d.cover({ fill: tint, opacity: 0.09 * Math.abs(light.warmth) });
  d.cover({
    fill: light.exposure > 0 ? white : black,
    opacity: 0.3 * Math.abs(light.exposure),
    style: "mix-blend-mode:soft-light",
  });
  const cx = 0.5 + 0.32 * light.side;
  d.cover({
    fill: d.radial([[0, white, 0.45], [0.7, white, 0]], { cx, cy: 0.25, r: 0.8 }),
    style: "mix-blend-mode:soft-light",
  });
  d.cover({ fill: d.radial([[0.55, black, 0], [1, black, 0.24]], { cx: 0.5, cy: 0.45, r: 0.78 }) });
}

/** Draws an image of `IMAGE_SIZE` square without a person. */
export function viewSvg(rng: Rng): string {
  const d = new Drawing();
  if (rng.next() < 0.6) drawLandscape(d, rng);
  else drawFruit(d, rng);
  return d.toString();
}

function drawLandscape(d: Drawing, rng: Rng): void {
  const evening = rng.next();
  const zenith = lch(lerp(0.72, 0.45, evening), 0.09, lerp(240, 285, evening));
  const glow = lch(0.9, lerp(0.03, 0.1, evening), lerp(210, 55, evening));
  d.cover({ fill: d.linear([[0, zenith], [0.7, glow]]) });
  const sun: Point = [40 + 176 * rng.next(), lerp(50, 125, evening)];
  d.glow(sun, 75, 75, lch(0.97, 0.05, 90), 0.8);
  d.circle(sun, 14, lch(0.97, 0.06, 92));
  for (let i = 0; i < 5; i++) {
    const [x, y] = [IMAGE_SIZE * rng.next(), 15 + 75 * rng.next()];
    d.glow([x, y], 34 + 30 * rng.next(), 5 + 6 * rng.next(), lch(0.98, 0.01, 80), 0.5);
  }
  const near = lch(0.36, 0.07, 100 + 60 * rng.next());
  for (let layer = 0; layer < 5; layer++) {
    const phase = 6.3 * rng.next();
    const height = 16 + 15 * rng.next();
    const hills = times(13, (i): Point => {
      const x = -12 + i * 24;
      const wave = height * Math.sin(phase + x / (70 - 6 * layer));
      return [x, 128 + layer * 27 - wave + 3 * rng.normal()];
    });
    const color = mix(mix(zenith, glow, 0.5), near, (layer + 1) / 5);
    d.path(`${smooth(hills)}L280 270L-20 270Z`, {
      fill: d.linear([[0, shift(color, 0.05)], [1, shift(color, -0.07)]]),
    });
  }
}

function drawFruit(d: Drawing, rng: Rng): void {
  const wall = lch(0.7 + 0.15 * rng.next(), 0.04, 360 * rng.next());
  d.cover({
    fill: d.radial([[0, shift(wall, 0.08)], [1, shift(wall, -0.2)]], { cx: 0.3, cy: 0.2, r: 1 }),
  });
  const table = lch(0.45, 0.06, 55);
  d.rect(0, 176, IMAGE_SIZE, IMAGE_SIZE, {
    fill: d.linear([[0, shift(table, 0.1)], [0.3, table], [1, shift(table, -0.1)]]),
  });
  d.glow([134, 214], 100, 16, lch(0.15, 0.02, 50), 0.7);
  const fruits = [
    lch(0.58, 0.19, 28),
    lch(0.75, 0.16, 62),
    lch(0.72, 0.17, 118),
    lch(0.84, 0.16, 95),
    lch(0.4, 0.12, 330),
  ];
  for (let i = 0; i < 10; i++) {
    const [spread, middle, height] = i < 4
      ? [40, 1.5, 128]
      : i < 8
      ? [34, 5.5, 145]
      : [30, 8.5, 112];
    const x = 128 + spread * (i - middle) + 4 * rng.normal();
    const y = height + 3 * rng.normal();
    const color = rng.pick(fruits);
    const r = 20 + 4 * rng.next();
    const stops = [[0, shift(color, 0.13, 0.8)], [0.5, color], [1, shift(color, -0.22)]] as const;
    d.circle([x, y], r, d.radial(stops, { cx: 0.36, cy: 0.3, r: 0.75 }));
    d.glow([x - r * 0.35, y - r * 0.4], r * 0.3, r * 0.22, lch(0.99, 0, 0), 0.7);
    d.line(`M${fixed([x, y - r * 0.85])}q2 -6 5 -8`, lch(0.35, 0.05, 70), 2);
  }
  const bowl = lch(0.85, 0.03, 360 * rng.next());
  const stops = [[0, shift(bowl, 0.05)], [0.4, bowl], [1, shift(bowl, -0.3)]] as const;
  d.path("M36 150C44 205 90 218 128 218S212 205 220 150C190 168 66 168 36 150Z", {
    fill: d.linear(stops, { x1: 0, y1: 0, x2: 1, y2: 0.4 }),
  });
}
