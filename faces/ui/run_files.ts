/** Files behind a run: curves, metrics, faces and their way, tables, layers. */
import { join } from "node:path";
import { readCsv } from "../../packages/formats/csv.ts";
import { withoutGuard } from "../../packages/formats/csv_write.ts";
import { NpyFile } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { encodePng } from "../../packages/formats/png.ts";
import type { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { NAME } from "../../packages/pipeline/define.ts";
import type { RunRecord } from "../../packages/pipeline/history.ts";
import { readRecord, type StageRecord } from "../../packages/pipeline/stage_record.ts";
import { photoOf } from "../datasets/rows.ts";
import { shownReason } from "../images/image.ts";
import { suspectLabels } from "../evaluation/error_curves.ts";
import { METRICS, narrowness } from "../evaluation/metrics.ts";
import {
  isUseful,
  type ModelMetrics,
  readAllMetrics,
  readMetrics,
} from "../evaluation/score_model.ts";
import { Problem } from "../serving/problem.ts";
import { genderClasses } from "../training/targets.ts";
import { readHistory, readRecord as readTraining } from "../training/training_record.ts";
import {
  compareCells,
  type UiCurve,
  type UiDetails,
  type UiOutput,
  type UiStep,
} from "./ui_api.ts";

/** An output of a stage, with its folder. */
interface Output extends UiOutput {
  readonly output: string;
  readonly path: string;
  readonly record: StageRecord;
}

/** Tables in memory, the last ones used. */
const tables = new Map<string, Record<string, unknown[]>>();
const MAX_TABLES = 12;
/** Faces or photos per page. */
const FACES = 60;

async function readTable(path: string): Promise<Record<string, unknown[]>> {
  const { mtime, size } = await Deno.stat(path);
  const key = `${path} ${mtime?.getTime()} ${size}`;
  const table = tables.get(key) ?? await read(path);
  tables.delete(key);
  tables.set(key, table);
  if (tables.size > MAX_TABLES) tables.delete(tables.keys().next().value!);
  return table;
}

async function read(path: string): Promise<Record<string, unknown[]>> {
  if (path.endsWith(".parquet")) return await readParquet(path);
  const { header, rows } = readCsv(await Deno.readFile(path), path);
  return Object.fromEntries(header.map((name, i) => [
    name,
    rows.map(({ values }) => NUMBER.test(values[i]!) ? +values[i]! : withoutGuard(values[i]!)),
  ]));
}

/** Not of an identity such as 007. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;

/** The results of a run that are there. */
export class RunFiles {
  private constructor(readonly outputs: readonly Output[], readonly problem: string | undefined) {}

  static async open(run: RunRecord, store: ArtifactStore): Promise<RunFiles> {
    const outputs: Output[] = [];
    const problems: string[] = [];
    for (const { id, use, fingerprint } of run.stages) {
      if (fingerprint === undefined) continue;
      const { record, damage } = await store.find(use, fingerprint);
      if (!record) problems.push(`${id}: ${damage ?? "its result was removed"}`);
      for (const [output, { kind, files }] of Object.entries(record?.outputs ?? {})) {
        const same = Object.values(record!.outputs).filter((other) => other.kind === kind).length;
        const { path } = store.artifact(record!, output, id);
        const place = `${use}/${fingerprint.slice(0, 16)}/${output}`;
        const stage = same > 1 ? `${id}.${output}` : id;
        outputs.push({ stage, output, kind, path, place, files, record: record! });
      }
    }
    return new RunFiles(outputs, problems.length > 0 ? problems.join("; ") : undefined);
  }

  #of(kind: string, digest?: unknown): Output | undefined {
    return this.outputs.find((one) =>
      one.kind === kind &&
      (digest === undefined || one.record.outputs[one.output]!.digest === digest)
    );
  }

  /** Returns the output of a kind that another was made of, through any number of stages. */
  #behind({ record }: Output, kind: string): Output | undefined {
    const digests = Object.values(record.dependencies.inputs).flat();
    const made = this.outputs.filter((one) =>
      digests.includes(one.record.outputs[one.output]!.digest)
    );
    return made.find((one) => one.kind === kind) ??
      made.map((one) => this.#behind(one, kind)).find(Boolean);
  }

  get #reports(): Output[] {
    return this.outputs.filter(({ kind }) => kind === "report");
  }

  /** Curves of all models, and intervals of their metrics. */
  async details(): Promise<UiDetails> {
    const problems = this.problem === undefined ? [] : [this.problem];
    const models = this.outputs.filter(({ kind }) => kind === "model");
    const curves = await Promise.all(models.map(async ({ stage, path }): Promise<UiCurve[]> => {
      try {
        const { metric, weightsOfEpoch: kept, weights, multiplyAdds } = await readTraining(path);
        const epochs = await readHistory(path);
        const columns = Object.keys(epochs[0] ?? {});
        const rows = epochs.map((epoch) => Object.values(epoch) as number[]);
        return [{ model: stage, metric, kept, weights, multiplyAdds, columns, epochs: rows }];
      } catch (error) {
        problems.push(`${stage}: ${(error as Error).message}`);
        return [];
      }
    }));
    const reports = this.#reports.map(({ path }) => path);
    const evaluated = await readAllMetrics(reports).catch((error: Error) => {
      problems.push(error.message);
      return {};
    });
    const intervals = Object.fromEntries(
      Object.entries(evaluated).flatMap(([model, { interval, intervals, counts, people }]) =>
        Object.entries({ ...intervals, ...interval && { test: interval } })
          .map(([split, one]) => ({ split: split as keyof typeof counts, one }))
          .filter(({ split, one }) => !narrowness(one, counts[split], people?.[split]))
          .map(({ split, one: { low, high } }) => [`${model} ${split}`, { low, high }])
      ),
    );
    const problem = problems.join("; ");
    return { curves: curves.flat(), intervals, ...(problem && { problem }) };
  }

  /** Metrics of the models of the first report; none if there is no report. */
  async evaluation(): Promise<Record<string, ModelMetrics>> {
    const [report] = this.#reports;
    return report ? (await readMetrics(report.path)).models : {};
  }

  /** Returns a report, its dataset and models. @param stage that made it. Default: the first one */
  async #report(stage?: string) {
    const report = this.#reports.find((one) => one.stage === (stage || one.stage));
    const data = report && this.#of("dataset", report.record.dependencies.inputs.dataset);
    if (report && data) return { report, data, evaluated: (await readMetrics(report.path)).models };
    const why = this.problem ?? "it evaluated no model";
    throw new Problem(404, "no_predictions", `This run has no predictions: ${why}.`);
  }

  /**
   * Lists faces of a split with their predictions, the largest errors or disagreements first.
   * @param other lists the faces on which another run disagrees, of those that both predicted
   */
  async faces(query: Readonly<Record<string, string>>, other?: RunFiles) {
    const { report, data, evaluated } = await this.#report(query.report);
    const { split = "test", only = "", sort } = query;
    const reports = this.#reports.map(({ stage }) => stage);
    const models = Object.keys(evaluated);
    const images = other && await imagesOf(data.path);
    const list = async (model: string) => {
      const { classes, metric, test } = evaluated[model]!;
      const near = metric === "error" ? test.error! : 5; // numbers other than years have any scale
      const own = await predictionsOf(report.path, model, split);
      const theirs = other && await other.#byImage(model, evaluated[model]!, split);
      // A range stays in the address when the model becomes one of classes, whose list shows "any".
      const matches = (value: number, wanted = "") =>
        classes
          ? !classes.includes(wanted) || value === classes.indexOf(wanted)
          : wanted === "" || inRange(value, wanted);
      // A network that has learned nothing contradicts labels by chance.
      const suspects = only === "suspect" && isUseful(evaluated[model]!)
        ? suspectLabels({ classes }, {
          truth: own.map(({ truth }) => truth),
          prediction: own.map(({ prediction }) => prediction),
          probabilities: own.map(({ probabilities }) => probabilities),
        })
        : undefined;
      const found = own.flatMap(({ row, truth, prediction, probability }, i) => {
        if (!matches(truth, query.label) || !matches(prediction, query.prediction)) return [];
        const error = METRICS[metric].better === "less"
          ? Math.abs(truth - prediction)
          : truth === prediction
          ? -(probability ?? 0)
          : probability ?? 1;
        const wrong = classes ? truth !== prediction : error >= near;
        const shown = { "": true, wrong, right: !wrong, suspect: suspects?.[i] ?? false };
        if (!shown[only as keyof typeof shown]) return [];
        const second = theirs?.get(images![row]!);
        if (theirs && (second === undefined || second === prediction)) return [];
        const rank = second !== undefined
          ? classes ? error : Math.abs(second - prediction)
          : sort === "row"
          ? -row
          : error;
        const image = `/image/${data.place}/${row}`;
        const face = { row, truth, prediction, probability, wrong, image, other: second };
        return [{ rank, face }];
      }).sort((a, b) => b.rank - a.rank).map(({ face }) => face);
      const faces = pageOf(found, query.from, FACES);
      const all = theirs ? own.filter(({ row }) => theirs.has(images![row]!)).length : own.length;
      const of = { reports, report: report.stage, models, model, classes };
      return { ...of, near, total: found.length, all, faces };
    };
    const wanted = models.find((model) => model === query.model) ?? (other ? undefined : models[0]);
    // The first model on which they disagree.
    const [first, ...others] = wanted === undefined ? models : [wanted];
    let listed = await list(first!);
    for (const model of others) if (listed.total === 0) listed = await list(model);
    return listed;
  }

  /** Returns image → prediction, of the model of a name or else the only one of its task and classes. */
  async #byImage(model: string, { task, classes }: ModelMetrics, split: string) {
    const { report, data, evaluated } = await this.#report();
    const images = await imagesOf(data.path);
    const alike = Object.entries(evaluated).filter(([, other]) =>
      other.task === task && String(other.classes) === String(classes)
    ).map(([name]) => name);
    const [name] = alike.length === 1 ? alike : alike.filter((one) => one === model);
    const own = name === undefined ? [] : await predictionsOf(report.path, name, split);
    return new Map(own.map(({ row, prediction }) => [images[row]!, prediction]));
  }

  /** Returns the paths of a model and of the images of a report, which have a row of that number. */
  async modelOf(stage: string, row: number, report?: string) {
    const images = join((await this.#report(report)).data.path, "images.npy");
    const folder = this.outputs.find((one) => one.kind === "model" && one.stage === stage)?.path;
    if (folder === undefined) {
      throw new Problem(404, "no_model", `This run has no model ${JSON.stringify(stage)}.`);
    }
    imageOf(images, row);
    return { folder, images };
  }

  async #photo({ dataset, path }: Record<string, unknown>) {
    const archives = this.#of("archives");
    if (!archives) return undefined;
    const index = await readTable(join(archives.path, "index.parquet"));
    const at = index.path!.findIndex((one, i) =>
      one === photoOf(String(path)) && index.dataset![i] === String(dataset)
    );
    if (at < 0) return undefined;
    const { tar, offset, size } = rowOf(index, at);
    return {
      text: `${path} in ${tar}, ${Number(size).toLocaleString("en")} bytes`,
      image: `/file/${archives.place}/${tar}?offset=${offset}&size=${size}`,
    };
  }

  /** Lists photos that became no face, by their problem. */
  async problems({ problem = "", from = "0" }: Readonly<Record<string, string>>) {
    const crops = this.#of("faces");
    const table = crops && await readTable(join(crops.path, "problems.csv"));
    const all = (table?.problem ?? []).map((_, i) => rowOf(table!, i));
    const found = all.filter((one) => problem === "" || one.problem === problem);
    const shown = pageOf(found, from, FACES).map(async ({ dataset, full_path: path, ...one }) => ({
      text: [one.problem, shownReason(String(one.detail))].filter(Boolean).join(": "),
      path: String(path),
      image: (await this.#photo({ dataset, path }))?.image,
    }));
    return {
      problems: [...new Set(all.map((one) => String(one.problem)))],
      total: found.length,
      photos: await Promise.all(shown),
    };
  }

  /** Follows a face from its photo to the predictions. */
  async way(row: number, stage?: string): Promise<UiStep[]> {
    const { report, data, evaluated } = await this.#report(stage);
    const steps: UiStep[] = [];
    const labels = await readTable(join(data.path, "table.parquet"));
    const values = rowOf(labels, row);
    if (Object.values(values).every((value) => value === undefined)) {
      throw new Problem(404, "no_row", `The data set has no row ${row}.`);
    }
    const photo = await this.#photo(values);
    if (photo) steps.push({ title: "Photo", ...photo });
    const crops = this.#behind(data, "faces");
    if (crops) {
      const table = await readTable(join(crops.path, "faces.parquet"));
      const at = table.full_path!.findIndex((path, i) =>
        path === values.path && table.dataset![i] === values.dataset
      );
      if (at >= 0) {
        const crop = rowOf(table, at);
        const box = ["box_x", "box_y", "box_width", "box_height", "score"];
        steps.push({
          title: "Crop",
          text: "Taken from the photo as the face; the box is in its pixels",
          image: `/file/${crops.place}/${crop.shard}?offset=${crop.offset}&size=${crop.size}`,
          values: Object.fromEntries(box.map((one) => [one.replace("box_", ""), round(crop[one])])),
        });
      }
    }
    steps.push({
      title: "Image",
      text: `Row ${row} of the data set, as the networks receive it`,
      image: `/image/${data.place}/${row}`,
      values: { ...values, gender: genderClasses[values.gender as number]?.label ?? values.gender },
    });
    const all = await readTable(join(report.path, "predictions.parquet"));
    all.row!.forEach((one, i) => {
      if (one !== row) return;
      const { stage, split, truth, prediction, probability } = rowOf(all, i);
      const classes = evaluated[String(stage)]?.classes;
      const nameOf = (value: unknown) => classes?.[Number(value)] ?? round(value);
      steps.push({
        title: `Prediction of ${stage}`,
        model: String(stage),
        text: `In the ${split} set`,
        values: {
          prediction: nameOf(prediction),
          truth: nameOf(truth),
          ...(probability !== null && { probability: round(probability) }),
        },
      });
    });
    return steps;
  }
}

const round = (value: unknown) => typeof value === "number" ? Number(value.toPrecision(4)) : value;

function rowOf(table: Record<string, unknown[]>, row: number): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).map(([name, values]) => [name, values[row]]));
}

