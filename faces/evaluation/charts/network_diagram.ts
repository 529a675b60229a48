/** Diagram of a network: the shapes of its layers' outputs. */
import * as Plot from "@observablehq/plot";
import type { Html } from "../html.ts";
import type { Network } from "../describe_network.ts";
import { colors, draw } from "./draw.ts";

/** Maximum number of boxes that fit the width of a chart. */
const MAX_BOXES = 16;

/**
 * Renders the distinct shapes from input to output. Feature maps are boxes, height by spatial size
 * and width by channels; vectors are lines, height by length. Returns undefined for networks with
 * branches or with more shapes than fit.
 */
export function networkDiagram(network: Network): Html | undefined {
  const distinct = [network.input, ...network.layers.map(({ output }) => output)]
    .filter((shape, i, all) => shape !== all[i - 1]);
  if (distinct.length > MAX_BOXES || network.layers.some(({ from }) => from)) return undefined;
  let x = 0;
  const boxes = distinct.map((shape) => {
    const sizes = shape.split("×").map(Number);
    const flat = sizes.length === 1;
    const height = flat ? 8 * Math.log2(1 + sizes[0]) : 10 + 3 * sizes[0];
    const width = flat ? 5 : 4 + 2.2 * Math.sqrt(sizes.at(-1)!);
    const box = { from: x, to: x + width, height, name: shape, flat };
    x += width + 15;
    return box;
  });
  return draw(`From ${distinct[0]} to ${distinct.at(-1)} in ${network.layers.length} layers`, {
    height: 172,
    marginLeft: 30, // the first label hangs over to the left
    marginRight: 16,
    marginTop: 4,
    marginBottom: 4,
    x: { axis: null, domain: [0, x - 15] },
    y: { axis: null, domain: [-58, 112] },
    marks: [
      Plot.rect(boxes, {
        x1: "from",
        x2: "to",
        y1: ({ height }) => -height / 2 + 56,
        y2: ({ height }) => height / 2 + 56,
        fill: ({ flat }) => flat ? colors.validation : colors.train,
        fillOpacity: 0.85,
        rx: 1.5,
      }),
      Plot.text(boxes, {
        x: ({ from, to }) => (from + to) / 2,
        y: 0,
        text: "name",
        rotate: -50,
        textAnchor: "end",
        fontSize: 10,
      }),
    ],
  });
}
