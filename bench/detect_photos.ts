/** Images for the comparison of detectors, with the places of their faces. */
import { join } from "node:path";
import sharp from "sharp";
import { random } from "../packages/random/random.ts";
import { decode, ImageError } from "../faces/images/decode_image.ts";
import type { Box, Image } from "../faces/images/image.ts";
import { RandomAccessFile } from "../packages/formats/random_access_file.ts";
import { scanTar } from "../packages/formats/tar.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawTraits } from "../faces/synthetic/traits.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import { drawBackground } from "../faces/synthetic/scene.ts";
import { Drawing } from "../faces/synthetic/svg.ts";

/** An image and its faces; the center of a detection must lie in one. */
export interface Picture {
  readonly name: string;
  readonly image: Image;
  readonly faces: readonly Box[];
}

/** A group of images, decoded on demand. */
export interface Pictures {
  readonly title: string;
  readonly count: number;
  read(): AsyncGenerator<Picture>;
}

const seed = 1;

/** Returns synthetic images, 256 × 256, half of them without a face. */
export function drawn(count: number): Pictures {
  return {
    title: "drawn, half of them without a face",
    count,
    async *read() {
      for (let i = 0; i < count; i++) {
        const rng = random(seed, "bench", "detect", i);
        const traits = drawTraits(rng, 3 + rng.int(85), i % 4 < 2 ? "female" : "male");
        const whole = i % 2 === 0;
        const svg = whole ? faceSvg(traits) : scene(traits);
        const image = await decode(await drawSvg(svg).png().toBuffer());
        yield { name: `drawn ${i}`, image, faces: whole ? [middle(image, 1 / 1.8)] : [] };
      }
    },
  };
}

function scene(traits: ReturnType<typeof drawTraits>): string {
  const drawing = new Drawing();
  drawBackground(drawing, traits, random(traits.strokes, "background"));
  return drawing.toString();
}

/** Left, top and side of the faces in face-api's photos, at their full width of 1920. */
const groups: Readonly<Record<string, readonly (readonly [number, number, number])[]>> = {
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
    count: Object.keys(groups).length,
    async *read() {
      for (const [name, faces] of Object.entries(groups)) {
        const file = await Deno.readFile(new URL(name, demo));
        yield {
          name,
          image: await decode(await sharp(file).resize(960).png().toBuffer()),
          faces: faces.map(([x, y, side]) => ({
            x: x / 2,
            y: y / 2,
            width: side / 2,
            height: side / 2,
          })),
        };
      }
    },
  };
}

/** Kinds of `expected.csv` for images with one face in the middle, and with none. */
const kinds = { face: ["keep"], none: ["no_face"] };

/**
 * Pictures of a folder with archives in the layout of IMDB-WIKI's `_crop` ones and an `expected.csv`
 * (archive, row, path, kind, ...): some with one face, some with none, or all of both.
 * @param count of each
 */
export async function folder(path: string, count: number): Promise<Pictures[]> {
  const text = await Deno.readTextFile(join(path, "expected.csv")).catch((cause) => {
    throw new Error(
      `Cannot take pictures from "${path}": ${cause.message}. It must have an expected.csv with the ` +
        "columns archive, row, path and kind, and the archives that it names, as .tar.",
      { cause },
    );
  });
  const rows = text.trim().split("\n").slice(1).map((line) => line.split(","))
    .map(([archive, , file, kind]) => ({ archive, file, kind }));
  return (["face", "none"] as const).map((which) => {
    const wanted = rows.filter(({ kind }) => kinds[which].includes(kind));
    random(seed, "bench", "detect", which).shuffle(wanted);
    const taken = wanted.slice(0, count);
    return {
      title: which === "face" ? "labelled faces" : "pictures without a face",
      count: taken.length,
      async *read() {
        using archives = openArchives(path, new Set(taken.map(({ archive }) => archive)));
        for (const { archive, file } of taken) {
          const bytes = archives.read(archive, file);
          try {
            const image = bytes && await decode(bytes);
            if (!image) continue;
            const faces = which === "face" ? [middle(image, 1 / 1.8)] : [];
            yield { name: `${archive}/${file}`, image, faces };
          } catch (error) {
            if (!(error instanceof ImageError)) throw error;
          }
        }
      },
    };
  });
}

function openArchives(path: string, names: Set<string>) {
  const opened = [...names].map((name) => {
    const tar = new RandomAccessFile(join(path, `${name}.tar`));
    return [name, {
      tar,
      entries: new Map([...scanTar(tar)].map((entry) => [entry.path, entry])),
    }] as const;
  });
  const archives = new Map(opened);
  return {
    read(name: string, file: string): Uint8Array<ArrayBuffer> | undefined {
      const { tar, entries } = archives.get(name)!;
      const entry = entries.get(`${name}/${file}`) ?? entries.get(file);
      return entry && tar.read(entry.offset, entry.size);
    },
    [Symbol.dispose]: () => opened.forEach(([, { tar }]) => tar.close()),
  };
}

function middle({ width, height }: Image, share: number): Box {
  const [across, down] = [width * share, height * share];
  return { x: (width - across) / 2, y: (height - down) / 2, width: across, height: down };
}
