/** Divides a data set into train, validation and test sets: the work of stage `split`. */
import { join } from "node:path";
import { counted } from "../../packages/pipeline/causes.ts";
import { pause } from "../../packages/pipeline/interrupt.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import { random } from "../../packages/random/random.ts";
import { readCsv } from "../../packages/formats/csv.ts";
import { csvLine } from "../../packages/formats/csv_write.ts";
import { NpyFile, writeNpy } from "../../packages/formats/npy.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { isAsRecorded } from "../../packages/pipeline/digest.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { mapOrdered } from "../../packages/workers/ordered_map.ts";
import { decode, ImageError } from "../images/decode_image.ts";
import type { Image } from "../images/image.ts";
import { readPreprocessing } from "../images/preprocessing.ts";
import { openArchives } from "./archives.ts";
import { type Copy, findCopies, type Frequencies, frequenciesOf } from "./copies.ts";
import { photoOf } from "./rows.ts";
import {
  type Columns,
  describeSelection,
  type Groups,
  type Selection,
  selectRows,
  strataOf,
} from "./select_rows.ts";

export interface SplitParams {
  readonly test: Selection;
  readonly calibration?: number | undefined;
  readonly validation: Selection;
  readonly by: "image" | "identity";
  readonly stratify: readonly string[];
  readonly sample?: number | undefined;
  readonly copies: "group" | "ignore";
  readonly only?: "all" | "train" | "validation" | "test" | undefined;
}

/** Fills the artifact `splits`. @throws if a set would be empty */
export async function writeSplits(
  inputs: Compared,
  params: SplitParams,
  context: StageContext<{ splits: unknown } & Record<string, never>>,
): Promise<void> {
  const { dataset } = inputs;
  const table = join(dataset.path, "table.parquet");
  const { identity, ...photos } = await readParquet(table, {
    identity: "string?",
    dataset: "string",
    path: "string",
  });
  let rows = Int32Array.from(identity, (_, row) => row);
  if (params.sample !== undefined) {
    if (params.sample > rows.length) {
      context.info(
        `sample: ${counted(params.sample, "image")} requested, ${rows.length} available`,
      );
    }
    random(context.seed, "sample").shuffle(rows);
    rows = rows.slice(0, params.sample).sort();
  }

  const byPerson = params.by === "identity";
  if (byPerson && params.only !== "all" && rows.every((row) => !identity[row])) {
    throw new Error(
      `Cannot split by identity: none of ${counted(rows.length, "image")} has one. Add the ` +
        "column identity to the labels, name theirs by columns: { identity: COLUMN } of the data " +
        "set's preset, or set by: image.",
    );
  }
  const copies = params.copies === "ignore"
    ? []
    : await earlierCopies(params, context) ?? await copiesOf(inputs, rows, context);
  const copied = new Set(copies.map(({ image }) => image)).size;
  const groups = groupRows(rows, { ...photos, ...byPerson && { identity } }, copies);
  random(context.seed, "split").shuffle(groups);
  // Shares of all images need none.
  const selects = [params.test, params.validation].some((wanted) => typeof wanted !== "number");
  const columns = selects || params.stratify.length > 0 ? await readParquet(table) as Columns : {};
  const strata = params.stratify.length > 0 ? strataOf(params.stratify, columns) : undefined;
  let train: Groups = groups, leftOut = 0;
  const sets: Record<string, Groups> = {};
  for (const set of ["test", "validation", "calibration"] as const) {
    const wanted = params[set];
    if (wanted === undefined || params.only === "all") continue;
    const selected = selectRows(set, wanted, train, columns, strata);
    sets[set] = selected.taken;
    train = selected.rest;
    leftOut += selected.leftOut;
  }
  const { test = [], validation = [], calibration } = sets, { only } = params;
  const parts = only
    ? { train: [], validation: [], test: { train, validation, test, all: groups }[only] }
    : { train, validation, test, ...calibration && { calibration } };

  const together = [...byPerson ? ["people"] : [], ...copied > 0 ? ["copies"] : []].join(" and ");
  const counts: Record<string, number> = {};
  for (const [name, part] of Object.entries(parts)) {
    const members = Int32Array.from(part.flat()).sort();
    if (members.length === 0 && (!only || name === "test")) {
      const of = together && ` in ${counted(groups.length, "group")} of ${together}`;
      const shares = (["test", "validation", "calibration"] as const).flatMap((set) =>
        params[set] === undefined ? [] : [`${set} ${describeSelection(params[set])}`]
      ).join(", ");
      const ways = (byPerson ? ", or split by image" : "") +
        (copied > 0 ? ", or set copies: ignore" : "");
      throw new Error(
        `Cannot split ${counted(rows.length, "image")}${of}: the ${name} set is empty. ` +
          `Add data, or change the shares (${shares})${ways}.`,
      );
    }
    writeNpy(join(context.outputs.splits, `${name}.npy`), members, [members.length]);
    counts[name] = members.length;
  }
  const summary = {
    by: params.by,
    images: rows.length,
    ...counts,
    ...copied > 0 && { copies: copied },
    ...leftOut > 0 && { leftOut },
  };
  await Deno.writeTextFile(join(context.outputs.splits, "summary.json"), jsonText(summary));
  if (copies.length > 0) {
    const lines = copies.map(({ image, of, correlation, mirrored }) =>
      csvLine([image, of, correlation.toFixed(4), String(mirrored)])
    );
    await Deno.writeTextFile(
      join(context.outputs.splits, COPIES),
      csvLine(["row", "of", "correlation", "mirrored"]) + lines.join(""),
    );
    context.info(
      `copies of other images, exact or near: ${copied} of ${rows.length} (copies.csv); copies ` +
        "are in one set. copies: ignore splits them like others",
    );
  }
  if (leftOut > 0) {
    context.info(
      `${counted(leftOut, "image")} of people or copies in the test or validation set ` +
        `${leftOut === 1 ? "is" : "are"} in no set`,
    );
  }
  context.info(Object.entries(counts).map(([name, n]) => `${name} ${n}`).join(", "));
}

