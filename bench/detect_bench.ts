/** Speed and recall of the detectors beside dlib, image by image. */
import { join } from "node:path";
import sharp from "sharp";
import { random } from "../packages/random/random.ts";
import { decode } from "../faces/images/decode_image.ts";
import { type Box, hasCenterIn, type Image, scaleBox } from "../faces/images/image.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import { drawBackground } from "../faces/synthetic/scene.ts";
import { Drawing } from "../faces/synthetic/svg.ts";
import { defineBench, DENO, names, ResultLog, ROOT, table } from "./harness.ts";
import { inPeers, packages, Peer, pythonFor } from "./peer.ts";
import { archivePhotos, decodeIfWhole, drawnTraits, middle } from "./photos.ts";

const VARIANTS: Readonly<Record<string, { name: string; minFace?: number }>> = {
  "dlibCnn": { name: "dlibCnn" },
  // As a _crop archive's faces may be looked for: most of the time they are large.
  "dlibCnn-minFace0.45": { name: "dlibCnn", minFace: 0.45 },
  "ssdMobilenetv1": { name: "ssdMobilenetv1" },
  "tinyFaceDetector": { name: "tinyFaceDetector" },
};

const help = `deno task bench detect [options]

Runs dlib's CNN face detector and the project's detectors on the same images, each a process on one
core (on Linux, by taskset), in turns. The first run installs dlib in the user's cache folder. Also
reports the agreement of dlibCnn with dlib.

  --detectors LIST  of ${Object.keys(VARIANTS).join(", ")} (all)
  --count N         images of each kind (40)
  --faces DIR       adds photos of a folder: wiki_crop.tar and imdb_crop.tar with an expected.csv
  --all             all photos of that folder (15,000: some three hours)
  --keep FILE       log of the detections; a later run resumes from it
  --without-dlib    only the project's own
  --python PATH     a Python that has dlib-bin and numpy`;

/** Detections in an image: x, y, width, height and score of each face. */
interface Said {
  readonly ms: number;
  readonly faces: readonly (readonly number[])[];
}

type Seen = readonly {
  readonly picture: { readonly name: string; readonly faces: readonly Box[] };
  readonly said: Readonly<Record<string, Said>>;
}[];

export type DetectRow = ReturnType<typeof rows>[number];

const defaults = {
  detectors: names(Object.keys(VARIANTS)),
  count: 40,
  faces: undefined,
  all: false,
  keep: undefined,
  "without-dlib": false,
  python: undefined,
} as const;
export const bench = defineBench(
  help,
  defaults,
  async ({ detectors, count, ...values }, folder) => {
    if (values.all && !values.faces) {
      throw new Error("Cannot take --all photos without --faces DIR.");
    }
    const kept = new ResultLog<Said>(values.keep);
    const groups = [
      drawn(count),
      photos(),
      ...values.faces ? await labelled(values.faces, values.all ? Infinity : count) : [],
    ];
    await using stack = new AsyncDisposableStack();
    const peers = new Map<string, Peer>();
    const open = (name: string, command: string, args: string[]) => {
      const pinned = Deno.build.os === "linux" ? ["taskset", "-c", "0"] : [];
      const [program, ...rest] = [...pinned, command, ...args];
      peers.set(name, stack.use(new Peer(name, program, rest)));
    };
    if (!values["without-dlib"]) {
      const weights = join(ROOT, "faces/detection/detectors/dlib/mmod_human_face_detector.dat");
      open("dlib", await pythonFor("dlib", values.python), [inPeers("dlib_peer.py"), weights]);
    }
    for (const name of detectors) {
      const options = JSON.stringify(VARIANTS[name]);
      open(name, Deno.execPath(), [...DENO, inPeers("detector_peer.ts"), options]);
    }
    const found: { title: string; seen: Seen }[] = [];
    for (const group of groups) {
      const seen: Seen[number][] = [];
      for await (const { image: { data, width, height }, ...picture } of group.read()) {
        const file = join(folder, "picture.rgb");
        await Deno.writeFile(file, data);
        const said: Record<string, Said> = {};
        for (const [detector, peer] of peers) {
          const key = { detector, picture: picture.name, width, height };
          said[detector] = await kept.take(key, async () => {
            const { ms, faces } = await peer.ask({ op: "detect", file, width, height });
            return { ms: ms as number, faces: faces! };
          });
        }
        seen.push({ picture, said });
        if (seen.length % 50 === 0) console.error(`${seen.length}: ${group.title}`);
      }
      found.push({ title: group.title, seen });
    }
    const all = found.flatMap(({ seen }) => seen), detected = [...peers.keys()];
    const both = peers.has("dlib") && peers.has("dlibCnn");
    const report = {
      pictures: found.map(({ title, seen }) => ({
        title,
        pictures: seen.length,
        faces: seen.reduce((sum, { picture }) => sum + picture.faces.length, 0),
        detect: rows(detected, seen),
      })),
      detect: rows(detected, all),
      agreement: both ? agreement(all) : null,
    };
    return { text: toMarkdown(report), json: { packages: { dlib: packages.dlib }, ...report } };
  },
);

