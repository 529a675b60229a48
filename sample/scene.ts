/** What surrounds a face: background, neck, clothes, glasses, earrings, and the light over all. */
import { type Colour, lch, mix, shift } from "./colour.ts";
import { bend, lerp, smooth } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../compute/random.ts";
import { type Drawing, pictureSize, type Point } from "./svg.ts";
import type { Traits } from "./traits.ts";

const white = lch(0.99, 0.004, 90);
const black = lch(0.1, 0.01, 60);

export function drawBackground(d: Drawing, { background, light }: Traits, rng: Rng): void {
  const { style, hue, lightness, chroma } = background;
  const base = lch(lightness, chroma, hue);
  const other = lch(lightness - 0.04, chroma, hue + 40);
  const whole = { x: 0, y: 0, width: pictureSize, height: pictureSize };
  const x = 0.5 + 0.25 * light.side;
  d.add("rect", {
    ...whole,
    fill: d.radial([[0, shift(base, 0.11)], [0.55, base], [1, shift(other, -0.16)]], {
      cx: x,
      cy: 0.36,
      r: 0.85,
    }),
  });
  const disc = (radius: number, colour: Colour, opacity: number, y = pictureSize * rng.next()) =>
    d.add("circle", {
      cx: pictureSize * rng.next(),
      cy: y,
      r: radius,
      fill: d.radial([[0, colour, 0.75], [0.8, colour, 0.9], [1, colour, 0]]),
      opacity,
    });
  const soft = (colour: Colour) =>
    d.linear([[0, colour, 0], [0.3, colour], [0.7, colour], [1, colour, 0]], {
      x1: 0,
      y1: 0,
      x2: 1,
      y2: 0,
    });
  switch (style) {
    case "studio":
      break;
    case "lights":
      for (let i = 0; i < 15; i++) {
        disc(
          7 + 15 * rng.next(),
          lch(lightness + 0.16, chroma + 0.05, hue + 70 * rng.normal()),
          0.12 + 0.3 * rng.next(),
        );
      }
      break;
    case "garden":
      d.add("rect", {
        ...whole,
        fill: d.linear([[0, lch(0.86, 0.045, 225), 0.85], [0.45, lch(0.78, 0.06, 140), 0.65], [
          1,
          lch(0.45, 0.06, 135),
          0.85,
        ]]),
        opacity: 0.8,
      });
      for (let i = 0; i < 22; i++) {
        disc(
          9 + 20 * rng.next(),
          lch(0.5 + 0.35 * rng.next(), 0.07, 105 + 35 * rng.next()),
          0.16 + 0.2 * rng.next(),
        );
      }
      break;
    case "window": {
      const left = light.side < 0 ? 0 : 150;
      for (let i = 0; i < 3; i++) {
        d.add("rect", {
          x: left + 38 * i - 12 + 6 * rng.next(),
          y: -10,
          width: 31,
          height: pictureSize + 20,
          fill: soft(shift(base, 0.2)),
          opacity: 0.6,
        });
      }
      break;
    }
    case "wall":
      for (let i = 0; i < 7; i++) {
        d.add("rect", {
          x: -10 + 42 * i + 8 * rng.normal(),
          y: -10,
          width: 26 + 26 * rng.next(),
          height: pictureSize + 20,
          fill: soft(
            lch(
              lightness + 0.16 * (rng.next() - 0.5),
              chroma + 0.02,
              hue + 80 * (rng.next() - 0.5),
            ),
          ),
          opacity: 0.55,
        });
      }
      break;
  }
}

