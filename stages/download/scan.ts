/** Goes through downloaded archives: refuses unsafe ones, and notes where each file lies. */
import { join } from "node:path";
import { RandomAccess } from "../../formats/randomAccess.ts";
import { scanTar } from "../../formats/tar.ts";
import type { Place } from "../archives.ts";
import { counted } from "../../runner/words.ts";

export interface Contents {
  /** Path as in the MATLAB file → where the file lies. */
  readonly places: Map<string, Place>;
  readonly metadata: Place & { readonly path: string };
  /** Paths that occur twice; the later file counts, as when tar unpacks. */
  readonly repeated: number;
}

/** The files of a dataset's archives. `metadataName` is the MATLAB file's, without folders. */
export async function scanArchives(
  folder: string,
  tars: readonly string[],
  metadataName: string,
  options: { signal?: AbortSignal; onFile?(path: string): void } = {},
): Promise<Contents> {
  const places = new Map<string, Place>();
  let metadata: Contents["metadata"] | undefined;
  let repeated = 0;
  let scanned = 0;
  for (const tar of tars) {
    using archive = new RandomAccess(join(folder, tar));
    for (const { path, offset, size } of scanTar(archive)) {
      const inner = withoutTop(path);
      if (places.has(inner)) repeated++;
      places.set(inner, { tar, offset, size });
      if (inner.split("/").at(-1) === metadataName) metadata = { tar, offset, size, path };
      if (++scanned % 2000 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        options.signal?.throwIfAborted();
      }
    }
  }
  if (!metadata) {
    throw new Error(
      `Cannot use ${tars.map((tar) => `"${tar}"`).join(", ")}: among ${
        counted(scanned, "file")
      } there is ` +
        `no "${metadataName}", which describes the photos.`,
    );
  }
  return { places, metadata, repeated };
}

/**
 * The path as the MATLAB file gives it, which begins with two digits: `wiki_crop/17/x.jpg` is
 * `17/x.jpg` there.
 */
function withoutTop(path: string): string {
  return /^\d\d\//.test(path) ? path : path.slice(path.indexOf("/") + 1);
}
