/**
 * An example of a detector of a plugin: takes the middle of all pixels with skin's colors for a face
 * (Jones and Rehg 1999). It is short, and has false positives such as wood.
 *
 * ```yaml
 * plugins: [./plugins/skinColour.ts]
 * stages:
 *   faceCrop: { detector: { use: skinColour, cell: 4 } }
 *   webcamServe: { detector: skinColour }
 * ```
 *
 * Workers, the service and `deno task predict` open it by its entry in preprocessing.json.
 */
import { z } from "zod";
import { defineDetector, pluginOptions } from "../faces/detection/detector.ts";

export default defineDetector({
  name: "skinColour",
  summary: "Take the middle of all pixels with skin's colors for a face",
  params: z.strictObject({
    ...pluginOptions.shape,
    cell: z.int().min(2).max(64).default(8).describe(
      "Side of a cell of the search grid, in pixels",
    ),
  }),
  open({ minConfidence, cell }) {
    return Promise.resolve({
      detect({ data, width, height }) {
        const xs: number[] = [], ys: number[] = [];
        for (let y = 0; y + cell <= height; y += cell) {
          for (let x = 0; x + cell <= width; x += cell) {
            const center = (y + cell / 2) * width + x + cell / 2;
            const [r, g, b] = data.subarray(center * 3);
            // The rule of Kovač, Peer and Solina (2003) for daylight.
            const wide = Math.max(r, g, b) - Math.min(r, g, b) > 15;
            if (r > 95 && g > 40 && b > 20 && wide && r - g > 15 && r > b) xs.push(x), ys.push(y);
          }
        }
        if (xs.length === 0) return Promise.resolve([]);
        const [across, down] = [span(xs, cell), span(ys, cell)];
        const box = { x: across.start, y: down.start, width: across.length, height: down.length };
        const score = Math.min(1, xs.length * cell * cell / (box.width * box.height)); // how full it is
        return Promise.resolve(score > minConfidence ? [{ box, score }] : []);
      },
      close() {},
    });
  },
});

/** Returns the start and the length of most cells along an axis: from the 5th to the 95th percentile. */
function span(starts: number[], cell: number): { start: number; length: number } {
  starts.sort((a, b) => a - b);
  const few = Math.floor(starts.length / 20), start = starts[few];
  return { start, length: starts[starts.length - 1 - few] + cell - start };
}