/** Neck, shoulders and clothes; in the head's coordinates. */
export function drawBody(d: Drawing, head: Head): void {
  const { skin, neck, chin, traits } = head;
  const { light, growth, masculinity, clothing, sag } = traits;
  const wide = neck + 2.5 * sag;
  const slope = lerp(lerp(92, 104, growth), 99, growth * masculinity);
  const reach = lerp(78, 98, growth) + 22 * growth * (masculinity - 0.4);
  const trunk = (out: number, up: number): Point[] => [
    [0, 40],
    [wide, 40],
    [wide, chin + 10],
    [wide + 3 + out * 0.3, slope - 10 - up],
    [wide + 22 + out, slope - up],
    [reach - 16 + out, slope + 17 - up],
    [reach + out, slope + 60],
    [0, slope + 70],
  ];
  const mirror = (points: Point[]) => [
    ...points,
    ...points.slice(1, -1).map(([x, y]): Point => [-x, y]).reverse(),
  ];
  const body = smooth(mirror(trunk(0, 0)), true);
  const side = light.side < 0 ? 1 : -1;
  d.path(body, {
    fill: d.linear([
      [0.3, mix(skin.base, skin.shade, side < 0 ? 0.75 : 0.12)],
      [0.5, mix(skin.base, skin.shade, 0.3)],
      [0.7, mix(skin.base, skin.shade, side > 0 ? 0.75 : 0.12)],
    ], { x1: 0, y1: 0, x2: 1, y2: 0 }),
  });
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

  const cloth = lch(clothing.lightness, clothing.chroma, clothing.hue);
  const fill = d.linear([[0, shift(cloth, 0.05)], [1, shift(cloth, -0.1)]]);
  const fold = shift(cloth, -0.14);
  const dress = (neckline: readonly Point[], colour = fill) => {
    const right: Point[] = [
      [wide + 17, slope - 6],
      [reach + 4, slope + 11],
      [reach + 27, slope + 62],
    ];
    const outline = `${
      smooth([...right.map(([x, y]): Point => [-x, y]).reverse(), ...neckline, ...right])
    }L0 ${slope + 80}Z`;
    d.path(outline, { fill: colour });
    d.line(smooth(neckline), fold, 2.2, 0.55);
    d.line(smooth(neckline.map(([x, y]): Point => [x * 1.04, y + 3.5])), fold, 0.9, 0.5);
    for (const s of [-1, 1]) {
      d.line(
        smooth(
          bend([s * (reach - 22), slope + 12], [s * (reach - 30), slope + 28], [
            s * (reach - 22),
            slope + 60,
          ]),
        ),
        fold,
        3,
        0.3,
      );
    }
  };
  const scoop = (depth: number, width = wide + 8): Point[] =>
    bend([-width, slope - 7], [0, slope - 7 + depth * 2], [width, slope - 7], 9);
  switch (clothing.style) {
    case "tee":
      dress(scoop(lerp(7, 10, growth)));
      break;
    case "vneck":
      dress([[-wide - 8, slope - 7], [-14, slope + 10], [0, slope + 25], [14, slope + 10], [
        wide + 8,
        slope - 7,
      ]]);
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
      d.line(
        smooth(bend([-wide - 2, chin + 14], [0, chin + 30], [wide + 2, chin + 14])),
        fold,
        1.6,
        0.6,
      );
      d.line(
        smooth(bend([-wide - 7, slope - 3], [0, slope + 17], [wide + 7, slope - 3])),
        fold,
        1.2,
        0.5,
      );
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
      dress([[-wide - 7, slope - 8], [-9, slope + 8], [0, slope + 20], [9, slope + 8], [
        wide + 7,
        slope - 8,
      ]], plain);
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
          d.line(
            smooth([[s * (wide + 7), slope - 9], [s * 24, slope + 18], [s * 6, slope + 58]]),
            fold,
            1.4,
            0.8,
          );
          d.line(
            smooth([[s * (wide + 16), slope - 4], [s * 44, slope + 20], [s * 35, slope + 25], [
              s * 14,
              slope + 58,
            ]]),
            fold,
            1.1,
            0.55,
          );
        }
        d.path(
          `M${s * (wide + 3)} ${chin + 16}L${s * (wide + 11)} ${slope - 3}L${s * 21} ${
            slope + 16
          }L${s * 3} ${slope + 9}Z`,
          {
            fill: shift(shirt, 0.035),
            stroke: shift(shirt, -0.15),
            "stroke-width": 0.8,
            "stroke-linejoin": "round",
          },
        );
      }
      break;
    }
  }
}

