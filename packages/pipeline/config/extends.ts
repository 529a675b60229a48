/**
 * `extends: ./base.yaml`: a pipeline that is written over another one.
 *
 * Maps are merged key by key at any depth. Other values, lists too, replace the base's; an empty
 * value (`split:`) keeps it, and that of a parameter leaves the base's out. A stage with another `use`
 * keeps nothing of the base's parameters. The base's name is not inherited.
 */
import { dirname, resolve } from "node:path";
import { ConfigError, didYouMean, quote } from "../errors.ts";
import { displayPath } from "../paths.ts";
import { nameOf, type Path, YamlFile } from "./yaml_file.ts";

/** Keys that a file does not pass on to the files that extend it. */
const OWN = ["extends", "name"];

/**
 * Reads a pipeline and all files that it extends, itself first.
 * @param cwd folder that paths in messages start from
 * @param cache folder that keeps the values of unchanged files
 */
export async function readExtendsChain(
  path: string,
  cwd: string,
  cache?: string,
): Promise<YamlFile[]> {
  const files: YamlFile[] = [];
  for (let next: string | undefined = path; next !== undefined;) {
    const file: YamlFile = await readFile(next, cwd, cache, files.at(-1));
    files.push(file);
    const base = file.values.extends;
    if (base === undefined) break;
    const at = file.at(["extends"]);
    if (typeof base !== "string" || base === "") {
      const got = base === null ? "it is empty" : `got ${quote(base)}`;
      const message = `extends: expected the path of a YAML file, as in ./base.yaml, ${got}`;
      throw new ConfigError([{ at, message }]);
    }
    next = resolve(dirname(file.path), base);
    const circle = files.findIndex((other) => other.path === next);
    if (circle >= 0) {
      const names = [...files.slice(circle), files[circle]!].map(({ shown }) => shown);
      const message = `these files extend each other: ${names.join(" → ")}`;
      throw new ConfigError([{ at, message }]);
    }
  }
  return files;
}

async function readFile(
  path: string,
  cwd: string,
  cache?: string,
  from?: YamlFile,
): Promise<YamlFile> {
  const shown = displayPath(path, cwd);
  const there = await Deno.stat(path).then(({ isFile }) => isFile, () => false);
  if (there) return await YamlFile.read(path, shown, cache);
  if (!from) throw new ConfigError([{ at: { text: path }, message: "no such file" }]);
  const folder = dirname(path);
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []);
  const near = didYouMean(displayPath(path, folder), names.filter((name) => /\.ya?ml$/.test(name)));
  const message = `extends: there is no file ${shown}.${near}`;
  throw new ConfigError([{ at: from.at(["extends"]), message }]);
}

/** Several files as one. */
export interface MergedYaml {
  readonly values: Record<string, unknown>;
  /** Returns the file of a value; of a missing one, of its parent. */
  fileOf(path: Path): YamlFile;
}

/** Merges files; the first has precedence. */
export function mergeFiles(files: readonly YamlFile[]): MergedYaml {
  const from = new Map<string, YamlFile>();
  const parts = files.map((file, depth) => ({
    file,
    value: depth === 0
      ? file.values
      : Object.fromEntries(Object.entries(file.values).filter(([key]) => !OWN.includes(key))),
  }));
  const values = merge([], parts, from) as Record<string, unknown>;
  return {
    values,
    fileOf(path) {
      for (let length = path.length; length > 0; length--) {
        const file = from.get(nameOf(path.slice(0, length)));
        if (file) return file;
      }
      return files[0]!;
    },
  };
}

/** The value of one file at a path. */
interface Part {
  readonly file: YamlFile;
  readonly value: unknown;
}

type MapPart = Part & { readonly value: Readonly<Record<string, unknown>> };

/**
 * @param parts values of the files at a path, by precedence; at least one
 * @param from receives the file of each path
 */
function merge(path: Path, parts: readonly Part[], from: Map<string, YamlFile>): unknown {
  const given = parts.filter(({ value }) => value !== null);
  const [top] = given.length > 0 ? given : parts;
  from.set(nameOf(path), top!.file);
  const covered = given.findIndex((part) => !isMapPart(part));
  const maps = given.slice(0, covered < 0 ? undefined : covered) as MapPart[];
  if (maps.length === 0) return top!.value;
  const merged = path.length === 2 && path[0] === "stages"
    ? sameStage(String(path[1]), maps)
    : maps;
  // The base's order, which is the order in which stages run where they could run in any.
  const keys = new Set(merged.toReversed().flatMap(({ value }) => Object.keys(value)));
  return Object.fromEntries(
    [...keys].flatMap((key) => {
      const inner = merged.filter(({ value }) => Object.hasOwn(value, key))
        .map(({ file, value }) => ({ file, value: value[key] }));
      const parameter = path.length > 1 && path[0] === "stages";
      const leftOut = parameter && inner.length > 1 && inner[0].value === null;
      return leftOut ? [] : [[key, merge([...path, key], inner, from)]];
    }),
  );
}

/** Returns the values of the files that mean the same stage as the first. */
function sameStage(id: string, maps: readonly MapPart[]): readonly MapPart[] {
  const use = (depth: number) =>
    maps.slice(depth).map(({ value }) => value.use).find((name) => name !== undefined) ?? id;
  const other = maps.findIndex((_, depth) => use(depth) !== use(0));
  return other < 0 ? maps : maps.slice(0, other);
}

function isMapPart(part: Part): part is MapPart {
  return typeof part.value === "object" && part.value !== null && !Array.isArray(part.value);
}
