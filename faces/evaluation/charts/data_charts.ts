/** Charts of the data. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import { colors, draw, inLabel } from "./draw.ts";

/** Renders a histogram of ages, in bins of five years. */
export function ageHistogram(
  ages: ArrayLike<number>,
  name: string,
  { color = colors.train as string, height = 210 } = {},
): Html {
  const data = Array.from(ages), bins = Map.groupBy(data, (age) => Math.floor(age / 5));
  const most = Math.max(1, ...bins.values().map(({ length }) => length));
  return draw(`Histogram of the ages ${name}`, {
    height,
    x: { label: "age, years", domain: [0, data.reduce((a, b) => Math.max(a, b + 1), 100)] },
    // More ticks than faces would be fractions.
    y: { label: "faces", grid: true, ticks: Math.min(height < 150 ? 3 : 5, most) },
    marks: bars(data, { interval: 5 }, color),
  });
}

/** Renders a histogram of a column of numbers. */
export function numberHistogram(numbers: readonly number[], column: string): Html {
  const whole = (n: number) => Number.isInteger(n) ? `${n}` : "";
  return draw(`Histogram of ${column}`, {
    height: 210,
    x: { label: inLabel(column) },
    y: { label: "rows", grid: true, ticks: 5, tickFormat: whole },
    marks: bars(numbers, { thresholds: 20 }, colors.train),
  });
}

/** Returns the bars of a histogram and their base line. */
function bars(
  numbers: readonly number[],
  bins: { interval: number } | { thresholds: number },
  fill: string,
) {
  const options = { x: (number: number) => number, ...bins, fill, inset: 0.5 };
  const counts = Plot.binX<Plot.RectYOptions>({ y: "count" }, options);
  return [Plot.rectY(numbers, counts), Plot.ruleY([0])];
}

/** Renders the share of women and men in each data set, as stacked bars. Every gender is known. */
export function genderShares(datasets: readonly { name: string; genders: ArrayLike<number> }[]) {
  const rows = [...datasets.keys()]; // a data set may be called as a split
  const parts = datasets.flatMap(({ name, genders }, row) => {
    const male = Array.from(genders).filter((gender) => gender === 1).length / genders.length;
    const part = (share: number, word: string, fill: string) => ({
      name,
      row,
      share,
      word,
      fill,
      text: `${Math.round(share * 100)} % ${word}`,
    });
    return [part(1 - male, "women", colors.female), part(male, "men", colors.male)];
  });
  return draw(parts.map(({ name, text }) => `${name}: ${text}`).join(", "), {
    height: 8 + 42 * datasets.length,
    marginLeft: 2,
    marginRight: 2,
    marginTop: 4,
    marginBottom: 4,
    x: { axis: null, domain: [0, 1] },
    y: { axis: null, domain: rows, padding: 0.5, align: 1 },
    marks: [
      Plot.barX(parts, { x: "share", y: "row", fill: "fill", inset: 0.5 }),
      Plot.text(rows, {
        x: () => 0,
        y: (row) => row,
        text: (row) => datasets[row].name,
        dy: -20,
        textAnchor: "start",
        fontWeight: "600",
        lineWidth: 28,
        textOverflow: "ellipsis",
      }),
      ...parts.map(({ row, word, text }) =>
        Plot.text([row], {
          x: word === "women" ? () => 0 : () => 1,
          y: (row) => row,
          text: () => text,
          textAnchor: word === "women" ? "start" : "end",
          dx: word === "women" ? 6 : -6,
          fill: colors.card,
        })
      ),
    ],
  });
}
