/** Reads the artifact `archives`, which `download` writes. */
import { join } from "node:path";
import type { Artifact } from "../../packages/pipeline/stage.ts";
import { readParquet } from "../../packages/formats/parquet.ts";
import { byteCount, count, RandomAccessFiles } from "../../packages/formats/random_access_file.ts";
import { photoOf } from "./rows.ts";
import type { Layout } from "./sources.ts";

export interface ArchivesDescription {
  readonly datasets: readonly ArchivedDataset[];
}

export interface ArchivedDataset {
  readonly name: string;
  /** full: original photos; crop: the face and a margin; aligned: the face alone. */
  readonly layout: Layout;
  /** crop: margin on each side, as a share of the face. Default: 0.4. */
  readonly margin?: number;
  /** False if the layout gives the position of the face, without a detector. Default: true. */
  readonly detect?: false;
  /** License or terms, if the data set's preset has them. */
  readonly terms?: string;
  /** Source of the labels, if the data set's preset has it. */
  readonly labelledBy?: string;
  /** True if the terms exclude commercial use. */
  readonly nonCommercial?: true;
  readonly tars: readonly {
    readonly file: string;
    /** The downloaded file: the archive itself, or the compressed one it was extracted from. */
    readonly source: string;
    /** MD5 of `source`; null for archives that the project created. */
    readonly md5: string | null;
    /** True if `md5` was compared with a known one. */
    readonly verified: boolean;
  }[];
  /**
   * File with the labels and its position: a MATLAB file and its variable or, for a local folder,
   * a CSV.
   */
  readonly metadata:
    & FilePlace
    & { readonly path: string }
    & ({ readonly variable: string } | { readonly csv: true });
}

/** Returns the cautions of data sets whose terms exclude commercial use. */
export function licenseCautions(datasets: readonly ArchivedDataset[]): string[] {
  // By name, from any mirror: what a mirror has under IMDB-WIKI's names is taken for it.
  const imdbWiki = datasets.flatMap(({ name, metadata }) =>
    "variable" in metadata && name !== "sample" ? name : []
  ).join(", ");
  return [
    imdbWiki && `No commercial use: data of ${imdbWiki} (IMDB-WIKI, for academic research only).`,
    ...datasets.map(({ name, terms, nonCommercial }) =>
      nonCommercial && `No commercial use: data of ${name} (${terms ?? "see its terms"}).`
    ),
  ].filter((caution): caution is string => Boolean(caution));
}

/** A byte range of one of the artifact's archives. */
export interface FilePlace {
  readonly tar: string;
  readonly offset: number;
  readonly size: number;
}

/** Maximum size of a photo or MATLAB file: bounds the memory, independent of what an archive claims. */
const MAX_READ = 2 ** 30;

export class Archives implements Disposable {
  readonly #files = new RandomAccessFiles();

  constructor(
    readonly folder: string,
    readonly datasets: readonly ArchivedDataset[],
    readonly places: ReadonlyMap<string, Map<string, FilePlace>>,
  ) {}

  /**
   * Finds a photo.
   * @param path full_path of the table
   * @returns undefined if the archives do not have it
   */
  find(dataset: string, path: string): FilePlace | undefined {
    const places = this.places.get(dataset);
    if (places) return places.get(photoOf(path));
    const known = [...this.places.keys()].join(", ");
    throw new Error(`Cannot read photos of dataset "${dataset}": the archives hold ${known}.`);
  }

  /** Reads a photo; returns undefined if the archives do not have it. */
  read(dataset: string, path: string): Uint8Array<ArrayBuffer> | undefined {
    const place = this.find(dataset, path);
    return place && this.readPlace(place);
  }

  readPlace({ tar, offset, size }: FilePlace): Uint8Array<ArrayBuffer> {
    if (size > MAX_READ) {
      throw new Error(
        `Cannot read ${byteCount(size)} of "${tar}" into memory: ` +
          `no photo or MATLAB file is larger than ${count(MAX_READ)}.`,
      );
    }
    return this.#files.read(join(this.folder, tar), offset, size);
  }

  /** Opens the file with a data set's labels for random access. */
  openMetadata({ metadata: { tar, offset: start, size } }: ArchivedDataset) {
    const path = join(this.folder, tar);
    const read = (offset: number, length: number) =>
      this.#files.read(path, start + offset, Math.min(length, size - offset));
    return { size, read };
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }
}

/**
 * Opens an archives artifact.
 * @param photos loads the index of the photos, which takes memory. Default: true
 */
export async function openArchives(
  artifact: Pick<Artifact, "path">,
  { photos = true } = {},
): Promise<Archives> {
  const { datasets }: ArchivesDescription = JSON.parse(
    await Deno.readTextFile(join(artifact.path, "archives.json")),
  );
  if (!photos) return new Archives(artifact.path, datasets, new Map());
  const index = await readParquet(join(artifact.path, "index.parquet"), {
    dataset: "string",
    tar: "string",
    path: "string",
    offset: "int64",
    size: "int64",
  });
  const places = new Map(datasets.map(({ name }) => [name, new Map<string, FilePlace>()]));
  for (let i = 0; i < index.path.length; i++) {
    const place = { tar: index.tar[i], offset: index.offset[i], size: index.size[i] };
    places.get(index.dataset[i])?.set(index.path[i], place);
  }
  return new Archives(artifact.path, datasets, places);
}
