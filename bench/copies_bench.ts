/** Recall of copies under changes of photos, and false alarms among different photos. */
import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { openBackend } from "../packages/compute/open_backend.ts";
import { RandomAccessFile } from "../packages/formats/random_access_file.ts";
import { scanTar } from "../packages/formats/tar.ts";
import { findCopies, type Frequencies, frequenciesOf } from "../faces/datasets/copies.ts";
import { configureDetector, openDetector, usesTensorFlow } from "../faces/detection/detectors.ts";
import { decode, ImageError } from "../faces/images/decode_image.ts";
import { crop } from "../faces/images/crop.ts";
import { type Box, hasCenterIn, iou } from "../faces/images/image.ts";
import { parseOptions } from "./machine_table.ts";

const HELP = `Measure which copies split finds.

  deno task bench copies --faces DIR [--detector metadata] [--photos 500] [--all 20000]

DIR has wiki_crop.tar and imdb_crop.tar. Changes --photos photos, and compares up to --all photos
with each other for false alarms.`;

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

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, HELP, {
    faces: undefined,
    detector: "metadata",
    photos: "500",
    all: "20000",
  });
  if (!values) return;
  if (values.faces === undefined) return console.log(HELP);
  sharp.concurrency(1);
  const name = values.detector, { name: _, ...options } = configureDetector(name);
  if (usesTensorFlow(name)) await openBackend("wasm");
  const detector = await openDetector(name, options);
  /**
   * Crops the face in the middle as faceCrop does, with its default margin. Returns the frequencies of the
   * crop and, where a detector places the box, of the photo, as split compares them.
   */
  const framesOf = async (photo: Uint8Array): Promise<Frequencies[] | undefined> => {
    const image = await decode(photo);
    const [width, height] = [image.width / 1.8, image.height / 1.8];
    const place: Box = {
      ...{ x: (image.width - width) / 2, y: (image.height - height) / 2, width, height },
    };
    const found = (await detector.detect(image, place)).filter(({ box }) => hasCenterIn(box, place))
      .toSorted((a, b) => iou(b.box, place) - iou(a.box, place));
    if (found.length === 0) return undefined;
    const face = await crop(image, found[0].box, { margin: 0.2, maxSize: 128 });
    return await Promise.all((name === "metadata" ? [face] : [face, image]).map(frequenciesOf));
  };
  const photos: Uint8Array[] = [], originals: Frequencies[][] = [];
  for (const archive of ["wiki_crop.tar", "imdb_crop.tar"]) {
    using file = new RandomAccessFile(join(values.faces, archive));
    for (const { path, offset, size } of scanTar(file)) {
      if (!path.endsWith(".jpg") || originals.length >= Number(values.all)) continue;
      const photo = file.read(offset, size);
      try {
        const frames = await framesOf(photo);
        // Photos of one color are none.
        if (!frames?.[0][0].some((value) => value !== 0)) continue;
        originals.push(frames);
        photos.push(photo);
      } catch (error) {
        if (!(error instanceof ImageError)) throw error;
      }
    }
  }
  const count = originals.length, n = Math.min(Number(values.photos), count);
  const pairs = count * (count - 1) / 2;
  /** Pairs of copies, by crops or photos. */
  const pairsOf = async (frames: readonly Frequencies[][]): Promise<[number, number][]> => {
    const pairs = new Map<string, [number, number]>();
    for (const i of frames[0].keys()) {
      for (const { image, of } of await findCopies(frames.map((frame) => frame[i]))) {
        pairs.set(`${image} ${of}`, [image, of]);
      }
    }
    return [...pairs.values()];
  };
  const alarms = await pairsOf(originals);
  console.log(
    `${name}: ${alarms.length} false alarms in ${pairs.toLocaleString("en")} pairs of photos`,
  );
  console.log("\n| change | recall | wrong original |\n| --- | --- | --- |");
  const step = Math.floor(count / n);
  for (const [change, apply] of Object.entries(CHANGES)) {
    const changed: Frequencies[][] = [], of: number[] = [];
    for (let i = 0; i < n; i++) {
      const photo = photos[i * step];
      const { width, height } = await sharp(photo).metadata();
      const made = await apply(photo, width, height).toBuffer();
      const frames = await framesOf(new Uint8Array(made));
      if (!frames) continue; // no face, so no image
      changed.push(frames);
      of.push(i * step);
    }
    const found = (await pairsOf([...originals, ...changed])).filter(([image]) => image >= count);
    const right = new Set(
      found.flatMap(([image, original]) => original === of[image - count] ? [image] : []),
    );
    const wrong = found.filter(([image, original]) => original !== of[image - count]).length;
    const share = (right.size / changed.length).toFixed(3);
    console.log(`| ${change} | ${share} of ${changed.length} | ${wrong} |`);
  }
  detector.close();
}
