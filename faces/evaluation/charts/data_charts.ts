/** Charts of the data. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import { colors, draw } from "./draw.ts";

/** Renders a histogram of ages, in bins of five years. */
export function ageHistogram(
  ages: ArrayLike<number>,
  name: string,
  { color = colors.train as string, height = 210 } = {},
): Html {
  const data = Array.from(ages);
  return draw(`Histogram of the ages ${name}`, {
    height,
    x: { label: "age, years", domain: [0, data.reduce((a, b) => Math.max(a, b + 1), 100)] },
    y: { label: "faces", grid: true, ticks: height < 150 ? 3 : 5 },
    marks: [
      Plot.rectY(
        data,
        Plot.binX<Plot.RectYOptions>({ y: "count" }, {
          x: (age) => age,
          interval: 5,
          fill: color,
          inset: 0.5,
        }),
      ),
      Plot.ruleY([0]),
    ],
  });
}

/** Renders the share of women and men in each data set, as stacked bars. */
export function genderShares(
  datasets: readonly { name: string; genders: ArrayLike<number> }[],
): Html {
  const parts = datasets.flatMap(({ name, genders }, y) => {
    const male = Array.from(genders).filter((gender) => gender === 1).length / genders.length;
    return [
      { name, y, word: "women", from: 0, to: 1 - male, fill: colors.female },
      { name, y, word: "men", from: 1 - male, to: 1, fill: colors.male },
    ];
  });
  const share = ({ from, to }: { from: number; to: number }) => Math.round((to - from) * 100);
  return draw(parts.map((part) => `${part.name}: ${share(part)} % ${part.word}`).join(", "), {
    height: 20 + 62 * datasets.length,
    marginLeft: 2,
    marginRight: 2,
    marginTop: 4,
    marginBottom: 4,
    x: { axis: null, domain: [0, 1] },
    y: { axis: null, domain: [0, datasets.length] },
    marks: [
      Plot.rect(parts, {
        x1: "from",
        x2: "to",
        y1: ({ y }) => datasets.length - y - 0.4,
        y2: ({ y }) => datasets.length - y - 0.75,
        fill: "fill",
        inset: 0.5,
      }),
      Plot.text(parts.filter(({ word }) => word === "women"), {
        x: 0,
        y: ({ y }) => datasets.length - y - 0.22,
        text: "name",
        textAnchor: "start",
        fontWeight: "600",
        lineWidth: 28,
        textOverflow: "ellipsis",
      }),
      ...(["women", "men"] as const).map((word) =>
        Plot.text(parts.filter((part) => part.word === word), {
          x: word === "women" ? 0 : 1,
          y: ({ y }) => datasets.length - y - 0.9,
          text: (part) => `${share(part)} % ${word}`,
          textAnchor: word === "women" ? "start" : "end",
          fill: "fill",
        })
      ),
    ],
  });
}
