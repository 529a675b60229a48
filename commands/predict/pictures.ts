/** The pictures below a folder, one folder in memory at a time, in an order that does not change. */
import { extname, join } from "node:path";

/** Endings of the formats that are decoded (`faces/decode.ts`). */
const endings = new Set(
  ["jpg", "jpeg", "png", "webp", "gif", "tif", "tiff", "avif", "heic", "heif"].map((e) => `.${e}`),
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
    } else if (endings.has(extname(name).toLowerCase())) yield { picture: path };
    else yield { other: path };
  }
}