/** "20-30", "20-" or "25" of whole years, to their end; "-0.5-0.75" of other numbers. */
function inRange(value: number, text: string): boolean {
  const [low = "", high = low] = text.split(/(?<=\d\s*)-/);
  const reached = high.includes(".") ? value : Math.floor(value);
  return value >= Number(low || 0) && (high === "" || reached <= Number(high));
}

function pageOf<T>(list: readonly T[], from = "0", size: number): T[] {
  return list.slice(Number(from), Number(from) + size);
}

interface Predicted {
  readonly row: number;
  readonly truth: number;
  readonly prediction: number;
  readonly probability: number | null;
  readonly probabilities: number[];
}

async function predictionsOf(report: string, model: string, split: string): Promise<Predicted[]> {
  const all = await readTable(join(report, "predictions.parquet"));
  return all.stage!.flatMap((stage, i) =>
    stage === model && (split === "all" || all.split![i] === split)
      ? [rowOf(all, i) as unknown as Predicted]
      : []
  );
}

async function imagesOf(dataset: string): Promise<string[]> {
  const table = await readTable(join(dataset, "table.parquet"));
  return table.path!.map((path, row) => `${table.dataset![row]}/${path}`);
}

/**
 * Returns the path of a file of a result, as its record lists it.
 * @throws {Problem} if there is no such file, or it lies outside of the artifacts
 */
