/** Data sets: names, and IMDB-WIKI's files with their addresses and checksums. */

import type { Choice } from "../../packages/pipeline/define.ts";
import { joinWords, UsageError } from "../../packages/pipeline/errors.ts";

export const datasetNames = ["sample", "wiki_crop", "imdb_crop", "wiki", "imdb"] as const;
export type DatasetName = (typeof datasetNames)[number];

/** A local data set, as configured. */
export interface FolderDataset {
  /** A folder or an archive; absolute. */
  readonly folder: string;
  /** Path of the CSV, relative to the folder. Default: the only CSV in it. */
  readonly labels?: string | undefined;
  /** Default: the folder's name. */
  readonly name?: string | undefined;
  /** Default: the preset's, or full. */
  readonly layout?: Layout | undefined;
  readonly preset?: Choice | undefined;
}

/** Framing of photos: original, the face in the middle, or the face alone. */
export const layouts = ["full", "crop", "aligned"] as const;
export type Layout = typeof layouts[number];

/** Returns the layout of a command line's option. Default: full. @throws {UsageError} if there is none */
export function layoutOption(option: string | undefined): Layout {
  const layout = layouts.find((one) => one === (option ?? "full"));
  if (layout === undefined) {
    throw new UsageError(`--layout ${option}: expected ${joinWords(layouts, "or")}`);
  }
  return layout;
}

/**
 * Returns the side of the face box in a photo of layout crop, relative to the photo's.
 * @param margin around the face on each side, as a share of it. Default: 0.4, as in a _crop archive
 */
export function shareOf(margin = 0.4): number {
  return 1 / (1 + 2 * margin);
}

/** Names of photos, also of formats that are not decoded. */
export const PHOTO = /\.(?:jpe?g|jpe|jfif|png|webp|gif|tiff?|avif|hei[cf])$/i;

/** Names of archives of photos. */
export const ARCHIVE = /\.(zip|tar|tar\.gz|tgz|parquet)$/i;

/** Names of tables with types, which may hold photos. */
export const PARQUET = /\.parquet$/i;

/** Returns the name of a data set, as used in the table and in all later stages. */
export function nameOf(dataset: DatasetName | Pick<FolderDataset, "folder" | "name">): string {
  if (typeof dataset === "string") return dataset;
  const last = dataset.folder.split(/[\\/]/).filter(Boolean).at(-1) ?? "folder";
  const bare = last.replace(ARCHIVE, "").replaceAll(/[^\w.-]+/g, "_");
  return dataset.name ?? bare.slice(0, 230); // names of files, with endings, have at most 255 bytes
}

export interface Source {
  readonly layout: "crop" | "full";
  /** The struct in the MATLAB file `<variable>.mat`. */
  readonly variable: string;
  readonly files: readonly SourceFile[];
}

export interface SourceFile {
  readonly name: string;
  /** MD5 published by the authors. */
  readonly md5?: string;
}

/** The authors' server. Terms: academic research only. */
export const address = "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/static/";

export const sources: Readonly<Record<Exclude<DatasetName, "sample">, Source>> = {
  wiki_crop: {
    layout: "crop",
    variable: "wiki",
    files: [{ name: "wiki_crop.tar", md5: "f536eb7f5eae229ae8f286184364b42b" }],
  },
  imdb_crop: {
    layout: "crop",
    variable: "imdb",
    files: [{ name: "imdb_crop.tar", md5: "44b7548f288c14397cb7a7bab35ebe14" }],
  },
  wiki: {
    layout: "full",
    variable: "wiki",
    files: [{ name: "wiki.tar.gz", md5: "6d4b8474b832f13f7f07cfbd3ed79522" }],
  },
  imdb: {
    layout: "full",
    variable: "imdb",
    files: [
      { name: "imdb_meta.tar", md5: "469433135f1e961c9f4c0304d0b5db1e" },
      // No checksum of these is known.
      ...Array.from({ length: 10 }, (_, i) => ({ name: `imdb_${i}.tar` })),
    ],
  },
};

/**
 * Reads an MD5SUMS file as md5sum, BSD's `md5` and `md5 -r`, openssl or PowerShell write it; with a
 * byte order mark, in UTF-16, with folders before the names.
 * @param odd called with each line in another form or with a conflicting sum
 * @returns map from file name, without folders, to MD5 in lower case
 */
export function parseMd5Sums(text: string, odd: (line: string) => void): Map<string, string> {
  const sums = new Map<string, { sum: string; depth: number }>();
  // Remains of a byte order mark, or of UTF-16 read as UTF-8: sums and names are ASCII.
  for (const line of text.replaceAll(/[\0\uFEFF\uFFFD]/g, "").split(/[\r\n]+/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const [, first, after] = /^\\?(?:MD5\s+)?([0-9a-f]{32})\s+\*?(.*\S)\s*$/i.exec(line) ?? [];
    const [, before, last] = /^\\?MD5\s?\((.+)\)\s?=\s?([0-9a-f]{32})\s*$/i.exec(line) ?? [];
    const path = (after ?? before)?.split(/[/\\]+/).filter((part) => part !== ".");
    const name = path?.at(-1), sum = (first ?? last)?.toLowerCase(), depth = path?.length;
    if (name === undefined || sum === undefined || depth === undefined) {
      odd(line);
      continue;
    }
    const other = sums.get(name);
    // The same name may occur in several folders; the shallowest counts.
    if (other && other.depth < depth) continue;
    if (other?.depth === depth && other.sum !== sum) odd(line);
    sums.set(name, { sum, depth });
  }
  return new Map(Array.from(sums, ([name, { sum }]) => [name, sum]));
}

/** Returns the URL of a file in a folder; keeps the folder's query. */
export function addressOf(folder: string, name: string): string {
  const url = new URL(folder);
  url.pathname = url.pathname.replace(/\/?$/, `/${name}`);
  url.hash = "";
  return url.href;
}
