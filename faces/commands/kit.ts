/** `deno task kit`: an archive of all that a machine without Deno and internet needs. */
import { createReadStream, createWriteStream } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { TarWriter } from "../../packages/formats/tar.ts";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { RunError, UsageError } from "../../packages/pipeline/errors.ts";
import { formatBytes } from "../../packages/pipeline/format.ts";
import { abortOnSignal } from "../../packages/pipeline/interrupt.ts";
import { remove, resolveFrom } from "../../packages/pipeline/paths.ts";
import { isFile, isFolder } from "../datasets/photo_files.ts";

const KIT = ".kit";

/** Starts Deno with the packages beside it. */
const SCRIPT = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
export DENO_DIR="$here/${KIT}/cache" DENO_NO_UPDATE_CHECK=1
exec "$here/${KIT}/deno" "$@"
`;

/** Files of packages that nothing loads: source maps, other bundles, sources, other models. */
const UNUSED = [
  /\.map$/,
  /\/@tensorflow\/.*(\.min\.js|\.es2017\.js|\.fesm\.js|\/miniprogram\/.*|_test\.(js|d\.ts))$/,
  /\/@tensorflow\/[^/]+\/[^/]+\/dist\/tf-[a-z-]+\.js$/,
  /\/@vladmandic\/face-api\/[^/]+\/(dist|src|types|demo\/screen)/,
  /\/@vladmandic\/face-api\/[^/]+\/model\/face_(recognition|expression)/,
  /\/(@observablehq\/plot\/[^/]+\/dist|zod\/[^/]+\/src)\//,
];

/** Folders of a project that are made anew. */
const LEFT_OUT = [".git", "artifacts", "node_modules", KIT];

const command: Command = {
  help:
    `Write an archive of Deno, all packages with their models, and this project, for a machine that
has neither Deno nor internet, of the same kind as this one.

  deno task kit --out FILE [--with synthetic | FOLDER]

  --out FILE               kit.tar, or compressed: kit.tar.gz or kit.tar.zst
  --with synthetic         also the drawn faces of pipeline.yaml
  --with FOLDER            also a folder of photos, as data/FOLDER
  --help

There: tar xf kit.tar.zst && cd kit && ./deno task run pipeline. The same files give the same archive.

