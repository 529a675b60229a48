/** Framing of training, test and serving: mean faces, examples, and whether they differ. */
import { random } from "../../packages/random/random.ts";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import { joinWords, quote } from "../../packages/pipeline/errors.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { groupsOf, SEED } from "../../packages/statistics/confidence_intervals.ts";
import { mean, median } from "../../packages/statistics/prediction_metrics.ts";
import { openArchives } from "../datasets/archives.ts";
import { photoOf } from "../datasets/rows.ts";
import { openCropper } from "../detection/cropper.ts";
import { configureDetector, DEFAULT_DETECTOR, openDetector } from "../detection/detectors.ts";
import { findLabelledFace } from "../detection/find_faces.ts";
import { ImageError } from "../images/decode_image.ts";
import { lumaAt } from "../images/image.ts";
import { hasForeignModule, readPreprocessing } from "../images/preprocessing.ts";
import { toNetworkInput } from "../images/resize.ts";
import { imagesInMemory, type ImageSource, readBytes } from "../training/image_source.ts";
import { imageDataUrl } from "./image_data_urls.ts";

/** Framing of a data set: where its images and the photos of serving show a face. */
export type Framing = Awaited<ReturnType<typeof compareFraming>>;

/** Images of a mean face at most, and at least where means are compared. */
const MEAN_OF = 500, MIN_MEANS = 50;
/** Random divisions that training and test sets are compared with. */
const DIVISIONS = 40;
/** Times the squared distance by chance from which mean faces differ. */
const MIN_DISTANCE = 3;
/** Correlations below which framings differ: of pairs of images, and of mean faces. */
export const MIN_SERVED = 0.7, MIN_MEAN = 0.9;

/**
 * Compares framings.
 * @param labels of all images; an identity is the person, if known
 * @param photos maximum number of test photos to serve
 */
export async function compareFraming(
  inputs: { dataset: Artifact; archives: readonly Artifact[] },
  images: ImageSource,
  rows: Readonly<Record<"train" | "test", Int32Array>>,
  labels: {
    dataset: readonly string[];
    path: readonly string[];
    identity?: readonly (string | null)[];
  },
  photos: number,
) {
  const size = images.shape[1], length = size * size * 3;
  const draw = (name: "train" | "test") =>
    random(SEED, `framing ${name}`).shuffle(rows[name].slice());
  const read = (some: ArrayLike<number>) => {
    const bytes = readBytes(images, some);
    return Array.from(some, (_, i) => bytes.subarray(i * length, (i + 1) * length));
  };
  const train = draw("train").subarray(0, MEAN_OF), all = draw("test");
  const { inputs: asSeen, asked, withoutFace, steps } = await serve(
    inputs,
    labels,
    all.subarray(0, photos),
  );
  const test = all.subarray(0, MEAN_OF);
  const pairs = [...asSeen].map(([row, tensor]) => correlation(read([row])[0], tensor));
  const examples = [...asSeen.keys()].slice(0, 3);
  const shown = examples.length > 0 ? examples : test.subarray(0, 3);
  const parts = [
    { name: "Training", all: read(train), three: read(train.subarray(0, 3)) },
    { name: "Test", all: read(test), three: read(shown) },
    { name: "Serving", all: [...asSeen.values()], three: examples.map((row) => asSeen.get(row)!) },
  ].filter(({ all }) => all.length > 0);
  const faces = parts.map(({ all }) => Uint8Array.from(meanFace(all), Math.round));
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
    distanceByChance(
        [...parts[0].all, ...parts[1].all],
        train.length,
        labels.identity && Array.from([...train, ...test], (row) => labels.identity![row]),
      ) >= MIN_DISTANCE &&
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
        const { crop } = await findLabelledFace(photo, undefined, detector, cropper)
          .catch((error) => {
            if (error instanceof ImageError) return { crop: undefined };
            throw error;
          });
        if (crop) inputs.set(row, await toNetworkInput(crop, preprocessing.resize.size));
        else found.withoutFace++;
      }
    }
  } finally {
    detector.close();
    cropper.close();
  }
  return found;
}

function meanFace(all: readonly ArrayLike<number>[]): Float64Array {
  const sum = new Float64Array(all[0].length);
  for (const one of all) for (let i = 0; i < sum.length; i++) sum[i] += one[i];
  return sum.map((value) => value / all.length);
}

/**
 * Returns the squared distance of two mean faces, in units of that of random divisions, whose images of
 * one person are together: about 1 by chance. The correlation of mean faces is low by chance as well where
 * faces are not aligned, as these are nearly flat. Images have equal contrast here.
 * @param count images of the first part
 */
function distanceByChance(
  all: readonly Uint8Array[],
  count: number,
  people: readonly unknown[] | undefined,
): number {
  const faces = all.map(standardized), groups = groupsOf(all.length, people);
  const rng = random(SEED, "framing by chance");
  const distance = (order: readonly number[]) => {
    const [a, b] = [order.slice(0, count), order.slice(count)].map((some) =>
      meanFace(some.map((i) => faces[i]))
    );
    return mean(a.map((value, i) => (value - b[i]) ** 2));
  };
  const chance = Array.from({ length: DIVISIONS }, () => distance(rng.shuffle(groups).flat()));
  return distance([...all.keys()]) / mean(chance);
}

/**
 * Returns the luma of an image, of mean 0 and variance 1, without its linear slopes: these are of the light,
 * and most of what mean faces differ in by chance. 0 if it is of one brightness.
 */
function standardized(image: Uint8Array): Float64Array {
  const size = Math.sqrt(image.length / 3), middle = (size - 1) / 2;
  let values = luma(image);
  for (const at of [(i: number) => i % size, (i: number) => Math.floor(i / size)]) {
    const positions = values.map((_, i) => at(i) - middle);
    const slope = mean(values.map((value, i) => value * positions[i])) /
      mean(positions.map((position) => position ** 2));
    values = values.map((value, i) => value - slope * positions[i]);
  }
  const deviation = Math.sqrt(mean(values.map((value) => value ** 2)));
  return values.map((value) => value / (deviation || 1));
}

/** Computes the luma of an image, minus its mean. */
function luma(image: Uint8Array): Float64Array {
  const values = Float64Array.from({ length: image.length / 3 }, (_, i) => lumaAt(image, 3 * i));
  const center = mean(values);
  return values.map((value) => value - center);
}

/** Computes the correlation of the luma of two images; 0 if one is of one brightness. */
function correlation(a: Uint8Array, b: Uint8Array): number {
  const [x, y] = [luma(a), luma(b)];
  const dot = (p: Float64Array, q: Float64Array) => p.reduce((sum, v, i) => sum + v * q[i], 0);
  const norm = Math.sqrt(dot(x, x) * dot(y, y));
  return norm === 0 ? 0 : dot(x, y) / norm;
}
