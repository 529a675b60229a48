/** A folder with as many labelled pictures as are wanted, which are some hundreds, repeated. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { RandomAccessFile } from "../packages/formats/random_access_file.ts";
import { scanTar } from "../packages/formats/tar.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawTraits } from "../faces/synthetic/traits.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";

/** Pictures that differ. */
const DIFFERENT = 400;
/** Smaller files are no pictures. */
const LEAST = 2000;
const seed = 1;

/** JPEGs: of a folder's wiki_crop.tar, or drawn. */
export async function somePictures(faces: string | undefined): Promise<Uint8Array[]> {
  return faces === undefined ? await drawnOnes() : fromArchive(join(faces, "wiki_crop.tar"));
}

async function drawnOnes(): Promise<Uint8Array[]> {
  const pictures: Uint8Array[] = [];
  for (let i = 0; i < DIFFERENT; i++) {
    const rng = random(seed, "bench", "crop", i);
    const svg = faceSvg(drawTraits(rng, 3 + rng.int(85), i % 2 === 0 ? "female" : "male"));
    pictures.push(await drawSvg(svg).flatten().jpeg().toBuffer());
  }
  return pictures;
}

function fromArchive(path: string): Uint8Array[] {
  using archive = new RandomAccessFile(path);
  const pictures: Uint8Array[] = [];
  for (const { path, offset, size } of scanTar(archive)) {
    if (pictures.length === DIFFERENT) break;
    if (path.endsWith(".jpg") && size >= LEAST) pictures.push(archive.read(offset, size));
  }
  return pictures;
}

/**
 * Writes the pictures into a folder as the files of a data set of one's own; more than there are are
 * other names of the same files.
 */
export async function writePictures(
  folder: string,
  pictures: readonly Uint8Array[],
  count: number,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const lines = ["path,age,gender"];
  const name = (i: number) => `${String(Math.floor(i / 1000)).padStart(3, "0")}/${i}.jpg`;
  for (let i = 0; i < count; i++) {
    const path = join(folder, name(i)), first = i % pictures.length;
    if (i % 1000 === 0) await Deno.mkdir(join(folder, name(i), ".."), { recursive: true });
    if (i === first) await Deno.writeFile(path, pictures[i]);
    else await Deno.link(join(folder, name(first)), path);
    lines.push(`${name(i)},${20 + i % 60},${i % 2}`);
  }
  await Deno.writeTextFile(join(folder, "labels.csv"), lines.join("\n") + "\n");
}
