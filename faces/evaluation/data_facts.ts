/** The report's facts on the data, from the artifacts before the dataset. Each may be missing. */
import { join } from "node:path";
import { random } from "../../packages/random/random.ts";
import { SEED } from "../../packages/statistics/confidence_intervals.ts";
import { imageDataUrl, thumbnail } from "./image_data_urls.ts";
import type { DataReport, FaceGroup, PhotoCounts, Selection } from "./report_data.ts";
import { type Faces, findSourceFaces, openFaces } from "../detection/faces_artifact.ts";
import { bySplit, type SplitName } from "./score_model.ts";
import { ImageError } from "../images/decode_image.ts";
import { readPreprocessing } from "../images/preprocessing.ts";
import { readCsv } from "../../packages/formats/csv.ts";
import { withoutGuard } from "../../packages/formats/csv_write.ts";
import type { NpyFile } from "../../packages/formats/npy.ts";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import { openArchives } from "../datasets/archives.ts";
import { reasons } from "../datasets/rows.ts";
import { readCopies } from "../datasets/write_splits.ts";

/** Side of a thumbnail, pixels: twice its size on the page. */
const THUMBNAIL = 112;

/** Labels of the dataset's images. */
export interface Labels {
  age: number[];
  gender: number[];
  dataset: string[];
}

/** Artifacts that the facts are collected from. */
export interface Sources {
  dataset: Artifact;
  faces: readonly Artifact[];
  tables: readonly Artifact[];
  archives: readonly Artifact[];
}

/**
 * Collects the facts on the data.
 * @param shown maximum number of images of each kind
 */
export async function gatherData(
  { dataset, faces, tables, archives, splits: divided }: Sources & { splits?: Artifact },
  labels: Labels,
  splits: Record<SplitName, Int32Array>,
  images: NpyFile<"uint8">,
  shown: { crops: number; noFace: number },
): Promise<DataReport> {
  const made = await findSourceFaces(dataset.path, faces);
  const sets = Map.groupBy(labels.dataset.keys(), (row) => labels.dataset[row]);
  const names = [...sets.keys()]; // in row order, which is that of the pipeline
  return {
    datasets: names.map((name) => group(name, labels, sets.get(name)!)),
    ...await describeDatasets(archives),
    splits: bySplit((name) => group(name, labels, splits[name])),
    selection: await Promise.all(tables.map(readSelection)),
    ...(made && { photos: await readPhotos(made) }),
    crops: await drawCrops(made, images, shown.crops),
    noFace: made ? await findNoFace(made, archives, shown.noFace) : { shown: [], count: 0 },
    ...divided && {
      ...await showCopies(divided, labels, images, shown.noFace),
      calibration: (await readSummary(divided.path)).calibration,
    },
    preprocessing: await readPreprocessing(dataset.path),
  };
}

/** Shows the copies that split found: each image after its original, those of other labels first. */
async function showCopies(
  { path }: Artifact,
  { age, gender }: Labels,
  images: NpyFile<"uint8">,
  pairs: number,
): Promise<Pick<DataReport, "copies">> {
  const found = await readCopies(path);
  if (!found) return {};
  const copies = found.map((copy) => ({
    ...copy,
    // Comparisons with NaN, an unknown label, are false.
    differ: [age, gender].some((label) => Math.abs(label[copy.image] - label[copy.of]) > 0),
  }));
  const shown = copies.toSorted((a, b) => Number(b.differ) - Number(a.differ)).slice(0, pairs)
    .flatMap(({ image: row, of, correlation, mirrored, differ }) => [
      { row: of, name: `image ${of}` },
      {
        row,
        name: `image ${row}, a copy of ${of}: correlation ${correlation.toFixed(4)}` +
          (mirrored ? ", mirrored" : "") + (differ ? ", other labels" : ""),
      },
    ]);
  const pictures = shown.map(async ({ row, name }) => ({
    image: await imageDataUrl(images, row),
    name,
  }));
  const count = new Set(found.map(({ image }) => image)).size; // an image may be a copy of several
  return { copies: { count, shown: await Promise.all(pictures) } };
}

function group(name: string, { age, gender }: Labels, rows: ArrayLike<number>): FaceGroup {
  return {
    name,
    ages: Array.from(rows, (row) => age[row]),
    genders: Array.from(rows, (row) => gender[row]),
  };
}

/** Variable of a MATLAB file → source of its labels. */
const LABELLED_BY: Readonly<Record<string, string>> = {
  wiki: "from Wikipedia: dates of birth and the year of the photo",
  imdb: "from profiles on IMDb: dates of birth and the year of the photo",
  sample: "drawn by this project",
};

