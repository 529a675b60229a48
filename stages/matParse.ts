import { z } from "zod";
import { defineStage } from "../runner/stage.ts";
import type { ArchivedDataset } from "./archives.ts";
import { archives, table } from "./artifacts.ts";
import type { Rows } from "./matParse/rows.ts";

export default defineStage({
  name: "matParse",
  summary: "Read the data sets' MATLAB files or CSVs and keep the rows of use",
  inputs: { archives },
  outputs: { table },
  params: z.strictObject({
    minFaceScore: z.number().default(1).describe(
      "Rows whose face_score is lower are dropped; those without a face always are",
    ),
    allowSecondFace: z.boolean().default(false).describe(
      "Keep rows with a second face, though the label may be the other person's",
    ),
    minAge: z.int().default(0).describe("Years; rows below are dropped"),
    maxAge: z.int().default(100).describe("Years; rows above are dropped"),
    sample: z.int().min(1).optional().describe(
      "Keep at most so many rows, drawn by the seed from those that pass the filter, to try things",
    ),
  }),
  seeded: ({ sample }) => sample !== undefined,
  async run({ archives: artifact }, params, context) {
    const { join } = await import("node:path");
    const { random } = await import("../compute/random.ts");
    const { writeParquet } = await import("../formats/parquet.ts");
    const { openArchives } = await import("./archives.ts");
    const { filterRows, reasons } = await import("./matParse/rows.ts");

    using files = await openArchives(artifact);
    context.progress.start(files.datasets.length, "data sets");
    const all: Row[] = [];
    const counts: Record<string, Counts> = {};
    for (const dataset of files.datasets) {
      context.signal.throwIfAborted();
      const { rows, doubts } = await readRows(files.metadata(dataset), dataset);
      const { kept, dropped } = filterRows(rows, params);
      for (const row of kept) all.push({ ...rows.row(row), dataset: dataset.name });
      counts[dataset.name] = {
        read: rows.length,
        kept: kept.length,
        dropped,
        ...(doubts.length > 0 ? { notUnderstood: doubts.slice(0, LISTED) } : {}),
      };
      const told = Object.entries(reasons)
        .filter(([reason]) => dropped[reason as keyof typeof reasons] > 0)
        .map(([reason, words]) => `${number(dropped[reason as keyof typeof reasons])} ${words}`);
      context.info(
        `${dataset.name}: kept ${number(kept.length)} of ${number(rows.length)} rows` +
          (told.length > 0 ? `; dropped ${told.join(", ")}.` : "."),
      );
      if (doubts.length > 0) context.warn(tellDoubts(dataset, doubts));
      context.progress.advance(1, dataset.name);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (all.length === 0) {
      throw new Error(
        `Cannot make a table: none of the rows passes the filter. Lower minFaceScore ` +
          `(${params.minFaceScore}) or widen the ages (${params.minAge} to ${params.maxAge}).`,
      );
    }

    let rows = all;
    if (params.sample !== undefined && params.sample >= all.length) {
      context.info(`sample: ${number(params.sample)} rows asked for, ${number(all.length)} pass.`);
    } else if (params.sample !== undefined) {
      const order = Uint32Array.from(all, (_, i) => i);
      random(context.seed, "matParse", "sample").shuffle(order);
      // In the table's order again, so that a sample reads like the whole.
      rows = Array.from(order.subarray(0, params.sample).sort(), (i) => all[i]);
    }

    await writeParquet(join(context.outputs.table, "table.parquet"), {
      full_path: { type: "string", values: rows.map((row) => row.path) },
      dataset: { type: "string", values: rows.map((row) => row.dataset) },
      age: { type: "int32", values: rows.map((row) => row.age) },
      gender: { type: "int32", values: rows.map((row) => row.gender) },
      name: { type: "string", values: rows.map((row) => row.name), nullable: true },
      identity: { type: "string", values: rows.map((row) => row.identity), nullable: true },
      face_location: { type: "float64[]", values: rows.map((row) => row.location), nullable: true },
    });
    const summary = {
      read: sum(counts, "read"),
      kept: sum(counts, "kept"),
      ...(params.sample === undefined ? {} : { sampled: rows.length }),
      datasets: counts,
    };
    await Deno.writeTextFile(
      join(context.outputs.table, "summary.json"),
      JSON.stringify(summary, null, 2) + "\n",
    );
  },
});

type Row = import("./matParse/rows.ts").Row & { dataset: string };

interface Counts {
  read: number;
  kept: number;
  dropped: Record<string, number>;
  /** Values of a CSV that are not understood, the first of them. */
  notUnderstood?: Doubts;
}

type Doubts = import("./folder/labels.ts").Labels["doubts"];

/** Values that are not understood are listed up to this many. */
const LISTED = 1000;

/** A data set's rows, whatever file they are in. */
async function readRows(
  bytes: Uint8Array<ArrayBuffer>,
  { name, metadata }: ArchivedDataset,
): Promise<{ rows: Rows; doubts: Doubts }> {
  if ("csv" in metadata) {
    const { readCsvRows } = await import("./matParse/csv.ts");
    return readCsvRows(bytes, `${name}/${metadata.path.split("/").at(-1)}`, name);
  }
  const { readMatRows } = await import("./matParse/mat.ts");
  return { rows: readMatRows(bytes, metadata.path, metadata.variable), doubts: [] };
}

function tellDoubts({ name }: ArchivedDataset, doubts: Doubts): string {
  const some = doubts.slice(0, 3)
    .map(({ line, column, value }) =>
      `line ${line} ${column} ${JSON.stringify(value.slice(0, 40))}`
    );
  return `${name}: ${number(doubts.length)} values are not understood and count as unknown: ` +
    `${some.join(", ")}${doubts.length > some.length ? ", ..." : ""} (summary.json lists them)`;
}

function sum(counts: Record<string, Counts>, key: "read" | "kept"): number {
  return Object.values(counts).reduce((total, count) => total + count[key], 0);
}

function number(n: number): string {
  return n.toLocaleString("en");
}
