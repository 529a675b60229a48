/** Photos for benchmarks: drawn ones, and those of archives in the layout of IMDB-WIKI's `_crop` ones. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { RandomAccessFile } from "../packages/formats/random_access_file.ts";
import { scanTar } from "../packages/formats/tar.ts";
import { decode, ImageError } from "../faces/images/decode_image.ts";
import type { Box, Image } from "../faces/images/image.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import { drawTraits, type Traits } from "../faces/synthetic/traits.ts";

export function drawnTraits(bench: string, i: number, female: boolean): Traits {
  const rng = random(1, "bench", bench, i);
  return drawTraits(rng, 3 + rng.int(85), female ? "female" : "male");
}

/** Returns JPEGs of a folder's wiki_crop.tar, at most `count`, or as many drawn ones. */
export async function somePhotos(faces: string | undefined, count: number): Promise<Uint8Array[]> {
  if (faces !== undefined) {
    return archivePhotos(faces, ["wiki_crop"], (_, size) => size >= 2000).take(count)
      .map(({ photo }) => photo).toArray();
  }
  return await Array.fromAsync(
    { length: count },
    (_, i) => drawSvg(faceSvg(drawnTraits("crop", i, i % 2 === 0))).flatten().jpeg().toBuffer(),
  );
}

/** Yields the JPEGs of a folder's archives with their names, "wiki_crop/17/1.jpg". */
export function* archivePhotos(
  folder: string,
  archives: readonly string[],
  wanted: (name: string, size: number) => boolean = () => true,
): Generator<{ name: string; photo: Uint8Array<ArrayBuffer> }, void, undefined> {
  for (const archive of archives) {
    using file = new RandomAccessFile(join(folder, `${archive}.tar`));
    for (const { path, offset, size } of scanTar(file)) {
      const name = `${archive}/${path.replace(`${archive}/`, "")}`;
      if (path.endsWith(".jpg") && wanted(name, size)) {
        yield { name, photo: file.read(offset, size) };
      }
    }
  }
}

export async function decodeIfWhole(photo: Uint8Array): Promise<Image | undefined> {
  return await decode(photo).catch((error) => {
    if (!(error instanceof ImageError)) throw error;
    return undefined;
  });
}

/** Returns the middle of an image, where the face of a `_crop` archive is. */
export function middle({ width, height }: { width: number; height: number }): Box {
  const [across, down] = [width / 1.8, height / 1.8];
  return { x: (width - across) / 2, y: (height - down) / 2, width: across, height: down };
}