/** Returns terms, source of the labels and framing of data sets, as far as they are known. */
export async function describeDatasets(
  artifacts: readonly Artifact[],
): Promise<Pick<DataReport, "terms" | "labelledBy" | "framedBy">> {
  const all = await Array.fromAsync(artifacts, (one) => openArchives(one, { photos: false }));
  const datasets = all.flatMap(({ datasets }) => datasets);
  const known = (fact: (dataset: typeof datasets[number]) => string | undefined) =>
    Object.fromEntries(datasets.flatMap((one) => {
      const text = fact(one);
      return text === undefined ? [] : [[one.name, text]];
    }));
  return {
    terms: known(({ terms }) => terms),
    labelledBy: known(({ labelledBy, metadata }) =>
      labelledBy ?? ("variable" in metadata ? LABELLED_BY[metadata.variable] : undefined)
    ),
    framedBy: known(({ layout, detect }) =>
      layout === "aligned" ? "the whole photo" : detect === false ? "its middle" : undefined
    ),
  };
}

async function readSelection({ stage, path }: Artifact): Promise<Selection> {
  const { sampled, datasets } = await readSummary<
    { read: number; kept: number; dropped: Record<string, number> }
  >(path);
  return {
    stage,
    ...(sampled !== undefined && { sampled }),
    datasets: Object.entries(datasets).map(([name, { read, kept, dropped }]) => ({
      name,
      read,
      kept,
      dropped: Object.entries(dropped)
        .filter(([, count]) => count > 0)
        // Tables of plugins may have reasons of their own.
        .map(([reason, count]) => [reasons[reason as keyof typeof reasons] ?? reason, count]),
    })),
  };
}

/** Reads the counts of an artifact: of a table or faces by data set, of splits by set. */
async function readSummary<T>(
  folder: string,
): Promise<{ sampled?: number; calibration?: number; datasets: Record<string, T> }> {
  return JSON.parse(await Deno.readTextFile(join(folder, "summary.json")));
}

const problems: Record<string, string> = {
  missing: "missing from the archives",
  unreadable: "cannot be decoded",
  crashed: "crashed the decoder",
  no_face: "no face found",
  several_faces: "several faces, one used",
};

async function readPhotos({ path }: Artifact): Promise<DataReport["photos"]> {
  const { datasets } = await readSummary<PhotoCounts>(path);
  for (const counts of Object.values(datasets)) {
    counts.problems = Object.fromEntries(
      Object.entries(counts.problems).map(([name, n]) => [problems[name] ?? name, n]),
    );
  }
  return datasets;
}

/** Draws crops at random, or the dataset's images if its crops are missing. */
async function drawCrops(made: Artifact | undefined, images: NpyFile<"uint8">, count: number) {
  using faces: Faces | undefined = made && await openFaces(made.path);
  const order = Array.from({ length: faces?.rows.length ?? images.shape[0] }, (_, i) => i);
  const drawn = random(SEED, "crops").shuffle(order).slice(0, count);
  return await Promise.all(
    drawn.map((row) =>
      faces ? thumbnail(faces.png(faces.rows[row]), THUMBNAIL) : imageDataUrl(images, row)
    ),
  );
}

/** Draws photos without a detected face at random. */
async function findNoFace(
  made: Artifact,
  archives: readonly Artifact[],
  count: number,
): Promise<DataReport["noFace"]> {
  const file = join(made.path, "problems.csv");
  const { header, rows } = readCsv(await Deno.readFile(file), file);
  const [set, path, problem] = ["dataset", "full_path", "problem"].map((name) =>
    header.indexOf(name)
  );
  const drawn = rows.map(({ values }) => values.map(withoutGuard))
    .filter((values) => values[problem] === "no_face");
  random(SEED, "no face").shuffle(drawn);
  const shown: DataReport["noFace"]["shown"][number][] = [];
  for (const artifact of archives) {
    using photos = await openArchives(artifact);
    for (const values of drawn) {
      if (shown.length === count) break;
      const bytes = photos.places.has(values[set]) && photos.read(values[set], values[path]);
      if (!bytes) continue;
      try {
        const image = await thumbnail(bytes, THUMBNAIL);
        shown.push({ image, name: `${values[set]}: ${values[path]}` });
      } catch (error) {
        // A photo that cannot be decoded is omitted; the count includes it.
        if (!(error instanceof ImageError)) throw error;
      }
    }
  }
  return { shown, count: drawn.length };
}
