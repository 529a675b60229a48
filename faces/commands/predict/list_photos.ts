/** The photos of a folder, listed with one folder in memory at a time, in a fixed order. */
import { extname, join } from "node:path";
import { HEAD_BYTES, identifyImage } from "../../../packages/formats/image_format.ts";

/** Extensions of photos, also in formats that are not decoded. Other files are read to decide. */
const EXTENSIONS = new Set(
  ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "tif", "tiff", "avif", "heic", "heif"]
    .map((extension) => `.${extension}`),
);

/** An entry of a folder. */
export type Listed =
  | { readonly photo: string }
  /** A file of another kind. */
  | { readonly other: string }
  | { readonly unreadable: string; readonly reason: string };

/**
 * Lists a folder: names in the order of their UTF-16 code units, folders among the files. Follows
 * links to files, but not to folders, which may be circular. Skips names with a leading dot.
 * @param prefix prefix of the listed paths
 */
export function* listPhotos(
  folder: string,
  recursive: boolean,
  prefix = "",
): Generator<Listed, void, undefined> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    yield { unreadable: prefix || ".", reason: (error as Error).message };
    return;
  }
  entries = entries.filter(({ name }) => !name.startsWith("."))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    const path = prefix + name;
    if (isDirectory) {
      if (recursive) yield* listPhotos(join(folder, name), recursive, `${path}/`);
    } else if (EXTENSIONS.has(extname(name).toLowerCase()) || holdsPhoto(join(folder, name))) {
      yield { photo: path };
    } else yield { other: path };
  }
}

/** Returns true if a file begins like a photo, also of a format that is not decoded. */
function holdsPhoto(path: string): boolean {
  try {
    if (!Deno.statSync(path).isFile) return false; // opening a pipe waits for a writer
    using file = Deno.openSync(path);
    const head = new Uint8Array(HEAD_BYTES);
    const kind = identifyImage(head.subarray(0, file.readSync(head) ?? 0))?.kind;
    return kind === "decoded" || kind === "photo";
  } catch {
    return false; // reported only if its extension is a photo's
  }
}