Exit codes: 0 written, 1 packages could not be fetched, 2 wrong command line, 130 interrupted.`,
  async run(args, { project, reporter, cwd, denoArgs }) {
    const { values, positionals } = parseOptions("kit", args, "help out= with=");
    const { out, with: data } = values;
    if (positionals.length > 0) {
      throw new UsageError(`kit takes no names, got "${positionals[0]}"; --with FOLDER`);
    }
    if (out === undefined || !/\.tar(\.gz|\.zst)?$/.test(out)) {
      throw new UsageError("expected --out kit.tar, kit.tar.gz or kit.tar.zst");
    }
    const path = resolveFrom(out, cwd), folder = data && resolveFrom(data, cwd);
    if (folder !== undefined && data !== "synthetic" && !isFolder(folder)) {
      throw new UsageError(`--with ${data}: there is no such folder; or write synthetic`);
    }
    if (!isFolder(dirname(path)) || isFolder(path)) {
      throw new UsageError(`--out ${out}: expected a file in a folder that exists`);
    }
    const own = await filesIn(project, (name) => LEFT_OUT.includes(name));
    using interrupt = abortOnSignal(reporter);
    // That of a killed kit has the same name.
    const temporary = join(dirname(path), `.kit-${basename(path)}`);
    await remove(temporary);
    await Deno.mkdir(temporary);
    try {
      const deno = async (args: readonly string[], DENO_DIR?: string) => {
        const { success } = await new Deno.Command(Deno.execPath(), {
          args: [...args],
          env: DENO_DIR === undefined ? {} : { DENO_DIR },
          cwd: project,
          signal: interrupt.signal,
          stdout: "null",
          stderr: "inherit",
        }).output();
        interrupt.signal.throwIfAborted();
        if (!success) throw new RunError(`Cannot make the kit: deno ${args.join(" ")} failed.`);
      };
      reporter.log("fetching packages");
      const cache = join(temporary, "cache"), artifacts = join(temporary, "artifacts");
      await deno(["install", "--quiet", "--frozen"], cache);
      /** Path in the kit → file; a folder of photos may be the project's own data/FOLDER. */
      const places = new Map([[`${KIT}/deno`, Deno.execPath()]]);
      const add = (files: readonly string[], from: string, to = "") => {
        for (const file of files) places.set(to + file, join(from, file));
      };
      add(own, project);
      const npm = join(cache, "npm");
      const used = (await filesIn(npm)).filter((file) => !UNUSED.some((one) => one.test(file)));
      add(used, npm, `${KIT}/cache/npm/`);
      if (data === "synthetic") {
        const run = ["run", "pipeline", "--until", "download", "--set", `artifacts=${artifacts}`];
        await deno([...await denoArgs(), ...run]);
        add(await filesIn(artifacts, (name) => name.startsWith(".")), artifacts, "artifacts/");
      } else if (folder !== undefined) {
        const place = `data/${basename(folder)}`;
        add(await filesIn(folder), folder, `${place}/`);
        reporter.log(`photos are in ${place} there: folder: ../${place} in a YAML of experiments/`);
      }
      reporter.log("writing the archive");
      const tar = join(temporary, "kit.tar");
      using writer = new TarWriter(tar);
      writer.add("kit/deno", new TextEncoder().encode(SCRIPT), true);
      for (const [name, from] of [...places].sort(([a], [b]) => a < b ? -1 : 1)) {
        interrupt.signal.throwIfAborted();
        if (from === path) continue; // an earlier kit
        const executable = ((await Deno.stat(from)).mode ?? 0) & 0o100;
        writer.add(`kit/${name}`, await Deno.readFile(from), executable !== 0);
      }
      writer.close();
      const pack = out.endsWith(".gz") ? createGzip({ level: 9 }) : out.endsWith(".zst") && zstd();
      const packed = pack ? `${tar}.packed` : tar;
      if (pack) {
        using progress = reporter.startProgress("kit");
        progress.start((await Deno.stat(tar)).size, "bytes");
        const follow = async function* (chunks: AsyncIterable<Uint8Array>) {
          for await (const chunk of chunks) {
            interrupt.signal.throwIfAborted();
            progress.advance(chunk.length);
            yield chunk;
          }
        };
        await pipeline(createReadStream(tar), follow, pack, createWriteStream(packed));
      }
      await Deno.rename(packed, path);
      reporter.log(`wrote ${relative(cwd, path)}: ${formatBytes((await Deno.stat(path)).size)}`);
      return EXIT.ok;
    } finally {
      await Deno.remove(temporary, { recursive: true });
    }
  },
};

export default command;

const zstd = () =>
  createZstdCompress({
    params: {
      [constants.ZSTD_c_compressionLevel]: 19,
      [constants.ZSTD_c_windowLog]: 27,
      [constants.ZSTD_c_enableLongDistanceMatching]: 1,
    },
  });

/**
 * Lists the files below a folder, without what `leave` returns true for at its top.
 * @throws {RunError} at a link to a folder or to nothing, and at what is no file
 */
async function filesIn(
  folder: string,
  leave: (name: string) => boolean = () => false,
): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (leave(name) || name.startsWith(".kit-")) continue;
    const path = join(folder, name);
    if (!isDirectory && !isFile(path)) {
      throw new RunError(
        `Cannot pack "${path}": it is a link to a folder or to nothing, or no file. Remove it, or ` +
          "pack a folder of photos by --with FOLDER.",
      );
    }
    if (!isDirectory) files.push(name);
    else for (const file of await filesIn(path)) files.push(`${name}/${file}`);
  }
  return files;
}