export async function fileOf(
  store: ArtifactStore,
  { use, print, output, file }: Readonly<Record<"use" | "print" | "output" | "file", string>>,
): Promise<string> {
  const missing = () =>
    new Problem(404, "not_found", `No result has a file ${JSON.stringify(file)}.`);
  if (!NAME.test(use) || !/^[0-9a-f]{16}$/.test(print)) throw missing();
  const place = store.pathOf(use, print);
  const { value, problem } = await readRecord(place);
  if (problem !== undefined) throw new Problem(409, "damaged", `${use}/${print}: ${problem}.`);
  const known = value && Object.hasOwn(value.outputs, output) ? value.outputs[output]!.files : {};
  if (!Object.hasOwn(known, file)) throw missing();
  const path = await Deno.realPath(join(place, output, file)).catch(() => "");
  if (!path.startsWith(join(await Deno.realPath(store.folder), "/"))) throw missing();
  return path;
}

/** Returns an image of a data set's `images.npy` as PNG. */
export function imageOf(path: string, row: number): Uint8Array<ArrayBuffer> {
  using file = new NpyFile(path, "uint8");
  if (row >= file.rows) throw new Problem(404, "no_row", `The data set has no row ${row}.`);
  const [, height = 0, width = 0] = file.shape;
  return encodePng({ data: file.read(row, 1), width, height });
}

