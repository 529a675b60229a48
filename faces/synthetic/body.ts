/** Neck, shoulders and clothes; in the head's coordinates. */
import { lch, shift } from "./color.ts";
import { bend, lerp, type Point, smooth, symmetric } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Drawing } from "./svg.ts";

/** Half the neck's width, where the shoulders begin, and how far out they go. */
interface Frame {
  readonly wide: number;
  readonly slope: number;
  readonly reach: number;
}

export function drawBody(d: Drawing, head: Head): void {
  const { growth, masculinity, sag } = head.traits;
  const frame = {
    wide: head.neck + 2.5 * sag,
    slope: lerp(lerp(92, 104, growth), 99, growth * masculinity),
    reach: lerp(78, 98, growth) + 22 * growth * (masculinity - 0.4),
  };
  drawNeck(d, head, frame);
  drawClothes(d, head, frame);
}

function drawNeck(d: Drawing, head: Head, { wide, slope, reach }: Frame): void {
  const { skin, chin, traits } = head;
  const { light, growth, sag } = traits;
  const trunk: Point[] = [
    [0, 40],
    [wide, 40],
    [wide, chin + 10],
    [wide + 3, slope - 10],
    [wide + 22, slope],
    [reach - 16, slope + 17],
    [reach, slope + 60],
    [0, slope + 70],
  ];
  const body = smooth(symmetric(trunk), true);
  const side = light.side < 0 ? 1 : -1;
  const [left, right] = side < 0 ? [0.75, 0.12] : [0.12, 0.75];
  const shades = [[0.3, left], [0.5, 0.3], [0.7, right]] as const;
  d.path(body, { fill: d.across(shades.map(([place, share]) => [place, skin.shaded(share)])) });
  d.group({ "clip-path": d.clip(body) }, () => {
    // The chin's shadow, tendons, collarbones.
    const fall = [2, 4, 6, 8, 11, 14, 18, 22].map((y): Point => [0, y]);
    d.shadow(smooth(head.outline, true), skin.deep, 0.9, fall);
    for (const s of [-1, 1]) {
      d.glow([s * wide * 0.5, chin + 20], 4, 24, skin.deep, 0.14 + 0.3 * sag, s * 10);
      d.glow([s * 26, slope + 5], 22, 4, skin.shade, 0.5, s * -8);
      d.glow([s * 26, slope + 1], 22, 3.5, skin.light, 0.4, s * -8);
    }
    if (traits.person.gender === "male" && growth > 0.9) {
      d.glow([0, chin + 19], 5, 7, skin.light, 0.35);
    }
    d.glow([0, slope + 1], 6, 5, skin.deep, 0.25);
  });
}

function drawClothes(d: Drawing, head: Head, { wide, slope, reach }: Frame): void {
  const { chin, traits: { growth, clothing } } = head;
  const cloth = lch(clothing.lightness, clothing.chroma, clothing.hue);
  const fill = d.linear([[0, shift(cloth, 0.05)], [1, shift(cloth, -0.1)]]);
  const fold = shift(cloth, -0.14);
  const dress = (neckline: readonly Point[], color = fill) => {
    const right: Point[] = [
      [wide + 17, slope - 6],
      [reach + 4, slope + 11],
      [reach + 27, slope + 62],
    ];
    const left = right.map(([x, y]): Point => [-x, y]).reverse();
    d.path(`${smooth([...left, ...neckline, ...right])}L0 ${slope + 80}Z`, { fill: color });
    d.stroke(neckline, fold, 2.2, 0.55);
    d.stroke(neckline.map(([x, y]): Point => [x * 1.04, y + 3.5]), fold, 0.9, 0.5);
    for (const s of [-1, 1]) {
      const x = s * (reach - 22);
      const sleeve = bend([x, slope + 12], [s * (reach - 30), slope + 28], [x, slope + 60]);
      d.stroke(sleeve, fold, 3, 0.3);
    }
  };
  const scoop = (depth: number, width = wide + 8): Point[] =>
    bend([-width, slope - 7], [0, slope - 7 + depth * 2], [width, slope - 7], 9);
  const vee = (half: number, y: number, inner: number, low: number, tip: number) =>
    [[-half, y], [-inner, low], [0, tip], [inner, low], [half, y]] as const;
  switch (clothing.style) {
    case "tee":
      dress(scoop(lerp(7, 10, growth)));
      break;
    case "vneck":
      dress(vee(wide + 8, slope - 7, 14, slope + 10, slope + 25));
      break;
    case "turtleneck": {
      dress(scoop(3));
      const collar = smooth([
        [-wide - 3, chin + 14],
        [0, chin + 23],
        [wide + 3, chin + 14],
        [wide + 9, slope + 1],
        [0, slope + 14],
        [-wide - 9, slope + 1],
      ], true);
      d.path(collar, { fill });
      const crease = (half: number, y: number, low: number) =>
        bend([-half, y], [0, low], [half, y]);
      d.stroke(crease(wide + 2, chin + 14, chin + 30), fold, 1.6, 0.6);
      d.stroke(crease(wide + 7, slope - 3, slope + 17), fold, 1.2, 0.5);
      break;
    }
    case "hoodie": {
      dress(scoop(9));
      for (const s of [-1, 1]) {
        d.path(
          smooth([
            [s * (wide + 1), chin + 9],
            [s * (wide + 19), chin + 20],
            [s * (wide + 26), slope + 8],
            [s * 14, slope + 21],
            [s * (wide - 3), slope + 4],
          ], true),
          { fill: shift(cloth, -0.045) },
        );
        d.line(`M${s * 11} ${slope + 18}q${s * 2} 12 0 26`, shift(cloth, 0.2), 1.8, 0.9);
      }
      break;
    }
    case "collar":
    case "jacket": {
      const shirt = clothing.style === "jacket" ? lch(0.93, 0.015, clothing.hue + 180) : cloth;
      const plain = d.linear([[0, shift(shirt, 0.03)], [1, shift(shirt, -0.08)]]);
      dress(vee(wide + 7, slope - 8, 9, slope + 8, slope + 20), plain);
      d.line(`M0 ${slope + 20}V${slope + 70}`, shift(shirt, -0.14), 1.2, 0.6);
      for (const s of [-1, 1]) {
        if (clothing.style === "jacket") {
          const lapel: Point[] = [
            [s * (wide + 7), slope - 11],
            [s * (wide + 21), slope - 5],
            [s * (reach + 4), slope + 10],
            [s * (reach + 28), slope + 64],
            [s * 4, slope + 64],
            [s * 19, slope + 26],
          ];
          d.path(smooth(lapel, true), { fill });
          const along = (...points: Point[]) => points.map(([x, y]): Point => [s * x, slope + y]);
          d.stroke(along([wide + 7, -9], [24, 18], [6, 58]), fold, 1.4, 0.8);
          d.stroke(along([wide + 16, -4], [44, 20], [35, 25], [14, 58]), fold, 1.1, 0.55);
        }
        const top = `M${s * (wide + 3)} ${chin + 16}L${s * (wide + 11)} ${slope - 3}`;
        d.path(`${top}L${s * 21} ${slope + 16}L${s * 3} ${slope + 9}Z`, {
          fill: shift(shirt, 0.035),
          stroke: shift(shirt, -0.15),
          "stroke-width": 0.8,
          "stroke-linejoin": "round",
        });
      }
      break;
    }
  }
}
