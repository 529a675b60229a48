/** Draws the synthetic faces and packs them as an archive in the layout of IMDB-WIKI's `wiki_crop.tar`. */
import sharp, { type Sharp } from "sharp";
import { random, type Rng } from "../../packages/random/random.ts";
import { writeMat } from "../../packages/formats/mat_write.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import { faceSvg } from "./drawn_face.ts";
import { planSample, type Row } from "./sample_rows.ts";
import { IMAGE_SIZE } from "./svg.ts";
import { drawTraits, photograph } from "./traits.ts";
import { viewSvg } from "./non_faces.ts";

/** Name of the archive that `drawSample` writes. */
export const sampleArchive = "sample_crop.tar";

export interface SampleOptions {
  /** An existing folder; the archive is written to it atomically. */
  folder: string;
  seed: number;
  /** Number of valid rows; about one invalid row per ten is added. */
  faces: number;
  signal?: AbortSignal;
  /** Reports the number of finished rows. */
  onProgress?(done: number, total: number): void;
}

/** Images drawn concurrently. */
const BATCH_SIZE = 16;

/**
 * Writes `<folder>/sample_crop.tar`: `sample_crop/sample.mat`, a struct `sample` with IMDB-WIKI's
 * fields, and a JPEG for each row but the missing. Each picture is a face with 40 % of its size on
 * every side, as in the real `_crop` archives. The same seed gives the same bytes.
 */
export async function drawSample(options: SampleOptions): Promise<void> {
  const { folder, seed, faces, signal, onProgress } = options;
  if (!Number.isSafeInteger(faces) || faces < 1) {
    throw new RangeError(`Cannot draw ${faces} synthetic faces: the minimum is 1.`);
  }
  const rows = planSample(seed, faces);
  const path = `${folder}/${sampleArchive}`;
  const partial = `${path}.partial`;
  try {
    {
      using tar = new TarWriter(partial);
      tar.add("sample_crop/sample.mat", matFile(rows));
      for (let start = 0; start < rows.length; start += BATCH_SIZE) {
        signal?.throwIfAborted();
        const batch = rows.slice(start, start + BATCH_SIZE);
        const pictures = await Promise.all(batch.map((row, i) => draw(row, seed, start + i)));
        for (const [i, picture] of pictures.entries()) {
          if (picture) tar.add(`sample_crop/${batch[i].path}`, picture);
        }
        onProgress?.(Math.min(start + BATCH_SIZE, rows.length), rows.length);
      }
      tar.close();
    }
    await moveDurably(partial, path);
  } catch (error) {
    await Deno.remove(partial).catch(() => {}); // the first error counts
    throw error;
  }
}

/** Returns the rows as a MATLAB file. */
function matFile(rows: readonly Row[]): Uint8Array {
  return writeMat("sample", {
    dob: rows.map(({ dob }) => dob),
    photo_taken: rows.map(({ year }) => year),
    full_path: { cell: rows.map(({ path }) => path) },
    gender: rows.map(({ gender }) => gender),
    name: { cell: rows.map(({ name }) => name) },
    face_location: { cell: rows.map(({ location }) => location) },
    face_score: rows.map(({ score }) => score),
    second_face_score: rows.map(({ secondScore }) => secondScore),
  });
}

/** Draws a row's file; undefined if it is to be missing. */
async function draw(row: Row, seed: number, number: number): Promise<Uint8Array | undefined> {
  const rng = random(seed, "sample picture", number);
  const face = () => render(faceSvg(photograph(rng, row.person, row.age)));
  switch (row.kind) {
    case "missing":
      return undefined;
    case "empty":
      return new Uint8Array();
    case "notImage":
      return new TextEncoder().encode("<html><body><h1>404 Not Found</h1></body></html>\n");
    case "truncated": {
      const whole = await jpeg(face(), rng);
      return whole.subarray(0, Math.floor(whole.length * (0.2 + 0.3 * rng.next())));
    }
    case "noFace":
      return await jpeg(render(viewSvg(rng)), rng);
    case "lowScore":
      return await jpeg(face().blur(5 + 4 * rng.next()), rng);
    case "secondFace":
      return await jpeg(await couple(row, rng), rng);
    default:
      return await jpeg(face(), rng);
  }
}

/** Draws two people side by side. */
async function couple(row: Row, rng: Rng): Promise<Sharp> {
  const one = photograph(rng, row.person, row.age);
  const other = drawTraits(rng, 18 + 50 * rng.next(), rng.pick(["female", "male"]));
  const half = IMAGE_SIZE / 2;
  const [left, right] = await Promise.all(
    [one, other].map((traits) =>
      render(faceSvg(traits)).extract({ left: half / 2, top: 0, width: half, height: IMAGE_SIZE })
        .png().toBuffer()
    ),
  );
  return sharp(left).extend({ right: half, background: "#000000" })
    .composite([{ input: right, left: half, top: 0 }]);
}

function render(svg: string): Sharp {
  return drawSvg(svg).removeAlpha();
}

/** Renders an SVG of the project. Others are refused: see `faces/images/decode_image.ts`. */
export function drawSvg(svg: string): Sharp {
  return sharp(new TextEncoder().encode(svg));
}

/** Encodes a JPEG of varying quality. */
async function jpeg(picture: Sharp, rng: Rng): Promise<Uint8Array> {
  return await picture.jpeg({ quality: 84 + rng.int(12) }).toBuffer();
}
