/** Background and light. */
import { type Color, lch, shift } from "./color.ts";
import type { Rng } from "../../packages/random/random.ts";
import { type Drawing, IMAGE_SIZE } from "./svg.ts";
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
    case "garden":
      d.cover({
        fill: d.linear([
          [0, lch(0.86, 0.045, 225), 0.85],
          [0.45, lch(0.78, 0.06, 140), 0.65],
          [1, lch(0.45, 0.06, 135), 0.85],
        ]),
        opacity: 0.8,
      });
      for (let i = 0; i < 22; i++) {
        const radius = 9 + 20 * rng.next();
        const color = lch(0.5 + 0.35 * rng.next(), 0.07, 105 + 35 * rng.next());
        disc(radius, color, 0.16 + 0.2 * rng.next());
      }
      break;
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

/** Draws warmth, exposure and the darker corners of a photo. */
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
