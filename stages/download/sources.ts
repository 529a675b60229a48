/** IMDB-WIKI's files: where they lie, and how to know them. */

export const datasetNames = ["sample", "wiki_crop", "imdb_crop", "wiki", "imdb"] as const;
export type DatasetName = (typeof datasetNames)[number];

export interface Source {
  readonly layout: "crop" | "full";
  /** The struct in the MATLAB file, which is called `<variable>.mat`. */
  readonly variable: string;
  readonly files: readonly SourceFile[];
}

export interface SourceFile {
  readonly name: string;
  /** MD5 that the authors publish. */
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

/** The lines of an MD5SUMS file: name → MD5 in lower case. Lines of other kinds are passed over. */
export function parseMd5Sums(text: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([0-9a-f]{32}) [ *](?:\.\/)?(.+?)\r?$/i.exec(line);
    if (match) sums.set(match[2], match[1].toLowerCase());
  }
  return sums;
}
