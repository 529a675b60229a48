/** Hair styles: the tufts of each. */
import { along, bend, lerp, ribbon, taper } from "./geometry.ts";
import type { Head } from "./head.ts";
import type { Rng } from "../../packages/random/random.ts";
import type { Point } from "./svg.ts";
import type { HairStyle } from "./traits.ts";
import { back, ball, bangs, parted, partOf, tail, tie } from "./loose_hair.ts";
import { arc, cap, curl, sides, type Tuft, volume } from "./tufts.ts";

/** A head's tufts: painted before the neck, and after the face. */
export interface Style {
  readonly behind: readonly Tuft[];
  readonly front: readonly Tuft[];
}

export const hairArrangements: Record<HairStyle, (head: Head, rng: Rng) => Style> = {
  long(head, rng) {
    const { length } = head.traits.hair;
    const tip = lerp(105, 170, length);
    return {
      behind: [back(head, rng, tip, 14)],
      front: parted(head, rng, {
        part: partOf(head),
        tip,
        cover: lerp(4, 12, rng.next()),
        flare: lerp(4, 12, rng.next()),
      }),
    };
  },
  fringe(head, rng) {
    const tip = lerp(80, 165, head.traits.hair.length);
    return {
      behind: [back(head, rng, tip, 10)],
      front: [
        ...parted(head, rng, { part: 0, tip, cover: lerp(5, 12, rng.next()), flare: 6 }),
        bangs(head, rng),
      ],
    };
  },
  bob(head, rng) {
    const tip = lerp(52, 84, head.traits.hair.length);
    const front = parted(head, rng, {
      part: partOf(head),
      tip,
      cover: lerp(5, 12, rng.next()),
      flare: 9,
      turnIn: 9,
    });
    return {
      behind: [back(head, rng, tip + 2, 6)],
      front: rng.next() < 0.35 ? [...front, bangs(head, rng)] : front,
    };
  },
  updo(head, rng) {
    const { top, side } = volume(head);
    const crown = head.skull.y - head.skull.ry - top;
    const high = rng.next() < 0.6;
    return {
      behind: high ? [ball(rng, [8 * rng.normal(), crown - 5], 19)] : [],
      front: [cap(head, rng, { top: top * 0.6, side: side * 0.4, rough: 0.4 })],
    };
  },
  ponytail(head, rng) {
    const { top, side } = volume(head);
    const s = rng.next() < 0.5 ? -1 : 1;
    const root: Point = [s * 22, head.skull.y - 44];
    const tip: Point = [s * lerp(66, 84, rng.next()), lerp(40, 90, rng.next())];
    const line = bend(root, [s * 96, -70], tip, 9);
    return {
      behind: [tail(head, rng, line, 34, -0.02)],
      front: [cap(head, rng, { top: top * 0.6, side: side * 0.4, sweep: 12 * s, rough: 0.4 })],
    };
  },
  pigtails(head, rng) {
    const drop = lerp(30, 85, head.traits.hair.length);
    const hue = 360 * rng.next();
    const y = lerp(-30, 5, rng.next());
    const x = head.skull.rx + 5;
    const both = [-1, 1] as const;
    return {
      behind: [
        ...both.map((s) => {
          const line = bend([s * (x - 4), y], [s * (x + 34), y + 4], [s * (x + 14), y + drop], 9);
          return tail(head, rng, line, 27);
        }),
        ...both.map((s) => tie([s * (x + 1), y], hue)),
      ],
      front: [
        ...parted(head, rng, { part: 0, tip: head.eyes.y + 2, cover: 0, flare: 1 }),
        ...(rng.next() < 0.5 ? [bangs(head, rng)] : []),
      ],
    };
  },
  sidePart(head, rng) {
    const part = (head.traits.hair.part < 0 ? -1 : 1) *
      lerp(16, 27, Math.abs(head.traits.hair.part));
    const tip = head.eyes.y + lerp(4, 14, head.traits.hair.length);
    return { behind: [], front: parted(head, rng, { part, tip, cover: -1, flare: 0, turnIn: 3 }) };
  },
  crop(head, rng) {
    const { top, side } = volume(head);
    const sweep = 30 * head.traits.hair.part;
    return { behind: [], front: [cap(head, rng, { top: top * 0.8, side: side * 0.6, sweep })] };
  },
  quiff(head, rng) {
    const { top, side } = volume(head);
    const lift = lerp(7, 13, head.traits.hair.length);
    return {
      behind: [],
      front: [
        ...sides(head, rng, 2, 0.6),
        cap(head, rng, {
          top: top + lift,
          side: side * 0.25,
          sweep: 26 * Math.sign(head.traits.hair.part),
        }),
      ],
    };
  },
  buzz(head, rng) {
    const tuft = cap(head, rng, { top: 1.6, side: 1.2, count: 150, rough: 0.2 });
    return { behind: [], front: [{ ...tuft, opacity: 0.78, blur: 0.8, grain: 0.7 }] };
  },
  curls(head, rng) {
    const { top, side } = volume(head);
    const grow = lerp(3, 13, head.traits.hair.length);
    const tuft = cap(head, rng, { top: top + grow, side: side + grow * 0.8, count: 0, rough: 2 });
    const strands = Array.from({ length: 190 }, () => {
      const angle = (-100 + 200 * rng.next()) * Math.PI / 180;
      const reach = 0.42 + 0.64 * rng.next();
      const x = (head.skull.rx + side + grow) * reach * Math.sin(angle);
      const y = head.skull.y - (head.skull.ry + top + grow) * reach * Math.cos(angle);
      const r = 2 + 2.6 * rng.next();
      const start = 6.3 * rng.next();
      return Array.from({ length: 6 }, (_, i): Point => [
        x + r * Math.cos(start + 0.8 * i),
        y + r * Math.sin(start + 0.8 * i),
      ]);
    });
    return { behind: [], front: [{ ...tuft, strands, grain: 1.1 }] };
  },
  ring(head, rng) {
    return { behind: [], front: sides(head, rng, lerp(3, 7, head.traits.hair.volume), 0) };
  },
  shaved(head, rng) {
    return {
      behind: [],
      front: [{
        ...cap(head, rng, { top: 0.2, side: 0.2, count: 0, rough: 0 }),
        opacity: 0.16,
        blur: 2.2,
      }],
    };
  },
  wisps(head, rng) {
    const { skull } = head;
    // A baby's down begins far back and thins out towards the ears.
    const rim = arc(head, 1, 0.8, -88, 88, 15);
    const line = Array.from({ length: 9 }, (_, i): Point => {
      const t = i / 4 - 1;
      return [t * skull.rx * 0.95, lerp(skull.y - skull.ry * 0.62, skull.y - 2, Math.abs(t) ** 3)];
    });
    const down = Array.from({ length: 70 }, () => {
      const u = rng.next();
      const [from, to] = [along(line, u), along(rim, u + 0.06 * rng.normal())];
      return curl(head, bend(from, [from[0] * 0.9, (from[1] + to[1]) / 2], to, 5), rng);
    });
    const top: Point = [5 * rng.normal(), skull.y - skull.ry + 1];
    const curls = Array.from({ length: 16 }, () => {
      const lean = rng.normal();
      const from: Point = [top[0] + 8 * rng.normal(), top[1] + 9 + 4 * rng.next()];
      const tip: Point = [top[0] + 13 * lean, top[1] + 1 + 4 * rng.next()];
      return taper(bend(from, [top[0] + 6 * lean, top[1] - 7], tip, 6), 1.8);
    });
    return {
      behind: [],
      front: [
        { outline: ribbon(rim, line), strands: down, opacity: 0.55, blur: 2.2, grain: 1.4 },
        { outline: curls.join(""), strands: [], opacity: 0.7 },
      ],
    };
  },
};