export function drawGlasses(d: Drawing, head: Head, rng: Rng): void {
  const { traits, eyes, at, skull } = head;
  if (traits.glasses === "none") return;
  const frame = rng.next() < 0.6
    ? lch(0.2 + 0.15 * rng.next(), 0.03, 40)
    : lch(0.45 + 0.3 * rng.next(), 0.06, 360 * rng.next());
  const width = traits.glasses === "round" ? 1.6 : 1.5 + 1.3 * rng.next();
  const rx = eyes.half + 5.2;
  const ry = traits.glasses === "round" ? rx * 0.93 : rx * 0.72;
  for (const s of [-1, 1] as const) {
    const [cx, cy] = at(s * (eyes.x + 0.8), eyes.y + 2, 0.05);
    const corner = traits.glasses === "square" ? 0.9 : 0.76;
    const rim = traits.glasses === "round"
      ? Array.from(
        { length: 12 },
        (_, i): Point => [cx + rx * Math.cos(i * Math.PI / 6), cy + ry * Math.sin(i * Math.PI / 6)],
      )
      : ([
        [-1, -0.5],
        [-corner, -0.95],
        [0, -1.04],
        [corner, -0.98],
        [1.03, -0.55],
        [0.98, 0.25],
        [corner * 0.86, 0.9],
        [0, 1.02],
        [-corner * 0.86, 0.86],
        [-0.98, 0.25],
      ] as const)
        .map(([x, y]): Point => [cx + s * x * rx, cy + y * ry]);
    const path = smooth(rim, true);
    d.path(path, {
      fill: d.linear([[0, white, 0.2], [0.4, white, 0.03], [1, white, 0.1]], {
        x1: 0,
        y1: 0,
        x2: 1,
        y2: 1,
      }),
    });
    d.line(path, head.skin.deep, width, 0.22, { transform: "translate(0 2)" });
    d.line(path, frame, width);
    d.line(smooth(rim.slice(0, 5)), shift(frame, 0.25), width * 0.35, 0.6);
    const ear: Point = [s * (skull.rx + 1), eyes.y - 3];
    d.line(
      smooth([[cx + s * rx, cy - ry * 0.45], [(cx + s * rx + ear[0]) / 2, cy - ry * 0.5], ear]),
      frame,
      width * 0.9,
    );
  }
  const bridge = at(0, eyes.y, 0.15);
  const edge = (s: number) => at(s * (eyes.x + 0.8), eyes.y + 2, 0.05)[0] - s * rx;
  d.line(
    smooth(bend([edge(-1), bridge[1]], [bridge[0], bridge[1] - 5], [edge(1), bridge[1]])),
    frame,
    width,
  );
}

export function drawEarrings(d: Drawing, head: Head, hidden: boolean): void {
  const { traits, skull, nose } = head;
  if (traits.earrings === "none" || hidden) return;
  const metal = traits.strokes % 3 === 0 ? lch(0.86, 0.01, 250) : lch(0.8, 0.11, 85);
  for (const s of [-1, 1]) {
    const x = s * (skull.rx + 1) - traits.pose.yaw * 3;
    const y = nose.y + 2 + 3 * traits.sag;
    if (traits.earrings === "hoop") {
      d.add("ellipse", {
        cx: x,
        cy: y + 6,
        rx: 4,
        ry: 6.5,
        fill: "none",
        stroke: metal,
        "stroke-width": 1.5,
      });
    } else {
      const drop = traits.earrings === "drop" ? 8 : 0;
      if (drop) d.line(`M${x} ${y}v${drop}`, metal, 0.9);
      d.add("circle", {
        cx: x,
        cy: y + drop,
        r: drop ? 2.8 : 2.1,
        fill: d.radial([[0, shift(metal, 0.12)], [0.6, metal], [1, shift(metal, -0.25)]], {
          cx: 0.35,
          cy: 0.3,
          r: 0.8,
        }),
      });
    }
  }
}

/** Warmth, exposure and the darker corners of a photo. */
export function drawLight(d: Drawing, { light }: Traits): void {
  const whole = { x: 0, y: 0, width: pictureSize, height: pictureSize };
  const tint = light.warmth > 0 ? lch(0.75, 0.12, 70) : lch(0.7, 0.09, 245);
  d.add("rect", { ...whole, fill: tint, opacity: 0.09 * Math.abs(light.warmth) });
  d.add("rect", {
    ...whole,
    fill: light.exposure > 0 ? white : black,
    opacity: 0.3 * Math.abs(light.exposure),
    style: "mix-blend-mode:soft-light",
  });
  const cx = 0.5 + 0.32 * light.side;
  d.add("rect", {
    ...whole,
    fill: d.radial([[0, white, 0.45], [0.7, white, 0]], { cx, cy: 0.25, r: 0.8 }),
    style: "mix-blend-mode:soft-light",
  });
  d.add("rect", {
    ...whole,
    fill: d.radial([[0.55, black, 0], [1, black, 0.24]], { cx: 0.5, cy: 0.45, r: 0.78 }),
  });
}
