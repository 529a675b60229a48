/** Glasses and earrings. */
import { lch, shift } from "./color.ts";
import { bend, smooth } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Drawing, Point } from "./svg.ts";

const white = lch(0.99, 0.004, 90);

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
    const shine = [[0, white, 0.2], [0.4, white, 0.03], [1, white, 0.1]] as const;
    d.path(path, { fill: d.linear(shine, { x1: 0, y1: 0, x2: 1, y2: 1 }) });
    d.line(path, head.skin.deep, width, 0.22, { transform: "translate(0 2)" });
    d.line(path, frame, width);
    d.stroke(rim.slice(0, 5), shift(frame, 0.25), width * 0.35, 0.6);
    const ear: Point = [s * (skull.rx + 1), eyes.y - 3];
    const temple: Point = [cx + s * rx, cy - ry * 0.45];
    d.stroke([temple, [(cx + s * rx + ear[0]) / 2, cy - ry * 0.5], ear], frame, width * 0.9);
  }
  const bridge = at(0, eyes.y, 0.15);
  const edge = (s: number) => at(s * (eyes.x + 0.8), eyes.y + 2, 0.05)[0] - s * rx;
  const [x, y] = bridge;
  d.stroke(bend([edge(-1), y], [x, y - 5], [edge(1), y]), frame, width);
}

export function drawEarrings(d: Drawing, head: Head, hidden: boolean): void {
  const { traits, skull, nose } = head;
  if (traits.earrings === "none" || hidden) return;
  const metal = traits.strokes % 3 === 0 ? lch(0.86, 0.01, 250) : lch(0.8, 0.11, 85);
  for (const s of [-1, 1]) {
    const x = s * (skull.rx + 1) - traits.pose.yaw * 3;
    const y = nose.y + 2 + 3 * traits.sag;
    if (traits.earrings === "hoop") {
      const place = { cx: x, cy: y + 6, rx: 4, ry: 6.5 };
      d.add("ellipse", { ...place, fill: "none", stroke: metal, "stroke-width": 1.5 });
    } else {
      const drop = traits.earrings === "drop" ? 8 : 0;
      if (drop) d.line(`M${x} ${y}v${drop}`, metal, 0.9);
      const stops = [[0, shift(metal, 0.12)], [0.6, metal], [1, shift(metal, -0.25)]] as const;
      d.circle([x, y + drop], drop ? 2.8 : 2.1, d.radial(stops, { cx: 0.35, cy: 0.3, r: 0.8 }));
    }
  }
}
