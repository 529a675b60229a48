/** Framing of training, test and serving: mean faces, examples, and whether they differ. */
import { random } from "../../packages/random/random.ts";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { median } from "../../packages/statistics/prediction_metrics.ts";
import { openArchives } from "../datasets/archives.ts";
import { photoOf } from "../datasets/rows.ts";
import { openCropper } from "../detection/cropper.ts";
import { configureDetector, DEFAULT_DETECTOR, openDetector } from "../detection/detectors.ts";
import { findFaces } from "../detection/find_faces.ts";
import { ImageError } from "../images/decode_image.ts";
import { hasForeignModule, readPreprocessing } from "../images/preprocessing.ts";
import { imagesInMemory, type ImageSource, readBytes } from "../training/image_source.ts";
import { imageDataUrl } from "./image_data_urls.ts";

/** Framing of a data set: where its images and the photos of serving show a face. */
export type Framing = Awaited<ReturnType<typeof compareFraming>>;

/** Fixed, so the same data show the same images. */
const SEED = 20210;
/** Images of a mean face at most, and at least where means are compared. */
const MEAN_OF = 500, MIN_MEANS = 50;
/** Random divisions that training and test sets are compared with. */
const DIVISIONS = 40;
/** Correlations below which framings differ: of pairs of images, and of mean faces. */
export const MIN_SERVED = 0.7, MIN_MEAN = 0.9;

/** Compares framings. @param photos maximum number of test photos to serve */
export async function compareFraming(
  inputs: { dataset: Artifact; archives: readonly Artifact[] },
  images: ImageSource,
  rows: Readonly<Record<"train" | "test", Int32Array>>,
  labels: { dataset: readonly string[]; path: readonly string[] },
  photos: number,
) {
  const size = images.shape[1], length = size * size * 3;
  const draw = (name: "train" | "test") =>
    random(SEED, `framing ${name}`).shuffle(rows[name].slice()).subarray(0, MEAN_OF);
  const read = (some: ArrayLike<number>) => {
    const bytes = readBytes(images, some);
    return Array.from(some, (_, i) => bytes.subarray(i * length, (i + 1) * length));
  };
  const train = draw("train"), test = draw("test");
  const { inputs: asSeen, asked, withoutFace, steps } = await serve(
    inputs,
    labels,
    test.subarray(0, photos),
  );
  const pairs = [...asSeen].map(([row, tensor]) => correlation(read([row])[0], tensor));
  const examples = [...asSeen.keys()].slice(0, 3);
  const shown = examples.length > 0 ? examples : test.subarray(0, 3);
  const parts = [
    { name: "Training", all: read(train), three: read(train.subarray(0, 3)) },
    { name: "Test", all: read(test), three: read(shown) },
    { name: "Serving", all: [...asSeen.values()], three: examples.map((row) => asSeen.get(row)!) },
  ].filter(({ all }) => all.length > 0);
  const faces = parts.map(({ all }) => meanFace(all));
  const means = train.length > 0 ? correlation(faces[0], faces[1]) : undefined;
  const served = pairs.length > 0 ? median(pairs) : undefined;
  const warnings = [
    steps.length > 0 &&
    `Serving does not apply ${joinWords(steps.map(quote))}, which changed these images: expect ` +
      "worse predictions for photos than these metrics.",
    served !== undefined && served < MIN_SERVED &&
    "Serving frames faces differently from the test set: the median correlation of the same " +
      `photos is ${served.toFixed(2)}, below ${MIN_SERVED}. Predictions for photos are worse ` +
      "than these metrics. Train with margin and align of faceCrop so that both look alike, or " +
      "evaluate a folder with --layout full.",
    asked > 0 && withoutFace > asked / 2 &&
    `Serving finds no face in ${withoutFace} of ${counted(asked, "test photo")}. Predictions ` +
      "need photos with more background, or another detector.",
    means !== undefined && means < MIN_MEAN &&
    Math.min(train.length, test.length) >= MIN_MEANS &&
    means < lowestByChance(parts[0].all, parts[1].all) &&
    `Training and test sets frame faces differently: the correlation of their mean faces is ` +
      `${means.toFixed(2)}, below ${MIN_MEAN}.`,
  ].filter((warning) => warning !== false);
  const urls = async (all: readonly Uint8Array[]) =>
    await Promise.all(all.map((one) => imageDataUrl(imagesInMemory(one, size), 0)));
  return {
    // Each with the mean face, and three examples; those of test are served too.
    rows: await Promise.all(parts.map(async ({ name, all, three }, i) => ({
      name,
      count: all.length,
      images: await urls([faces[i], ...three]),
    }))),
    // Median correlation of test images with the same photos served.
    served,
    // Correlation of the mean faces of training and test.
    means,
    photos: asked,
    withoutFace,
    warnings,
  };
}

