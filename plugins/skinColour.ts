/**
 * An example of a detector of a plugin: takes the largest patch of skin's colors for a face (Jones and
 * Rehg 1999). It is short, and has false positives such as wood.
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
  summary: "Take the largest patch of skin's colors for a face",
  params: z.strictObject({
    ...pluginOptions.shape,
    cell: z.int().min(2).max(64).default(8).describe(
      "Side of a cell of the search grid, in pixels",
    ),
  }),
  open({ minConfidence, cell }) {
    return Promise.resolve({
      detect({ data, width, height }) {
        const columns = Math.floor(width / cell), rows = Math.floor(height / cell);
        const skin = new Uint8Array(columns * rows);
        for (let i = 0; i < skin.length; i++) {
          const x = i % columns * cell + cell / 2, y = Math.floor(i / columns) * cell + cell / 2;
          const [r, g, b] = data.subarray((y * width + x) * 3);
          // The rule of Kovač, Peer and Solina (2003) for daylight.
          const wide = Math.max(r, g, b) - Math.min(r, g, b) > 15;
          skin[i] = Number(r > 95 && g > 40 && b > 20 && wide && r - g > 15 && r > b);
        }
        const patch = largest(skin, columns, rows);
        if (!patch) return Promise.resolve([]);
        const { left, top, right, bottom, count } = patch;
        const box = {
          x: left * cell,
          y: top * cell,
          width: (right - left + 1) * cell,
          height: (bottom - top + 1) * cell,
        };
        const score = count * cell * cell / (box.width * box.height); // how full the box is
        return Promise.resolve(score > minConfidence ? [{ box, score }] : []);
      },
      close() {},
    });
  },
});

/** Returns the borders and the size of the largest patch of adjacent cells that are not 0. */
function largest(cells: Uint8Array, columns: number, rows: number) {
  const seen = new Uint8Array(cells.length);
  let best: { left: number; top: number; right: number; bottom: number; count: number } | undefined;
  for (let start = 0; start < cells.length; start++) {
    if (!cells[start] || seen[start]) continue;
    const patch = { left: columns, top: rows, right: 0, bottom: 0, count: 0 };
    const queue = [start];
    seen[start] = 1;
    for (let i; (i = queue.pop()) !== undefined;) {
      const x = i % columns, y = Math.floor(i / columns);
      patch.left = Math.min(patch.left, x);
      patch.right = Math.max(patch.right, x);
      patch.top = Math.min(patch.top, y);
      patch.bottom = Math.max(patch.bottom, y);
      patch.count++;
      const neighbors = [
        x > 0 ? i - 1 : i,
        x + 1 < columns ? i + 1 : i,
        y > 0 ? i - columns : i,
        y + 1 < rows ? i + columns : i,
      ];
      for (const next of neighbors) {
        if (!cells[next] || seen[next]) continue;
        seen[next] = 1;
        queue.push(next);
      }
    }
    if (patch.count > (best?.count ?? 0)) best = patch;
  }
  return best;
}
