/** Time per step and memory by number of images. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { NpyWriter } from "../packages/formats/npy.ts";
import { quantile } from "../packages/statistics/confidence_intervals.ts";
import { mean, median } from "../packages/statistics/prediction_metrics.ts";
import { barChart, defineBench, megabytes, table, thousands } from "./harness.ts";
import { denoPeer } from "./peer.ts";

const help = `deno task bench scale [options]

Trains one epoch of the gender network on increasing numbers of images, read from a .npy file on demand,
and prints the time per step and the peak memory. The images are drawn once and repeated; each size has
its own process.

  --sizes LIST    images (10000,100000,460000: 1.4 GB in the folder for temporary files)
  --chart PATH    writes a chart there, as SVG`;

/** Images that are drawn; more are these again. */
const DRAWN = 10_000;
const PIXELS = 32 * 32 * 3;
const BATCH = 64;

export type ScaleRow = ReturnType<typeof summary>;

const defaults = { sizes: [10_000, 100_000, 460_000], chart: undefined };
export const bench = defineBench(help, defaults, async ({ sizes, chart: path }, folder) => {
  const file = join(folder, "images.npy"), rows: ScaleRow[] = [];
  drawImages(file, Math.max(...sizes) + 1000); // a thousand more, to validate on
  for (const images of sizes) {
    await using peer = denoPeer("ours", "ours_peer.ts");
    const order = { network: "gender", batch: BATCH, rows: images, file } as const;
    const { ms } = await peer.ask({ op: "epoch", ...order });
    const { bytes } = await peer.ask({ op: "memory" });
    rows.push(summary(images, ms as number[], bytes!));
    console.error(`${thousands(images)} images: ${rows.at(-1)!.step.median.toFixed(1)} ms a step`);
  }
  if (path !== undefined) await Deno.writeTextFile(path, chart(rows));
  return { text: toMarkdown(rows), json: { network: "gender", batch: BATCH, scale: rows } };
});

/** Writes `count` images [32, 32, 3]; the first ten thousand of them differ. */
export function drawImages(path: string, count: number): void {
  const rng = random(1, "bench", "scale");
  const drawn = Uint8Array.from({ length: Math.min(count, DRAWN) * PIXELS }, () => rng.int(256));
  using writer = new NpyWriter(path, "uint8", [32, 32, 3]);
  for (let left = count; left > 0; left -= DRAWN) {
    writer.write(drawn.subarray(0, Math.min(left, DRAWN) * PIXELS));
  }
  writer.close();
}

/**
 * One size's figures, in ms and bytes.
 * @param ms of each step, reading included; the last one's has the validation and the checkpoint in it
 */
export function summary(images: number, ms: readonly number[], memory: number) {
  const steps = ms.length > 1 ? ms.slice(0, -1) : ms, average = mean(steps);
  const p95 = quantile(steps.toSorted((a, b) => a - b), 0.95);
  return {
    images,
    steps: ms.length,
    step: { median: median(steps), p95, mean: average },
    imagesPerSecond: images / (average * ms.length) * 1000,
    memory,
  };
}

export function toMarkdown(rows: readonly ScaleRow[]): string {
  return table(
    ["images", "steps", "a step, median", "95 % below", "images/s", "peak memory"],
    rows.map(({ images, steps, step, imagesPerSecond, memory }) => [
      ...[thousands(images), thousands(steps), `${step.median.toFixed(1)} ms`],
      ...[`${step.p95.toFixed(1)} ms`, thousands(imagesPerSecond), megabytes(memory)],
    ]),
  );
}

export function chart(rows: readonly ScaleRow[]): string {
  const labels = rows.map(({ images }) => `${thousands(images)} images`);
  return barChart("Time a step and memory, by the number of images", labels, [
    {
      title: "ms a step (median)",
      values: rows.map(({ step }) => step.median),
      show: (value) => value.toFixed(1),
    },
    { title: "peak memory, MB", values: rows.map(({ memory }) => memory / 1e6), show: thousands },
  ]);
}
