/** Time per step and memory by number of images. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { NpyWriter } from "../packages/formats/npy.ts";
import { denoPeer, type ReportNetwork } from "./peer.ts";
import { quantile } from "../packages/statistics/confidence_intervals.ts";
import { mean, median } from "../packages/statistics/prediction_metrics.ts";
import { megabytes, readOptions, table, thousands } from "./options_table.ts";

const help = `deno task bench scale [options]

Trains one epoch on increasing numbers of images, read from a .npy file on demand, and prints the time
per step and the peak memory. The images are drawn once and repeated; each size has its own process.

  --sizes LIST    images (10000,100000,460000: 1.4 GB in the folder for temporary files)
  --network NAME  gender or age (gender)
  --batch N       images in a step (64)
`;

/** Images that are drawn; more are these again. */
const DRAWN = 10_000;
const PIXELS = 32 * 32 * 3;

export async function bench(args: string[]): Promise<void> {
  const options = readOptions(help, args, {
    ...{ sizes: [10_000, 100_000, 460_000], network: "gender", batch: 64 },
  });
  if (!options) return;
  const { sizes, batch } = options;
  if (options.network !== "gender" && options.network !== "age") {
    throw new Error(`Cannot read "--network ${options.network}": it is gender or age.`);
  }
  const network: ReportNetwork = options.network;
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  const rows: string[][] = [];
  try {
    const file = join(folder, "images.npy");
    // A thousand more, to validate on.
    drawImages(file, Math.max(...sizes) + 1000);
    for (const images of sizes) {
      const peer = denoPeer("ours", new URL("./peers/ours_peer.ts", import.meta.url));
      try {
        const { ms } = await peer.ask({ op: "epoch", network, batch, rows: images, file });
        const { bytes } = await peer.ask({ op: "memory" });
        rows.push(summary(images, ms as number[], bytes));
        console.error(rows.at(-1)!.join("  "));
      } finally {
        await peer.close();
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const head = ["images", "steps", "a step, median", "95 % below", "images/s", "peak memory"];
  console.log(`\n${table(head, rows)}`);
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

/**
 * Returns a row of the table.
 * @param ms of each step; the last one's has the validation and the checkpoint in it
 */
export function summary(images: number, ms: readonly number[], memory?: number | null): string[] {
  const steps = ms.length > 1 ? ms.slice(0, -1) : ms;
  const p95 = quantile(steps.toSorted((a, b) => a - b), 0.95);
  return [
    ...[thousands(images), thousands(ms.length)],
    ...[median(steps), p95].map((time) => `${time.toFixed(1)} ms`),
    ...[thousands(images / (mean(steps) * ms.length) * 1000), megabytes(memory)],
  ];
}
