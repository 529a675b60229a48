/** Time per step and memory by number of images. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { NpyWriter } from "../packages/formats/npy.ts";
import { barChart } from "./bar_chart.ts";
import { denoPeer, type ReportNetwork } from "./peer.ts";
import { quantile } from "../packages/statistics/confidence_intervals.ts";
import { mean, median } from "../packages/statistics/prediction_metrics.ts";
import { machine, parseOptions, printReport, table, thousands, whole } from "./machine_table.ts";

const help = `deno task bench scale [options]

Trains one epoch on increasing numbers of images, read from a .npy file on demand, and prints the time
per step and the peak memory. The images are drawn once and repeated; each size has its own process.

  --sizes LIST    images (10000,100000,460000: 1.4 GB in the folder for temporary files)
  --network NAME  gender or age (gender)
  --batch N       images in a step (64)
  --chart PATH    writes a chart there, as SVG
  --json          one JSON object on stdout, and the rest on stderr
`;

/** Images that are drawn; more are these again. */
const DRAWN = 10_000;
const PIXELS = 32 * 32 * 3;

/** One size's figures. */
export interface ScaleRow {
  images: number;
  steps: number;
  /** Milliseconds, reading the images included. */
  step: { median: number; p95: number; mean: number };
  imagesPerSecond: number;
  /** Bytes: the most that the process held. */
  memory: number | null;
}

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, help, {
    sizes: "10000,100000,460000",
    network: "gender",
    batch: "64",
    chart: undefined,
    json: false,
  });
  if (!values) return;
  const sizes = values.sizes.split(",").map((text) => whole("sizes", text));
  const batch = whole("batch", values.batch);
  if (values.network !== "gender" && values.network !== "age") {
    throw new Error(`Cannot read "--network ${values.network}": it is gender or age.`);
  }
  const network: ReportNetwork = values.network;
  const say = (line: string) => console.error(line);

  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  const rows: ScaleRow[] = [];
  try {
    const file = join(folder, "images.npy");
    // A thousand more, to validate on.
    drawImages(file, Math.max(...sizes) + 1000);
    for (const images of sizes) {
      const peer = denoPeer("ours", new URL("./peers/ours_peer.ts", import.meta.url));
      try {
        const { ms } = await peer.ask({ op: "epoch", network, batch, rows: images, file });
        const { bytes } = await peer.ask({ op: "memory" });
        rows.push(summary(images, ms as number[], bytes ?? null));
      } finally {
        await peer.close();
      }
      const { step, memory } = rows.at(-1)!;
      say(
        `${thousands(images)} images: ${step.median.toFixed(1)} ms a step` +
          (memory === null ? "" : `, ${thousands(memory / 1e6)} MB`),
      );
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (values.chart !== undefined) await Deno.writeTextFile(values.chart, chart(rows));
  const report = { machine: machine(), network, batch, scale: rows };
  printReport(toMarkdown(rows), values.json, report);
}

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

/** @param ms of each step; the last one's has the validation and the checkpoint in it */
export function summary(images: number, ms: readonly number[], memory: number | null): ScaleRow {
  const steps = ms.length > 1 ? ms.slice(0, -1) : ms;
  const average = mean(steps);
  return {
    images,
    steps: ms.length,
    step: {
      median: median(steps),
      p95: quantile(steps.toSorted((a, b) => a - b), 0.95),
      mean: average,
    },
    imagesPerSecond: images / (average * ms.length) * 1000,
    memory,
  };
}

export function toMarkdown(rows: readonly ScaleRow[]): string {
  return table(
    ["images", "steps", "a step, median", "95 % below", "images/s", "peak memory"],
    rows.map(({ images, steps, step, imagesPerSecond, memory }) => [
      thousands(images),
      thousands(steps),
      `${step.median.toFixed(1)} ms`,
      `${step.p95.toFixed(1)} ms`,
      thousands(imagesPerSecond),
      memory === null ? "–" : `${thousands(memory / 1e6)} MB`,
    ]),
  );
}

/** Time a step and memory, as an SVG. */
export function chart(rows: readonly ScaleRow[]): string {
  const labels = rows.map(({ images }) => `${thousands(images)} images`);
  return barChart("Time a step and memory, by the number of images", labels, [
    {
      title: "ms a step (median)",
      values: rows.map(({ step }) => step.median),
      show: (value) => value.toFixed(1),
      fill: "#4269d0",
    },
    {
      title: "peak memory, MB",
      values: rows.map(({ memory }) => (memory ?? 0) / 1e6),
      show: (value) => value > 0 ? thousands(value) : "unknown",
      fill: "#a463f2",
    },
  ]);
}
