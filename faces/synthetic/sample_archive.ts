/** Draws the synthetic faces and packs them as an archive in the layout of IMDB-WIKI's `wiki_crop.tar`. */
import sharp, { type Sharp } from "sharp";
import { random, type Rng } from "../../packages/random/random.ts";
import { writeMat } from "../../packages/formats/mat_write.ts";
import { TarWriter } from "../../packages/formats/tar.ts";
import { moveDurably } from "../../packages/pipeline/durable.ts";
import type { StageContext } from "../../packages/pipeline/stage.ts";
import { faceSvg } from "./drawn_face.ts";
import { times } from "./geometry.ts";
import { viewSvg } from "./scene.ts";
import { IMAGE_SIZE } from "./svg.ts";
import { drawPerson, drawTraits, type Gender, type Person, photograph } from "./traits.ts";

export const sampleArchive = "sample_crop.tar";

const BATCH_SIZE = 16;

/**
 * Writes `<folder>/sample_crop.tar`: `sample_crop/sample.mat`, a struct `sample` with IMDB-WIKI's
 * fields, and a JPEG for each row but the missing. Each picture is a face with 40 % of its size on
 * every side, as in the real `_crop` archives. The same seed gives the same bytes.
 * @param folder an existing one; the archive is written to it atomically
 * @param faces number of valid rows; about one invalid row per ten is added
 */
export async function drawSample(
  folder: string,
  faces: number,
  { seed, signal, progress }: Pick<StageContext, "seed" | "signal" | "progress">,
): Promise<void> {
  if (!Number.isSafeInteger(faces) || faces < 1) {
    throw new RangeError(`Cannot draw ${faces} synthetic faces: the minimum is 1.`);
  }
  const rows = planSample(seed, faces);
  const path = `${folder}/${sampleArchive}`;
  const partial = `${path}.partial`;
  progress.start(rows.length, "faces");
  try {
    {
      using tar = new TarWriter(partial);
      tar.add("sample_crop/sample.mat", matFile(rows));
      for (let start = 0; start < rows.length; start += BATCH_SIZE) {
        signal.throwIfAborted();
        const batch = rows.slice(start, start + BATCH_SIZE);
        const pictures = await Promise.all(batch.map((row, i) => draw(row, seed, start + i)));
        for (const [i, picture] of pictures.entries()) {
          if (picture) tar.add(`sample_crop/${batch[i].path}`, picture);
        }
        progress.advance(batch.length, sampleArchive);
      }
      tar.close();
    }
    await moveDurably(partial, path);
  } catch (error) {
    await Deno.remove(partial).catch(() => {}); // the first error counts
    throw error;
  }
}

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

async function jpeg(picture: Sharp, rng: Rng): Promise<Uint8Array> {
  return await picture.jpeg({ quality: 84 + rng.int(12) }).toBuffer();
}

/** Flaw of a row; "good": none. */
export type RowKind = "good" | keyof typeof flaws;

/** Rows with each flaw per hundred good ones; at least one. */
const flaws = {
  unknownGender: 2,
  /** An image without a person: the face score is -Inf. */
  noFace: 3,
  /** Out of focus: the face score is below 1. */
  lowScore: 1,
  secondFace: 2,
  /** By the dates, the person is not born or impossibly old. */
  absurdAge: 1,
  missing: 0.5,
  /** The image is truncated, has no bytes, or is a text. */
  truncated: 0.5,
  empty: 0.25,
  notImage: 0.25,
} as const;

/** A row of the .mat, and the content of its image. */
export interface Row {
  readonly kind: RowKind;
  readonly person: Person;
  /** Age in years that the drawing shows. */
  readonly age: number;
  /** As in the .mat: a MATLAB serial day, and a year. */
  readonly dob: number;
  readonly year: number;
  readonly path: string;
  /** 0 female, 1 male, NaN unknown. */
  readonly gender: number;
  readonly name: string;
  /** Left, top, right, bottom in an original photo, which does not exist. */
  readonly location: readonly number[];
  readonly score: number;
  readonly secondScore: number;
}

/** 1 January 1970 as a MATLAB serial day. */
const EPOCH_DAY = 719529;
const DAYS_PER_YEAR = 365.2425;

