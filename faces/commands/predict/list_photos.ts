/** The pictures below a folder, one folder in memory at a time, in an order that does not change. */
import { extname, join } from "node:path";
import { HEAD_BYTES, identifyImage } from "../../../packages/formats/image_format.ts";

/** Endings of photos, also of formats that are not decoded. Of files with others their bytes decide. */
const endings = new Set(
  ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "tif", "tiff", "avif", "heic", "heif"]
    .map((ending) => `.${ending}`),
);

/** Something in a folder. */
export type Listed =
  | { readonly picture: string }
  /** A file of another kind. */
  | { readonly other: string }
  | { readonly unreadable: string; readonly reason: string };

/**
 * Goes through a folder: names in the order of their UTF-16 code units, folders among the files. Links to
 * files are followed, those to folders are not, since they may lead in a circle. Names with a dot in
 * front are left out.
 * @param below what comes before the paths that are told
 */
export function* listPictures(
  folder: string,
  recursive: boolean,
  below = "",
): Generator<Listed, void, undefined> {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    yield { unreadable: below || ".", reason: (error as Error).message };
    return;
  }
  entries = entries.filter(({ name }) => !name.startsWith("."))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isDirectory } of entries) {
    const path = below + name;
    if (isDirectory) {
      if (recursive) yield* listPictures(join(folder, name), recursive, `${path}/`);
    } else if (endings.has(extname(name).toLowerCase()) || holdsPhoto(join(folder, name))) {
      yield { picture: path };
    } else yield { other: path };
  }
}

/** Returns whether a file begins as a photo does, also one of a format that is not decoded. */
function holdsPhoto(path: string): boolean {
  try {
    if (!Deno.statSync(path).isFile) return false; // to open a pipe waits for a writer
    using file = Deno.openSync(path);
    const head = new Uint8Array(HEAD_BYTES);
    const kind = identifyImage(head.subarray(0, file.readSync(head) ?? 0))?.kind;
    return kind === "decoded" || kind === "photo";
  } catch {
    return false; // what cannot be read is named only where its ending is a photo's
  }
}
