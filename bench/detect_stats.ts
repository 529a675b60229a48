/** Statistics and tables of the detector benchmark. */
import { type Box, hasCenterIn } from "../faces/images/image.ts";
import { type machine, table } from "./machine_table.ts";

/** Detections in an image: x, y, width, height and score of each face. */
export interface Said {
  readonly ms: number;
  readonly faces: readonly (readonly number[])[];
}

/** One detector's figures over all pictures. */
export interface DetectRow {
  detector: string;
  picturesPerSecond: number;
  /** Number of detected faces. */
  found: number;
  /** Boxes in pictures without a face. */
  falseFinds: number;
  /** Speed relative to dlib; null without dlib. */
  timesDlib: number | null;
}

/** Agreement of dlibCnn with dlib. */
export interface Agreement {
  pictures: number;
  /** Pictures with the same faces: boxes within 2 pixels, scores within 0.02. */
  same: number;
  faces: number;
  /** Maximum difference over the faces that both detected. */
  mostPixels: number;
  mostScore: number;
  /** The pictures that differ. */
  others: string[];
}

export interface DetectReport {
  machine: ReturnType<typeof machine>;
  packages: Record<string, readonly string[]>;
  pictures: { title: string; pictures: number; faces: number; detect: DetectRow[] }[];
  detect: DetectRow[];
  agreement: Agreement | null;
}

type Seen = readonly {
  readonly picture: { readonly name: string; readonly faces: readonly Box[] };
  readonly said: Readonly<Record<string, Said>>;
}[];

/** A row for each detector. */
export function rows(names: readonly string[], seen: Seen): DetectRow[] {
  const seconds = (name: string) => seen.reduce((sum, { said }) => sum + said[name].ms, 0) / 1000;
  return names.map((detector) => {
    let found = 0, falseFinds = 0;
    for (const { picture, said } of seen) {
      const boxes = said[detector].faces.map(toBox);
      if (picture.faces.length === 0) falseFinds += boxes.length;
      found += picture.faces.filter((place) => boxes.some((box) => hasCenterIn(box, place))).length;
    }
    return {
      detector,
      picturesPerSecond: seen.length / seconds(detector),
      found,
      falseFinds,
      timesDlib: names.includes("dlib") ? seconds("dlib") / seconds(detector) : null,
    };
  });
}

/** Compares dlibCnn's faces with dlib's, face by face. */
export function agreement(seen: Seen): Agreement {
  const told: Agreement = {
    pictures: 0,
    same: 0,
    faces: 0,
    mostPixels: 0,
    mostScore: 0,
    others: [],
  };
  for (const { picture, said } of seen) {
    const [ours, theirs] = [said.dlibCnn.faces, said.dlib.faces];
    let same = ours.length === theirs.length;
    for (const face of theirs) {
      // The nearest: two scores that are nearly equal may come in either order.
      const off = (other: readonly number[]) =>
        Math.max(...[0, 1, 2, 3].map((side) => Math.abs(other[side] - face[side])));
      const nearest = ours.toSorted((a, b) => off(a) - off(b)).at(0);
      if (!nearest) continue;
      const [pixels, score] = [off(nearest), Math.abs(nearest[4] - face[4])];
      const alike = pixels <= 2 && score <= 0.02;
      same &&= alike;
      told.faces++;
      if (!alike) continue;
      told.mostPixels = Math.max(told.mostPixels, pixels);
      told.mostScore = Math.max(told.mostScore, score);
    }
    told.pictures++;
    if (same) told.same++;
    else told.others.push(picture.name);
  }
  return told;
}

function toBox([x, y, width, height]: readonly number[]): Box {
  return { x, y, width, height };
}

export function toMarkdown({ pictures, detect, agreement }: DetectReport): string {
  const head = ["detector", "pictures/s", "times dlib", "found", "false finds"];
  const of = (rows: readonly DetectRow[]) =>
    table(
      head,
      rows.map(({ detector, picturesPerSecond, found, falseFinds, timesDlib }) => [
        detector,
        picturesPerSecond.toFixed(picturesPerSecond < 10 ? 2 : 1),
        timesDlib?.toFixed(1) ?? "–",
        String(found),
        String(falseFinds),
      ]),
    );
  const parts = pictures.map(({ title, pictures, faces, detect }) =>
    `${pictures} ${title}; ${faces} faces\n\n${of(detect)}`
  );
  parts.push(`All\n\n${of(detect)}`);
  if (agreement) {
    parts.push(
      `dlibCnn and dlib detect the same in ${agreement.same} of ${agreement.pictures} pictures: boxes ` +
        `within ${agreement.mostPixels} pixels, scores within ${agreement.mostScore.toFixed(5)}` +
        (agreement.others.length > 0 ? `. Except ${agreement.others.join(", ")}` : ""),
    );
  }
  return parts.join("\n\n");
}