/** "Subject" in several languages; all people are invented. */
const words = ["Subject", "Subject", "Subject", "Subject", "Försöksperson", "Účastník", "Катысушы"]
  .concat(["Υποκείμενο", "被写体", "대상자", "Özne", "Đối tượng"]);

/** Returns all rows in the order of the .mat: `faces` good ones, and about one in ten with flaws. */
export function planSample(seed: number, faces: number): Row[] {
  const rng = random(seed, "sample plan");
  const kinds: RowKind[] = times(faces, () => "good");
  for (const [kind, share] of Object.entries(flaws)) {
    const count = Math.max(1, Math.round(share * faces / 100));
    kinds.push(...times(count, () => kind as RowKind));
  }
  rng.shuffle(kinds);

  const rows: Row[] = [];
  const balance = { female: 0, male: 0 };
  let id = 10_000_000;
  let someone: Someone | undefined;
  for (const kind of kinds) {
    if (!someone || someone.years.length === 0) {
      id += 1 + rng.int(40_000);
      someone = meet(rng, balance.female < balance.male ? "female" : "male", id);
    }
    if (kind === "good") balance[someone.person.gender]++;
    rows.push(toRow(rng, someone, someone.years.pop()!, kind));
  }
  rng.shuffle(rows);
  return rows;
}

/** A person with a name, a date of birth, and the years of the photos. */
interface Someone {
  readonly person: Person;
  readonly id: number;
  readonly name: string;
  readonly dob: number;
  readonly years: number[];
}

function meet(rng: Rng, gender: Gender, id: number): Someone {
  const year = 1965 + rng.int(50);
  const age = drawAge(rng);
  const years = [year];
  // Every sixth person has several photos.
  if (rng.next() < 1 / 6) {
    const others = times(31, (i) => year - 15 + i).filter((other) =>
      other !== year && other <= 2014 && isInRange(age + other - year)
    );
    rng.shuffle(others);
    years.push(...others.slice(0, 1 + rng.int(3)));
  }
  return {
    person: drawPerson(rng, gender),
    id,
    name: `${rng.pick(words)} ${String(rng.int(100_000)).padStart(5, "0")}`,
    dob: middleOf(year) - Math.round(age * DAYS_PER_YEAR),
    years,
  };
}

const isInRange = (age: number) => age >= 1 && age < 95;

/** Draws an age: 30 % as in the real data, mostly 20 to 45, the rest uniform. */
function drawAge(rng: Rng): number {
  for (;;) {
    const age = rng.next() < 0.3 ? 33 + 10 * rng.normal() : 95 * rng.next();
    if (isInRange(age)) return age;
  }
}

function toRow(rng: Rng, someone: Someone, year: number, kind: RowKind): Row {
  const { person, id, name } = someone;
  const age = (middleOf(year) - someone.dob) / DAYS_PER_YEAR;
  // A wrong year of birth: of another person with the same name.
  const error = kind !== "absurdAge"
    ? 0
    : rng.next() < 0.5
    ? age + 1 + rng.int(9)
    : -101 - rng.int(30);
  const dob = someone.dob + Math.round(error * DAYS_PER_YEAR);
  const date = new Date((dob - EPOCH_DAY) * 86_400_000).toISOString().slice(0, 10);
  const face = 50 + 350 * rng.next();
  const [left, top] = [1 + face * (0.4 + rng.next()), 1 + face * (0.4 + rng.next())];
  const clear = 1.05 + 5 * rng.next();
  return {
    kind,
    person,
    age,
    dob,
    year,
    path: `${String(id % 100).padStart(2, "0")}/${id}_${date}_${year}.jpg`,
    gender: kind === "unknownGender" ? NaN : person.gender === "male" ? 1 : 0,
    name,
    location: kind === "noFace"
      ? [1, 1, Math.round(face * 3), Math.round(face * 2)]
      : [left, top, left + face, top + face],
    score: kind === "noFace" ? -Infinity : kind === "lowScore" ? 0.95 * rng.next() : clear,
    secondScore: kind === "secondFace" ? 1.05 + 2 * rng.next() : NaN,
  };
}

/** Returns 1 July of a year, the reference of IMDB-WIKI's ages, as a MATLAB serial day. */
function middleOf(year: number): number {
  return Date.UTC(year, 6, 1) / 86_400_000 + EPOCH_DAY;
}
