/** Learning curves. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import type { Curve } from "../report_data.ts";
import { colors, draw } from "./draw.ts";

/**
 * Renders a learning curve.
 * @param kept the epoch whose weights were kept, which is marked
 * @param stopped the epoch after which early stopping ended the training, if it did
 */
export function curves(
  epochs: Curve["points"],
  name: string,
  { kept, stopped }: { kept: number; stopped?: number },
): Html {
  const marks = [
    { epoch: kept, word: stopped === kept ? "kept, stopped" : "kept", dash: "2 3" },
    ...(stopped === undefined || stopped === kept
      ? []
      : [{ epoch: stopped, word: "stopped", dash: "6 3" }]),
  ];
  const last = epochs.at(-1)?.epoch ?? 1;
  const series = [["train", undefined], ["validation", "5 3"]] as const;
  // About ten integer ticks at most.
  const step = [1, 2, 5, 10, 20, 50, 100].find((n) => epochs.length / n <= 10) ?? 200;
  const ticks = epochs.map(({ epoch }) => epoch)
    .filter((epoch) => epoch % step === 0 || epochs.length === 1);
  const all = epochs.flatMap(({ train, validation }) => [train, validation]);
  return draw(`${name} by epoch on the training and validation set`, {
    // The words are above the curves, and the axis label above these.
    marginTop: 26 + 12 * marks.length,
    x: { label: "epoch", ticks, tickFormat: "d" },
    y: { label: name, grid: true, nice: true },
    marks: [
      ...marks.flatMap(({ epoch, word, dash }, i) => [
        Plot.ruleX([epoch], { stroke: colors.baseline, strokeDasharray: dash }),
        // In the right half, labels are left of their line, so they stay inside the chart.
        Plot.text([epoch], {
          x: (x) => x,
          text: () => word,
          frameAnchor: "top",
          lineAnchor: "bottom",
          textAnchor: epoch > last / 2 ? "end" : "start",
          dx: epoch > last / 2 ? -4 : 4,
          dy: -6 - 12 * i,
          fill: colors.baseline,
        }),
      ]),
      ...series.flatMap(([key, strokeDasharray]) => [
        Plot.line(epochs, {
          x: "epoch",
          y: key,
          stroke: colors[key],
          strokeWidth: 2,
          strokeDasharray,
        }),
        Plot.dot(epochs, {
          x: "epoch",
          y: key,
          fill: colors[key],
          r: epochs.length > 40 ? 0 : 2.5,
          title: ({ epoch, [key]: value }) => `epoch ${epoch}: ${value.toPrecision(4)}`,
        }),
      ]),
      all.some(Number.isFinite) ? null : Plot.text(["no finite value"], { frameAnchor: "middle" }),
    ],
  });
}