/** Returns a part of a table, filtered and sorted. */
export async function tableOf(
  path: string,
  { q = "", sort = "", from = "0" }: Readonly<Record<string, string>>,
) {
  const table = await readTable(path);
  const columns = Object.keys(table);
  let rows = [...(table[columns[0]!] ?? []).keys()];
  const words = q.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length > 0) {
    rows = rows.filter((row) => {
      const text = columns.map((name) => String(table[name]![row])).join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }
  const column = table[sort.replace(/^-/, "")];
  if (column) {
    const sign = sort.startsWith("-") ? -1 : 1;
    rows.sort((a, b) => compareCells(column[a], column[b], sign));
  }
  return {
    columns,
    total: rows.length,
    rows: pageOf(rows, from, 100).map((row) => columns.map((name) => table[name]![row] ?? null)),
  };
}

interface KerasLayer {
  class_name: string;
  config: Record<string, unknown> & { name?: string; layers?: KerasLayer[] };
}

const LAYER_SETTINGS = "filters units kernel_size strides pool_size padding rate activation"
  .split(" ");

/** Returns the layers of a `model.json`, with their numbers of weights. */
export async function layersOf(path: string) {
  const { modelTopology, weightsManifest } = JSON.parse(await Deno.readTextFile(path)) as {
    modelTopology: KerasLayer & { model_config?: KerasLayer };
    weightsManifest: { weights: { name: string; shape: number[] }[] }[];
  };
  const { config } = modelTopology.model_config ?? modelTopology;
  const sizes = Map.groupBy(
    weightsManifest.flatMap(({ weights }) => weights),
    ({ name }) => name.split("/")[0]!,
  );
  return (config.layers ?? []).map(({ class_name: type, config }) => ({
    name: config.name ?? "",
    type,
    settings: LAYER_SETTINGS.filter((key) => config[key] !== undefined)
      .map((key) => `${key.replaceAll("_", " ")} ${[config[key]].flat().join("×")}`).join(", "),
    weights: (sizes.get(config.name ?? "") ?? [])
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
  }));
}
