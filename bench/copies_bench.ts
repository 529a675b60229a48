/** Recall of copies under changes of photos, and false alarms among different photos. */
import sharp, { type Sharp } from "sharp";
import { openBackend } from "../packages/compute/open_backend.ts";
import { findCopies, type Frequencies, frequenciesOf } from "../faces/datasets/copies.ts";
import { configureDetector, openDetector, usesTensorFlow } from "../faces/detection/detectors.ts";
import { decode } from "../faces/images/decode_image.ts";
import { crop } from "../faces/images/crop.ts";
import { hasCenterIn, type Image, iou } from "../faces/images/image.ts";
import { defineBench, table, thousands } from "./harness.ts";
import { archivePhotos, decodeIfWhole, middle } from "./photos.ts";

const help = `deno task bench copies --faces DIR [options]

Changes photos of wiki_crop.tar and imdb_crop.tar, and prints which of them split finds as copies.

  --faces DIR      the archives
  --detector NAME  whose boxes are cropped (metadata)
  --photos N       photos that are changed (500)
  --all N          photos that are compared with each other for false alarms (20000)`;

const cut = (share: number) => (photo: Uint8Array, width: number, height: number) => {
  const [left, top] = [Math.round(share * width), Math.round(share * height)];
  return sharp(photo).extract({ left, top, width: width - 2 * left, height: height - 2 * top })
    .jpeg();
};
const CHANGES: Record<string, (photo: Uint8Array, width: number, height: number) => Sharp> = {
  "equal bytes": (photo) => sharp(photo).png(),
  "half the size": (photo, width) => sharp(photo).resize(Math.round(width / 2)).jpeg(),
  "twice the size": (photo, width) => sharp(photo).resize(2 * width).jpeg(),
  "JPEG, quality 50": (photo) => sharp(photo).jpeg({ quality: 50 }),
  "JPEG, quality 20": (photo) => sharp(photo).jpeg({ quality: 20 }),
  "mirrored": (photo) => sharp(photo).flop().jpeg(),
  "15 % brighter": (photo) => sharp(photo).modulate({ brightness: 1.15 }).jpeg(),
  "2 % cut on each side": cut(0.02),
  "5 % cut on each side": cut(0.05),
};

const defaults = { faces: "", detector: "metadata", photos: 500, all: 20_000 };
export const bench = defineBench(help, defaults, async ({ faces, detector: name, ...values }) => {
  if (faces === "") throw new Error("Cannot measure without --faces DIR.");
  sharp.concurrency(1);
  const { name: _, ...options } = configureDetector(name);
  if (usesTensorFlow(name)) await openBackend("wasm");
  const detector = await openDetector(name, options);
  /**
   * Crops the face in the middle as faceCrop does, with its default margin. Returns the frequencies of
   * the crop and, where a detector places the box, of the image, as split compares them.
   */
  const framesOf = async (image: Image): Promise<Frequencies[] | undefined> => {
    const place = middle(image);
    const found = (await detector.detect(image, place)).filter(({ box }) => hasCenterIn(box, place))
      .toSorted((a, b) => iou(b.box, place) - iou(a.box, place));
    if (found.length === 0) return undefined;
    const face = await crop(image, found[0].box, { margin: 0.2, maxSize: 128 });
    return await Promise.all((name === "metadata" ? [face] : [face, image]).map(frequenciesOf));
  };
  const photos: Uint8Array[] = [], originals: Frequencies[][] = [];
  for (const { photo } of archivePhotos(faces, ["wiki_crop", "imdb_crop"])) {
    if (originals.length === values.all) break;
    const image = await decodeIfWhole(photo), frames = image && await framesOf(image);
    // Photos of one color are none.
    if (!frames?.[0][0].some((value) => value !== 0)) continue;
    originals.push(frames);
    photos.push(photo);
  }
  const count = originals.length, n = Math.min(values.photos, count);
  const pairsOf = async (frames: readonly Frequencies[][]): Promise<[number, number][]> => {
    const pairs = new Map<string, [number, number]>();
    for (const i of frames[0].keys()) {
      for (const { image, of } of await findCopies(frames.map((frame) => frame[i]))) {
        pairs.set(`${image} ${of}`, [image, of]);
      }
    }
    return [...pairs.values()];
  };
  const alarms = (await pairsOf(originals)).length, pairs = count * (count - 1) / 2;
  const changes = [], step = Math.floor(count / n);
  for (const [change, apply] of Object.entries(CHANGES)) {
    const changed: Frequencies[][] = [], of: number[] = [];
    for (let i = 0; i < n; i++) {
      const photo = photos[i * step];
      const { width, height } = await sharp(photo).metadata();
      const made = await apply(photo, width, height).toBuffer();
      const frames = await framesOf(await decode(new Uint8Array(made)));
      if (!frames) continue; // no face, so no image
      changed.push(frames);
      of.push(i * step);
    }
    const found = (await pairsOf([...originals, ...changed])).filter(([image]) => image >= count);
    const right = found.filter(([image, original]) => original === of[image - count]);
    const recall = new Set(right.map(([, original]) => original)).size / changed.length;
    changes.push({ change, recall, photos: changed.length, wrong: found.length - right.length });
    console.error(`${change}: ${recall.toFixed(3)}`);
  }
  detector.close();
  const text = table(
    ["change", "recall", "wrong original"],
    changes.map(({ change, recall, photos, wrong }) => [
      ...[change, `${recall.toFixed(3)} of ${photos}`, String(wrong)],
    ]),
  );
  const alarmed = `${name}: ${alarms} false alarms in ${thousands(pairs)} pairs of photos`;
  const json = { copies: { detector: name, alarms, pairs, changes } };
  return { text: `${alarmed}\n\n${text}`, json };
});
