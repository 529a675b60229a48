/** Mouth and teeth. */
import { lch, mix, shift } from "./color.ts";
import { lerp, ribbon } from "./geometry.ts";
import type { Head } from "./head.ts";
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
  const line = (far: Point, near: Point, middle: number): Point[] => {
    const side = (s: number) => [far, near].map(([x, dy]) => at(s * half * x, y + dy));
    return [left, ...side(-1), at(0, y + middle), ...side(1).reverse(), right];
  };
  const top = line([0.55, -upper * 0.62 - rise * 0.35], [0.2, -upper], -upper * 0.72);
  const meet = (open: number) => line([0.55, open * 0.75 - rise * 0.32], [0.2, open], open + 0.7);
  const bottom = line(
    [0.62, gap * 0.8 + lower * 0.62 - rise * 0.25],
    [0.25, gap + lower * 0.96],
    gap + lower,
  );

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
        fill: d.across(
          [[0, shift(tooth, -0.28)], [0.22, tooth], [0.78, tooth], [1, shift(tooth, -0.28)]],
        ),
      });
      d.path(ribbon(meet(-1), meet(0.8)), { fill: lch(0.3, 0.05, 20), opacity: 0.3 });
    });
  } else {
    d.brush(meet(0.1), 1.9, mix(skin.deep, lch(0.25, 0.07, 20), 0.6), 0.85);
  }
  for (const [x, cy] of [left, right]) d.glow([x, cy + 0.5], 3.4, 2.8, skin.deep, 0.5);
  const shine = at(-1.5 * Math.sign(-traits.light.side), y + gap + lower * 0.5);
  d.glow(shine, half * 0.36, 1.8, lch(0.98, 0.01, 60), 0.28 + 0.35 * traits.lipTint);
}
