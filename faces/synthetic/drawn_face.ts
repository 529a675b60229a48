/** Draws a face as an SVG document. */
import { drawBeard } from "./beard.ts";
import { drawBody } from "./body.ts";
import { random } from "../../packages/random/random.ts";
import { drawEarrings, drawEyes, drawGlasses, drawMouth } from "./features.ts";
import { fixed } from "./geometry.ts";
import { arrangeHair, drawHairBehind, drawHairFront } from "./hair.ts";
import { measure } from "./head.ts";
import { drawBackground, drawLight } from "./scene.ts";
import { drawEars, drawFace } from "./skin.ts";
import { Drawing } from "./svg.ts";
import type { Traits } from "./traits.ts";

/**
 * Draws a face of `IMAGE_SIZE` square, from the chin to the hairline in its middle 1/1.8. The same
 * traits give the same text.
 */
export function faceSvg(traits: Traits): string {
  const d = new Drawing();
  const rng = (what: string) => random(traits.strokes, what);
  const head = measure(traits);
  const hair = arrangeHair(head, rng("hair"));
  const { x, y, scale, roll } = traits.pose;
  const place = (turn: number) => ({
    transform: `translate(${fixed([128 + x, 117 + y], 2)}) rotate(${turn.toFixed(2)} 0 60) ` +
      `scale(${scale.toFixed(3)})`,
  });

  drawBackground(d, traits, rng("background"));
  d.group(place(roll * 0.6), () => drawHairBehind(d, head, hair, rng("behind")));
  d.group(place(roll * 0.3), () => drawBody(d, head));
  d.group(place(roll), () => {
    drawEars(d, head);
    drawFace(d, head, rng("skin"));
    drawBeard(d, head, rng("beard"));
    drawMouth(d, head);
    drawEyes(d, head, rng("eyes"));
    drawEarrings(d, head, ["long", "fringe", "bob"].includes(traits.hair.style));
    drawGlasses(d, head, rng("glasses"));
    drawHairFront(d, head, hair, rng("front"));
  });
  drawLight(d, traits);
  return d.toString();
}