/** An image and its faces; the center of a detection must lie in one. */
interface Picture {
  readonly name: string;
  readonly image: Image;
  readonly faces: readonly Box[];
}

/** A group of images, decoded on demand. */
interface Pictures {
  readonly title: string;
  read(): AsyncGenerator<Picture>;
}

/** Returns synthetic images, 256 × 256, half of them without a face. */
export function drawn(count: number): Pictures {
  return {
    title: "drawn, half of them without a face",
    async *read() {
      for (let i = 0; i < count; i++) {
        const traits = drawnTraits("detect", i, i % 4 < 2), whole = i % 2 === 0;
        const scene = new Drawing();
        drawBackground(scene, traits, random(traits.strokes, "background"));
        const svg = whole ? faceSvg(traits) : scene.toString();
        const image = await decode(await drawSvg(svg).png().toBuffer());
        yield { name: `drawn ${i}`, image, faces: whole ? [middle(image)] : [] };
      }
    },
  };
}

/** Left, top and side of the faces in face-api's photos, at their full width of 1920. */
const PLACES: Readonly<Record<string, readonly (readonly [number, number, number])[]>> = {
  "sample1.jpg": [[1450, 240, 200], [810, 440, 200], [370, 380, 200]],
  "sample2.jpg": [[1430, 180, 200], [890, 280, 160], [330, 150, 240]],
  "sample3.jpg": [[570, 360, 200], [1020, 250, 240], [1490, 340, 200]],
  "sample4.jpg": [[660, 110, 160], [1250, 190, 160], [260, 220, 200], [950, 220, 200]],
  "sample5.jpg": [
    ...[[770, 120, 200], [1380, 390, 240], [610, 460, 160], [350, 890, 240], [1070, 220, 200]],
  ] as [number, number, number][],
  "sample6.jpg": [[1470, 310, 200], [630, 390, 200], [1150, 350, 200], [260, 500, 240]],
};

/** Returns face-api's six group photos at half size. */
export function photos(): Pictures {
  const demo = new URL("demo/", import.meta.resolve("@vladmandic/face-api/package.json"));
  return {
    title: "photos of groups, 960 pixels wide",
    async *read() {
      for (const [name, places] of Object.entries(PLACES)) {
        const file = await Deno.readFile(new URL(name, demo));
        const image = await decode(await sharp(file).resize(960).png().toBuffer());
        const faces = places.map(([x, y, width]) => scaleBox({ x, y, width, height: width }, 0.5));
        yield { name, image, faces };
      }
    },
  };
}

/**
 * Returns pictures of a folder with archives in the layout of IMDB-WIKI's `_crop` ones and an
 * `expected.csv` (archive, row, path, kind, ...): `count` with one face in the middle, and as many with
 * none.
 */
