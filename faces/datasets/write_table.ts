/** Filters the rows of all data sets and writes them as one table: the work of stage `matParse`. */
import { join } from "node:path";
import { causeLines, counted } from "../../packages/pipeline/causes.ts";
import { formatInteger } from "../../packages/pipeline/format.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import { random } from "../../packages/random/random.ts";
import { writeParquet } from "../../packages/formats/parquet.ts";
import { attributeColumns, labelColumn } from "./attributes.ts";
import { type ArchivedDataset, type Archives, openArchives } from "./archives.ts";
import { type Labels, parseLabels } from "./labels.ts";
import { readMatRows } from "./mat_rows.ts";
import { judgeRows, readVerdicts } from "./verdicts.ts";
import { facePaths, type Filter, filterRows, type Reason, reasons, type Rows } from "./rows.ts";

type Doubts = Labels["doubts"];

/** Entry of a data set in summary.json. */
interface Counts {
  read: number;
  kept: number;
  dropped: Record<Reason, number>;
  /** Labels corrected by verdicts. */
  corrected?: number;
  /** The first invalid values of a CSV. */
  notUnderstood?: Doubts;
}

/** Maximum number of invalid values in summary.json. */
const MAX_LISTED = 1000;

/** Fills the artifact `table`. @throws if no row passes the filter */
export async function writeTable(
  archives: Artifact,
  params: Filter & {
    readonly sample?: number | undefined;
    readonly verdicts?: string | undefined;
  },
  context: StageContext<{ table: unknown } & Record<string, never>>,
): Promise<void> {
  using files = await openArchives(archives, { photos: false });
  context.progress.start(files.datasets.length, "data sets");
  // Per row of the table: its data set, and its row in it. Objects would take more memory.
  let sources: { readonly name: string; readonly rows: Rows }[] = [], indices: number[] = [];
  const counts = new Map<string, Counts>();
  const names = files.datasets.map(({ name }) => name);
  const verdicts = params.verdicts && await readVerdicts(params.verdicts, names, context);
  for (const dataset of files.datasets) {
    const { name } = dataset;
    context.signal.throwIfAborted();
    const { rows: read, doubts, strays, photoOn } = await readRows(files, dataset);
    const judged = verdicts ? judgeRows(name, read, verdicts, context) : undefined;
    const rows = judged?.rows ?? read;
    const { kept, dropped } = filterRows(rows, { ...params, wrong: judged?.wrong });
    const source = { name, rows };
    for (const row of kept) {
      sources.push(source);
      indices.push(row);
    }
    counts.set(name, {
      read: rows.length,
      kept: kept.length,
      dropped,
      ...(judged && { corrected: judged.corrected }),
      ...(doubts.length > 0 ? { notUnderstood: doubts.slice(0, MAX_LISTED) } : {}),
    });
    const why = (Object.keys(reasons) as Reason[]).filter((reason) => dropped[reason] > 0)
      .map((reason) => `${formatInteger(dropped[reason])} ${reasons[reason]}`);
    context.info(
      `${name}: kept ${formatInteger(kept.length)} of ${counted(rows.length, "row")}` +
        (why.length > 0 ? `; dropped ${why.join(", ")}` : "") +
        (judged?.corrected ? `; corrected ${counted(judged.corrected, "label")}.` : "."),
    );
    if (doubts.length > 0) context.warn(`${name}: ${formatDoubts(doubts, photoOn)}`);
    for (const stray of strays) context.info(`${name}: ${stray}`);
    context.progress.advance(1, name);
    await pause();
  }
  if (sources.length === 0) throw nothingPasses(counts, params);

  if (params.sample !== undefined && params.sample >= sources.length) {
    const wanted = counted(params.sample, "row");
    context.info(`sample: ${wanted} requested, ${formatInteger(sources.length)} pass the filter.`);
  } else if (params.sample !== undefined) {
    const order = Uint32Array.from(sources, (_, i) => i);
    random(context.seed, "matParse", "sample").shuffle(order);
    // Sorted: a sample keeps the order of the table.
    const chosen = [...order.subarray(0, params.sample).sort()];
    sources = chosen.map((i) => sources[i]);
    indices = chosen.map((i) => indices[i]);
  }

  /** A column whose values are decoded while the table is written. */
  const column = <T>(read: (rows: Rows, row: number, dataset: string) => T) => ({
    length: sources.length,
    at: (i: number) => read(sources[i].rows, indices[i], sources[i].name),
  });
  const places = column((rows, row) => rows.location(row));
  await writeParquet(join(context.outputs.table, "table.parquet"), {
    full_path: { type: "string", values: column((rows, row) => rows.path(row)) },
    dataset: { type: "string", values: column((_rows, _row, dataset) => dataset) },
    age: labelColumn(sources.map(({ rows }, i) => rows.age[indices[i]])),
    gender: labelColumn(sources.map(({ rows }, i) => rows.gender[indices[i]])),
    name: { type: "string", values: column((rows, row) => rows.name(row)), nullable: true },
    identity: { type: "string", values: column((rows, row) => rows.identity(row)), nullable: true },
    face_location: { type: "float64[]", values: places, nullable: true },
    ...attributeColumns(sources.map(({ rows }, i) => rows.attributes?.(indices[i]))),
  });
  const summary = {
    read: sum(counts, ({ read }) => read),
    kept: sum(counts, ({ kept }) => kept),
    ...(params.sample === undefined ? {} : { sampled: sources.length }),
    datasets: Object.fromEntries(counts),
  };
  await Deno.writeTextFile(join(context.outputs.table, "summary.json"), jsonText(summary));
}

