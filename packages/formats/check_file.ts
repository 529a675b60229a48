/** Checks files of known formats quickly: headers and lengths, not every value. */
import { Buffer } from "node:buffer";
import { dirname, extname, join } from "node:path";
import { readCsv } from "./csv.ts";
import { NpyFile } from "./npy.ts";
import { readParquet } from "./parquet.ts";
import { byteCount, count, RandomAccessFile } from "./random_access_file.ts";
import { scanTar } from "./tar.ts";

/** Number of checked bytes of a CSV: its header and first rows. */
const CSV_HEAD = 1 << 16;

/**
 * Checks a file by the format of its extension: .json (and the weights of a TensorFlow.js model), .npy,
 * .parquet, .tar, .csv. Files with other extensions pass.
 * @throws if the file is not of its extension's format
 */
export async function checkFile(path: string): Promise<void> {
  switch (extname(path)) {
    case ".json":
      return await checkJson(path);
    case ".npy":
      return new NpyFile(path)[Symbol.dispose]();
    case ".parquet":
      return void await readParquet(path, {});
    case ".tar": {
      using archive = new RandomAccessFile(path);
      let files = 0;
      for (const _ of scanTar(archive)) files++;
      if (files === 0) throw new Error(`Cannot read "${path}": the archive contains no files.`);
      return;
    }
    case ".csv": {
      using file = new RandomAccessFile(path);
      const head = file.read(0, Math.min(CSV_HEAD, file.size));
      if (head.includes(0)) throw new Error(`Cannot read "${path}": it is not text.`);
      // The header of a large file: the bytes before a line break outside of quotes.
      const header = /^(?:[^"\n]|"[^"]*")*(?=\n)/.exec(Buffer.from(head).toString("latin1"));
      readCsv(file.size > CSV_HEAD ? head.subarray(0, header?.[0].length) : head, path);
    }
  }
}

/** Weights in a model.json of TensorFlow.js. */
interface Manifest {
  readonly paths: readonly string[];
  readonly weights: readonly { readonly shape: readonly number[]; readonly dtype: string }[];
}

async function checkJson(path: string): Promise<void> {
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`Cannot read "${path}": it is not JSON (${message}).`, { cause });
  }
  const { weightsManifest } = (value ?? {}) as { weightsManifest?: readonly Manifest[] };
  if (!Array.isArray(weightsManifest)) return;
  for (const { paths, weights } of weightsManifest as readonly Manifest[]) {
    let expected = 0, size = 0;
    for (const { shape, dtype } of weights) {
      expected += shape.reduce((a, b) => a * b, 1) * (/^(bool|uint8)$/.test(dtype) ? 1 : 4);
    }
    for (const name of paths) size += (await Deno.stat(join(dirname(path), name))).size;
    if (size !== expected) {
      throw new Error(
        `Cannot use "${path}": its weights take ${byteCount(expected)}, ` +
          `${paths.join(", ")} has ${count(size)}.`,
      );
    }
  }
}
