/** Paints hair: the tufts of a style, those behind the head first, the others after the face. */
import { type Color, mix, shift } from "./color.ts";
import { smooth } from "./geometry.ts";
import { hairArrangements, type Style } from "./hair_styles.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing, Point } from "./svg.ts";
import type { Tuft } from "./tufts.ts";

/** Returns the tufts of the head's style. */
export function arrangeHair(head: Head, rng: Rng): Style {
  return hairArrangements[head.traits.hair.style](head, rng);
}

/** Draws the hair behind the neck and shoulders. */
export function drawHairBehind(d: Drawing, head: Head, style: Style, rng: Rng): void {
  for (const tuft of style.behind) drawTuft(d, head, tuft, rng);
}

/** Draws the hair that frames the face, and its shadow on the skin. */
export function drawHairFront(d: Drawing, head: Head, style: Style, rng: Rng): void {
  const shade = style.front.filter(({ opacity = 1 }) => opacity > 0.7);
  if (shade.length > 0) {
    d.group({ "clip-path": d.clip(smooth(head.outline, true)) }, () => {
      const away = head.traits.light.side < 0 ? 1 : -1;
      const steps = [1, 2.2, 3.4, 4.8, 6.4].map((y): Point => [away * y * 0.4, y]);
      for (const { outline } of shade) d.shadow(outline, head.skin.deep, 0.62, steps);
    });
  }
  for (const tuft of style.front) drawTuft(d, head, tuft, rng);
}

function drawTuft(d: Drawing, head: Head, tuft: Tuft, rng: Rng): void {
  const { hair, skull, traits } = head;
  const { tone = 0, opacity = 1, grain = 1 } = tuft;
  const base = shift(tuft.color ?? hair.base, tone);
  d.group(
    { opacity: opacity < 1 ? opacity : undefined, filter: tuft.blur && d.blur(tuft.blur) },
    () => {
      d.path(tuft.outline, {
        fill: d.linear([
          [0, shift(base, 0.015)],
          [0.35, base],
          [1, mix(base, hair.dark, tuft.color ? 0 : 0.55)],
        ], { gradientUnits: "userSpaceOnUse", x1: 0, y1: skull.y - skull.ry, x2: 0, y2: 95 }),
      });
      d.group({ "clip-path": d.clip(tuft.outline) }, () => {
        const inks: [Color, number, number][] = [
          [shift(hair.dark, tone), 1.5, 0.5],
          [shift(hair.dark, tone - 0.03), 0.8, 0.55],
          [shift(hair.light, tone), 0.9, 0.5],
          [shift(hair.light, tone + 0.05), 0.55, 0.45],
        ];
        const paths = inks.map(() => "");
        for (const strand of tuft.strands) paths[rng.int(inks.length)] += smooth(strand);
        for (const [i, [color, width, strength]] of inks.entries()) {
          if (paths[i]) d.line(paths[i], color, width, strength * grain);
        }
        for (const line of tuft.sheen ?? []) {
          d.brush(line, 5, shift(hair.light, 0.04), 0.16 * (0.4 + traits.light.strength));
        }
        if (tone > -0.02 && !tuft.color) {
          const { side, strength } = traits.light;
          const shine = 0.55 * strength * (0.5 + 0.5 * Math.abs(side));
          const place: Point = [24 * side, skull.y - skull.ry * 0.62];
          d.glow(place, 34, 17, shift(hair.light, 0.08), shine, 24 * side);
          d.glow([-52 * Math.sign(side), 0], 26, 60, hair.dark, 0.5 * strength);
        }
      });
    },
  );
}