/** Reads a data set's rows from its CSV or MATLAB file. */
async function readRows(files: Archives, dataset: ArchivedDataset) {
  const { name, metadata } = dataset;
  if (!("csv" in metadata)) {
    const file = files.openMetadata(dataset);
    const rows = await readMatRows(file, metadata.path, metadata.variable);
    return { rows, doubts: [], strays: [], photoOn: () => "" };
  }
  const source = `${name}/${metadata.path.split("/").at(-1)}`;
  const { rows: labels, doubts, strays, columns } = parseLabels(files.readPlace(metadata), source);
  // In other layouts, the photo shows one face.
  const paths = dataset.layout === "full" ? facePaths(labels) : labels.map(({ path }) => path);
  const rows: Rows = {
    length: labels.length,
    columns,
    attributes: (i) => labels[i].attributes,
    gender: Float64Array.from(labels, ({ gender }) => gender),
    age: Float64Array.from(labels, ({ age }) => age),
    hasPath: (i) => labels[i].path !== "",
    photosOnce: true,
    path: (i) => paths[i],
    name: (i) => labels[i].name,
    // The prefix keeps identities of different data sets apart.
    identity: (i) => labels[i].identity === null ? null : `${name}:${labels[i].identity}`,
    // 1-based, as in MATLAB.
    location: (i) => labels[i].box?.map((side) => side + 1) ?? null,
  };
  const photoOn = (line: number) => labels.find((one) => one.line === line)!.path;
  return { rows, doubts, strays, photoOn };
}

/** @param photoOn returns the photo on a line, as lines of a CSV that a preset made are of no use */
function formatDoubts(doubts: Doubts, photoOn: (line: number) => string): string {
  const some = doubts.slice(0, 3).map(({ line, column, value }) =>
    `line ${line} ${column} ${JSON.stringify(value.slice(0, 40))} of ${photoOn(line) || "no photo"}`
  );
  return `${counted(doubts.length, "value")} not understood and treated as unknown: ` +
    `${some.join(", ")}${doubts.length > some.length ? ", ..." : ""} (summary.json lists them)`;
}

/** The error when no row passes the filter: each reason with its count and way out. */
function nothingPasses(counts: ReadonlyMap<string, Counts>, filter: Filter): Error {
  const read = sum(counts, ({ read }) => read);
  const doubts = [...counts.values()].flatMap(({ notUnderstood = [] }) => notUnderstood);
  const example = (column: string) => {
    const value = doubts.find((doubt) => doubt.column === column)?.value;
    return value === undefined ? "" : ` (such as ${JSON.stringify(value.slice(0, 40))})`;
  };
  const causes: Record<Reason, [wayOut: string, example?: string]> = {
    noFace: ["use photos with a face_score in the data set"],
    lowFaceScore: [`lower matParse.minFaceScore (${filter.minFaceScore})`],
    secondFace: ["set matParse.allowSecondFace: true"],
    unknownGender: ["label them: 1, m, male or 0, f, female", example("gender")],
    unknownAge: ["label them with an age in years, or with born and taken", example("age")],
    ageOutside: [`widen matParse.minAge and maxAge (${filter.minAge} to ${filter.maxAge})`],
    noPath: ["fill in the column path"],
    repeated: ["keep one row per photo"],
    judgedWrong: ["shorten matParse.verdicts"],
    noAttribute: [`shorten matParse.require (${filter.require?.join(", ")})`],
  };
  const lines = (Object.keys(reasons) as Reason[]).map((reason) => {
    const [wayOut, example = ""] = causes[reason];
    const count = sum(counts, ({ dropped }) => dropped[reason] ?? 0);
    return { count, cause: reasons[reason] + example, wayOut };
  });
  return new Error(
    `Cannot create the table: none of ${counted(read, "row")} passes the filter.` +
      causeLines(read, lines),
  );
}

function sum(counts: ReadonlyMap<string, Counts>, of: (counts: Counts) => number): number {
  return counts.values().reduce((total, one) => total + of(one), 0);
}