/** Detects and crops the photos of rows as `predict` and the service do: network inputs by row. */
async function serve(
  { dataset, archives }: Parameters<typeof compareFraming>[0],
  labels: Parameters<typeof compareFraming>[3],
  rows: Int32Array,
) {
  const inputs = new Map<number, Uint8Array>();
  const found = { inputs, asked: 0, withoutFace: 0, steps: [] as readonly string[] };
  if (archives.length === 0 || rows.length === 0) return found;
  const several = new Set(
    labels.path.flatMap((path, row) =>
      photoOf(path) === path ? [] : `${labels.dataset[row]}\n${photoOf(path)}`
    ),
  );
  const preprocessing = await readPreprocessing(dataset.path);
  found.steps = preprocessing.steps;
  if (hasForeignModule(preprocessing)) return found;
  const own = preprocessing.detector;
  const { name, ...options } = own.name === "metadata" ? configureDetector(DEFAULT_DETECTOR) : own;
  const detector = await openDetector(name, options);
  const cropper = await openCropper(preprocessing.crop);
  try {
    for (const artifact of archives) {
      using photos = await openArchives(artifact);
      for (const row of rows) {
        const set = labels.dataset[row];
        // Serving does not know which of several faces the row is.
        if (several.has(`${set}\n${photoOf(labels.path[row])}`)) continue;
        const photo = photos.places.has(set) && photos.read(set, labels.path[row]);
        if (!photo) continue;
        found.asked++;
        const [face] = await findFaces(photo, preprocessing, detector, cropper).catch((error) => {
          if (error instanceof ImageError) return [];
          throw error;
        });
        if (face) inputs.set(row, face.tensor);
        else found.withoutFace++;
      }
    }
  } finally {
    detector.close();
    cropper.close();
  }
  return found;
}

function meanFace(all: readonly Uint8Array[]): Uint8Array {
  const sum = new Float64Array(all[0].length);
  for (const one of all) one.forEach((value, i) => sum[i] += value);
  return Uint8Array.from(sum, (value) => Math.round(value / all.length));
}

/**
 * Returns the lowest correlation of the mean faces of random divisions into sets of these sizes. Mean
 * faces of few images differ by chance.
 */
function lowestByChance(train: readonly Uint8Array[], test: readonly Uint8Array[]): number {
  const all = [...train, ...test], rng = random(SEED, "framing by chance");
  return Math.min(...Array.from({ length: DIVISIONS }, () => {
    rng.shuffle(all);
    return correlation(meanFace(all.slice(0, train.length)), meanFace(all.slice(train.length)));
  }));
}

/** Computes the correlation of the luma of two images; 0 if one is of one brightness. */
function correlation(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [a, b].map((image) => {
    // Luma of Rec. 601.
    const luma = Float64Array.from(
      { length: image.length / 3 },
      (_, i) => 0.299 * image[3 * i] + 0.587 * image[3 * i + 1] + 0.114 * image[3 * i + 2],
    );
    const mean = luma.reduce((p, q) => p + q) / luma.length;
    return luma.map((value) => value - mean);
  });
  const dot = (p: Float64Array, q: Float64Array) => p.reduce((sum, v, i) => sum + v * q[i], 0);
  const norm = Math.sqrt(dot(x, x) * dot(y, y));
  return norm === 0 ? 0 : dot(x, y) / norm;
}