/** Parts of the cache key that copies do not depend on: other seeds and folds have the same. */
const NO_MATTER = ["test", "validation", "calibration", "stratify", "by", "only"]
  .map((name) => `params.${name}`);

/** Reads the copies that an earlier split of the same images found; undefined if there is none. */
async function earlierCopies(
  { sample }: SplitParams,
  context: StageContext<{ splits: unknown } & Record<string, never>>,
): Promise<Copy[] | undefined> {
  const free = sample === undefined ? [...NO_MATTER, "seed"] : NO_MATTER;
  for (const result of await context.earlierResults()) {
    const { path, outputs, differences } = result;
    // Without a difference it is this result, which is made again.
    if (differences.length === 0 || differences.some((name) => !free.includes(name))) continue;
    if (!outputs.splits.files[COPIES]) return [];
    if (!await isAsRecorded(result, "splits", COPIES, context)) continue;
    return await readCopies(join(path, "splits"));
  }
}

const COPIES = "copies.csv";

/** Reads the copies that a split lists; undefined if there is no such file. */
export async function readCopies(splits: string): Promise<Copy[] | undefined> {
  const file = join(splits, COPIES);
  const bytes = await Deno.readFile(file).catch(ignoreNotFound);
  if (!bytes) return undefined;
  return readCsv(bytes, file).rows.map(({ values: [row, of, correlation, mirrored] }) => ({
    image: Number(row),
    of: Number(of),
    correlation: Number(correlation),
    mirrored: mirrored === "true",
  }));
}

/** Inputs of a search for copies. */
interface Compared {
  readonly dataset: Artifact;
  /** Sources of the photos. */
  readonly archives: readonly Artifact[];
}

/**
 * Finds copies among rows of a dataset; numbers are those of rows. Where a detector placed the boxes,
 * which it does differently on a changed photo, whole photos are compared as well.
 */
