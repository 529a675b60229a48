import { z } from "zod";
import { defineStage } from "../packages/pipeline/stage.ts";
import { causeLines, counted } from "../packages/pipeline/causes.ts";
import type { ArchivedDataset, Archives } from "../faces/datasets/archives.ts";
import { archives, table } from "./kinds.ts";
import type { Reason, Rows } from "../faces/datasets/rows.ts";

export default defineStage({
  name: "matParse",
  summary: "Read the data sets' MATLAB files or CSVs and filter their rows",
  inputs: { archives },
  outputs: { table },
  params: z.strictObject({
    minFaceScore: z.number().default(1).describe(
      "Rows with a lower face_score are dropped, as are rows without a face",
    ),
    allowSecondFace: z.boolean().default(false).describe(
      "Keep rows with a second face, whose label may belong to the other person",
    ),
    minAge: z.int().default(0).describe(
      "Minimum age in years; rows below are dropped",
    ),
    maxAge: z.int().default(100).describe(
      "Maximum age in years; rows above are dropped",
    ),
    sample: z.int().min(1).optional().describe(
      "Keep at most this many rows, a random subset of those that pass the filter",
    ),
  }),
  seeded: ({ sample }) => sample !== undefined,
  async run({ archives: artifact }, params, context) {
    const { join } = await import("node:path");
    const { random } = await import("../packages/random/random.ts");
    const { writeParquet } = await import("../packages/formats/parquet.ts");
    const { openArchives } = await import("../faces/datasets/archives.ts");
    const { filterRows, reasons } = await import("../faces/datasets/rows.ts");

    using files = await openArchives(artifact, { photos: false });
    context.progress.start(files.datasets.length, "data sets");
    const all = new Table();
    const counts: Record<string, Counts> = {};
    const allDoubts: Doubts[number][] = [];
    for (const dataset of files.datasets) {
      context.signal.throwIfAborted();
      const { rows, doubts } = await readRows(files, dataset);
      const { kept, dropped } = filterRows(rows, params);
      all.add(dataset.name, rows, kept);
      allDoubts.push(...doubts.slice(0, MAX_LISTED));
      counts[dataset.name] = {
        read: rows.length,
        kept: kept.length,
        dropped,
        ...(doubts.length > 0 ? { notUnderstood: doubts.slice(0, MAX_LISTED) } : {}),
      };
      const dropReasons = Object.entries(reasons)
        .filter(([reason]) => dropped[reason as keyof typeof reasons] > 0)
        .map(([reason, words]) => `${number(dropped[reason as keyof typeof reasons])} ${words}`);
      context.info(
        `${dataset.name}: kept ${number(kept.length)} of ${counted(rows.length, "row")}` +
          (dropReasons.length > 0 ? `; dropped ${dropReasons.join(", ")}.` : "."),
      );
      if (doubts.length > 0) context.warn(formatDoubts(dataset, doubts));
      context.progress.advance(1, dataset.name);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    if (all.rows.length === 0) {
      const read = sum(counts, "read");
      const wrong = (column: string) => {
        const value = allDoubts.find((doubt) => doubt.column === column)?.value;
        return value === undefined ? "" : ` (such as ${JSON.stringify(value.slice(0, 40))})`;
      };
      const waysOut: Record<Reason, string> = {
        noFace: "use photos with a face_score in the data set",
        lowFaceScore: `lower matParse.minFaceScore (${params.minFaceScore})`,
        secondFace: "set matParse.allowSecondFace: true",
        unknownGender: "label them: 1, m, male or 0, f, female",
        unknownAge: "label them with an age in years, or with born and taken",
        ageOutside: `widen matParse.minAge and maxAge (${params.minAge} to ${params.maxAge})`,
        noPath: "fill in the column path",
        repeated: "keep one row per photo",
      };
      throw new Error(
        `Cannot create the table: none of ${counted(read, "row")} passes the filter.` +
          causeLines(
            read,
            (Object.keys(reasons) as Reason[]).map((reason) => ({
              count: Object.values(counts).reduce((n, { dropped }) => n + dropped[reason]!, 0),
              cause: reasons[reason] +
                (reason === "unknownAge"
                  ? wrong("age")
                  : reason === "unknownGender"
                  ? wrong("gender")
                  : ""),
              wayOut: waysOut[reason],
            })),
          ),
      );
    }

    let rows = all.rows;
    if (params.sample !== undefined && params.sample >= rows.length) {
      context.info(
        `sample: ${counted(params.sample, "row")} requested, ${
          number(rows.length)
        } pass the filter.`,
      );
    } else if (params.sample !== undefined) {
      const order = Uint32Array.from(rows, (_, i) => i);
      random(context.seed, "matParse", "sample").shuffle(order);
      // Sorted: a sample keeps the order of the table.
      rows = Array.from(order.subarray(0, params.sample).sort(), (i) => rows[i]);
    }

    const column = <T>(read: (rows: Rows, row: number, dataset: string) => T) =>
      all.column(rows, read);
    await writeParquet(join(context.outputs.table, "table.parquet"), {
      full_path: { type: "string", values: column((rows, row) => rows.path(row)) },
      dataset: { type: "string", values: column((_rows, _row, dataset) => dataset) },
      age: { type: "int32", values: column((rows, row) => rows.age[row]) },
      gender: { type: "int32", values: column((rows, row) => rows.gender[row]) },
      name: { type: "string", values: column((rows, row) => rows.name(row)), nullable: true },
      identity: {
        type: "string",
        values: column((rows, row) => rows.identity(row)),
        nullable: true,
      },
      face_location: {
        type: "float64[]",
        values: column((rows, row) => rows.location(row)),
        nullable: true,
      },
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

/** Concatenated rows of several data sets; values are read lazily, while the table is written. */
class Table {
  /** Index of the data set times `SHIFT`, plus the row in it. */
  readonly rows: number[] = [];
  #parts: { dataset: string; rows: Rows }[] = [];

  add(dataset: string, rows: Rows, kept: readonly number[]): void {
    const part = this.#parts.push({ dataset, rows }) - 1;
    for (const row of kept) this.rows.push(part * SHIFT + row);
  }

  /** Returns a column of the given rows. */
  column<T>(
    rows: readonly number[],
    read: (rows: Rows, row: number, dataset: string) => T,
  ): { length: number; at(row: number): T } {
    return {
      length: rows.length,
      at: (i) => {
        const part = this.#parts[Math.floor(rows[i] / SHIFT)];
        return read(part.rows, rows[i] % SHIFT, part.dataset);
      },
    };
  }
}

/** Upper bound of the rows of a data set. */
const SHIFT = 2 ** 32;

interface Counts {
  read: number;
  kept: number;
  dropped: Record<string, number>;
  /** The first invalid values of a CSV. */
  notUnderstood?: Doubts;
}

type Doubts = import("../faces/datasets/labels.ts").Labels["doubts"];

/** Maximum number of invalid values in summary.json. */
const MAX_LISTED = 1000;

/** Reads a data set's rows from its CSV or MATLAB file. */
async function readRows(
  files: Archives,
  dataset: ArchivedDataset,
): Promise<{ rows: Rows; doubts: Doubts }> {
  const { name, metadata } = dataset;
  if ("csv" in metadata) {
    const { readCsvRows } = await import("../faces/datasets/csv_rows.ts");
    return readCsvRows(files.metadata(dataset), `${name}/${metadata.path.split("/").at(-1)}`, name);
  }
  const { readMatRows } = await import("../faces/datasets/mat_rows.ts");
  const file = files.openMetadata(dataset);
  return { rows: await readMatRows(file, metadata.path, metadata.variable), doubts: [] };
}

function formatDoubts({ name }: ArchivedDataset, doubts: Doubts): string {
  const some = doubts.slice(0, 3)
    .map(({ line, column, value }) =>
      `line ${line} ${column} ${JSON.stringify(value.slice(0, 40))}`
    );
  return `${name}: ${counted(doubts.length, "value")} not understood and treated as unknown: ` +
    `${some.join(", ")}${doubts.length > some.length ? ", ..." : ""} (summary.json lists them)`;
}

function sum(counts: Record<string, Counts>, key: "read" | "kept"): number {
  return Object.values(counts).reduce((total, count) => total + count[key], 0);
}

function number(n: number): string {
  return n.toLocaleString("en");
}