async function labelled(folder: string, count: number): Promise<Pictures[]> {
  const text = await Deno.readTextFile(join(folder, "expected.csv")).catch((cause) => {
    throw new Error(
      `Cannot take pictures from "${folder}": ${cause.message}. It must have an expected.csv with ` +
        "the columns archive, row, path and kind, and the archives that it names, as .tar.",
      { cause },
    );
  });
  const listed = text.trim().split("\n").slice(1).map((line) => line.split(","));
  const kinds = { face: ["keep", "labelled faces"], none: ["no_face", "pictures without a face"] };
  return Object.entries(kinds).map(([which, [wanted, title]]) => {
    const rows = listed.filter(([, , , kind]) => kind === wanted);
    random(1, "bench", "detect", which).shuffle(rows);
    const taken = rows.slice(0, count);
    const names = new Set(taken.map(([archive, , file]) => `${archive}/${file}`));
    return {
      title,
      async *read() {
        const archives = [...new Set(taken.map(([archive]) => archive))];
        for (const { name, photo } of archivePhotos(folder, archives, (name) => names.has(name))) {
          const image = await decodeIfWhole(photo);
          if (image) yield { name, image, faces: which === "face" ? [middle(image)] : [] };
        }
      },
    };
  });
}

/** Returns a row for each detector; `falseFinds` are boxes in pictures without a face. */
export function rows(names: readonly string[], seen: Seen) {
  const seconds = (name: string) => seen.reduce((sum, { said }) => sum + said[name].ms, 0) / 1000;
  return names.map((detector) => {
    let found = 0, falseFinds = 0;
    for (const { picture, said } of seen) {
      const boxes = said[detector].faces.map(([x, y, width, height]) => ({ x, y, width, height }));
      if (picture.faces.length === 0) falseFinds += boxes.length;
      found += picture.faces.filter((place) => boxes.some((box) => hasCenterIn(box, place))).length;
    }
    const timesDlib = names.includes("dlib") ? seconds("dlib") / seconds(detector) : null;
    const picturesPerSecond = seen.length / seconds(detector);
    return { detector, picturesPerSecond, found, falseFinds, timesDlib };
  });
}

/**
 * Compares dlibCnn's faces with dlib's. Returns the number of pictures with the same faces (boxes within
 * 2 pixels, scores within 0.02), the names of the others, and the maximum differences.
 */
export function agreement(seen: Seen) {
  const told = { pictures: seen.length, same: 0, faces: 0, mostPixels: 0, mostScore: 0 };
  const others: string[] = [];
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
    if (same) told.same++;
    else others.push(picture.name);
  }
  return { ...told, others };
}

export function toMarkdown({ pictures, detect, agreement: alike }: {
  pictures: { title: string; pictures: number; faces: number; detect: DetectRow[] }[];
  detect: DetectRow[];
  agreement: ReturnType<typeof agreement> | null;
}): string {
  const of = (rows: readonly DetectRow[]) =>
    table(
      ["detector", "images/s", "times dlib", "found", "false positives"],
      rows.map(({ detector, picturesPerSecond, found, falseFinds, timesDlib }) => [
        ...[detector, picturesPerSecond.toFixed(picturesPerSecond < 10 ? 2 : 1)],
        ...[timesDlib?.toFixed(1) ?? "–", String(found), String(falseFinds)],
      ]),
    );
  return [
    ...pictures.map(({ title, pictures, faces, detect }) =>
      `${pictures} ${title}; ${faces} faces\n\n${of(detect)}`
    ),
    `All\n\n${of(detect)}`,
    ...alike
      ? [
        `dlibCnn and dlib detect the same in ${alike.same} of ${alike.pictures} pictures: boxes ` +
        `within ${alike.mostPixels} pixels, scores within ${alike.mostScore.toFixed(5)}` +
        (alike.others.length > 0 ? `. Except ${alike.others.join(", ")}` : ""),
      ]
      : [],
  ].join("\n\n");
}