export async function copiesOf(
  { dataset: { path: folder }, archives }: Compared,
  rows: ArrayLike<number> & Iterable<number>,
  { signal, progress }: Pick<StageContext, "signal" | "progress">,
): Promise<Copy[]> {
  using images = new NpyFile(join(folder, "images.npy"), "uint8");
  const [, height, width] = images.shape;
  const advance = () => {
    signal.throwIfAborted();
    progress.advance();
  };
  /** Computes the frequencies of the images that `read` returns for rows. */
  const compare = async (
    rows: Iterable<number>,
    read: (row: number) => Image | undefined | Promise<Image | undefined>,
  ) => {
    const found = new Map<number, Frequencies>();
    const results = mapOrdered(rows, 4, async (row) => {
      const image = await read(row);
      return [row, image && await frequenciesOf(image)] as const;
    });
    for await (const [row, frequencies] of results) {
      if (frequencies) found.set(row, frequencies);
      advance();
      if (row % 1000 === 0) await pause();
    }
    return found;
  };
  progress.start(rows.length, "images");
  const crops = await compare(rows, (row) => ({ data: images.read(row, 1), width, height }));
  const photos = new Map<number, Frequencies>();
  const { detector } = await readPreprocessing(folder);
  if (detector.name !== "metadata") {
    const { dataset, path } = await readParquet(join(folder, "table.parquet"), {
      dataset: "string",
      path: "string",
    });
    // Faces of one photo are no copies of each other.
    const once = Map.groupBy(rows, (row) => `${dataset[row]}\n${photoOf(path[row])}`).values()
      .map(([first]) => first).toArray();
    for (const artifact of archives) {
      using files = await openArchives(artifact);
      const names = files.datasets.filter(({ detect }) => detect !== false).map(({ name }) => name);
      const own = once.filter((row) => names.includes(dataset[row]));
      progress.start(own.length, "photos");
      const found = await compare(own, async (row) => {
        const bytes = files.read(dataset[row], path[row]);
        return bytes && await decode(bytes).catch((error) => {
          if (!(error instanceof ImageError)) throw error;
          return undefined;
        });
      });
      found.forEach((frequencies, row) => photos.set(row, frequencies));
    }
  }
  const found = new Map<string, Copy>();
  for (const compared of [photos, crops]) {
    const rows = [...compared.keys()];
    progress.start(compared.size, "comparisons");
    const copies = await findCopies([...compared.values()], { advance });
    for (const { image, of, ...how } of copies) {
      const pair = { image: rows[image], of: rows[of] };
      found.set(`${pair.image} ${pair.of}`, { ...pair, ...how });
    }
  }
  return [...found.values()].sort((a, b) => a.image - b.image);
}

/**
 * Groups rows that belong into one set: those of a person, if identities are given, faces of one photo,
 * and copies. Names count in any Unicode normalization form. Other rows are groups of their own. Groups
 * have the order of their first rows.
 */
export function groupRows(
  rows: Iterable<number>,
  { identity, dataset, path }: {
    identity?: readonly (string | null)[];
    dataset: readonly string[];
    path: readonly string[];
  },
  copies: readonly Copy[],
): number[][] {
  const parents = new Map<number, number>();
  const root = (row: number): number => {
    const parent = parents.get(row) ?? row;
    return parent === row ? row : root(parent);
  };
  /** The lower row is the root. */
  const join = (a: number, b: number) => {
    const [low, high] = [root(a), root(b)].sort((a, b) => a - b);
    if (low !== high) parents.set(high, low);
  };
  const first = new Map<string, number>();
  for (const row of rows) {
    const person = identity?.[row];
    const keys = [`photo\n${dataset[row]}\n${photoOf(path[row])}`, person && `person\n${person}`];
    for (const key of keys) if (key) join(first.getOrInsert(key.normalize(), row), row);
  }
  for (const { image, of } of copies) join(image, of);
  return [...Map.groupBy(rows, root).values()];
}
