/** Indexes the files of archives; refuses unsafe archives. */
import { join } from "node:path";
import { RandomAccessFile } from "../../packages/formats/random_access_file.ts";
import { scanTar } from "../../packages/formats/tar.ts";
import type { FilePlace } from "./archives.ts";
import { counted } from "../../packages/pipeline/causes.ts";

export interface Contents {
  /** Map from the path in the MATLAB file to the file's position. */
  readonly places: Map<string, FilePlace>;
  readonly metadata: FilePlace & { readonly path: string };
  /** Number of paths that occur twice; the later file counts, as in tar. */
  readonly repeated: number;
}

/**
 * Lists the files of a dataset's archives.
 * @param metadataName name of the file with the labels, without folders: a MATLAB file, or the CSV of
 * a local folder
 */
export async function indexArchives(
  folder: string,
  tars: readonly string[],
  metadataName: string,
  options: { signal?: AbortSignal; onFile?(path: string): void } = {},
): Promise<Contents> {
  const places = new Map<string, FilePlace>();
  const matlab = metadataName.endsWith(".mat");
  const held: string[] = [];
  let photos = 0;
  let metadata: Contents["metadata"] | undefined;
  let repeated = 0;
  let scanned = 0;
  for (const tar of tars) {
    using archive = new RandomAccessFile(join(folder, tar));
    for (const { path, offset, size } of scanTar(archive)) {
      const inner = matlab ? pathInMatlab(path) : path.slice(path.indexOf("/") + 1);
      // AppleDouble files: macOS packs a file's attributes beside it.
      if (matlab && /(^|\/)\._[^/]*$/.test(path)) continue;
      if (/^\d\d\//.test(inner)) photos++;
      else if (held.length < 3) held.push(JSON.stringify(path));
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
      `Cannot use ${tars.map((tar) => `"${tar}"`).join(", ")}: none of ${
        counted(scanned, "file")
      } is ` +
        `"${metadataName}", which has the labels.`,
    );
  }
  if (matlab && photos === 0) {
    throw new Error(
      `Cannot use ${tars.map((tar) => `"${tar}"`).join(", ")}: photos must be in folders of ` +
        `two digits ("17/name.jpg"), but the ${scanned} files are elsewhere: ${held.join(", ")}. ` +
        `Pack the archive again with these folders.`,
    );
  }
  return { places, metadata, repeated };
}

/**
 * Returns the path as in the MATLAB file, which begins with two digits: `wiki_crop/17/x.jpg`,
 * and `any/folders/wiki_crop/17/x.jpg` of an archive that was packed again, is `17/x.jpg` there.
 */
function pathInMatlab(path: string): string {
  return /(?:^|\/)(\d\d\/[^/]+)$/.exec(path)?.[1] ?? path.slice(path.indexOf("/") + 1);
}
