/**
 * A pipeline as written, in files and on the command line: values and their places.
 *
 * A file with `extends: ./base.yaml` is written over another one. Maps are merged key by key at any
 * depth. Other values, lists too, replace the base's; an empty value (`split:`) keeps it, and that of
 * a parameter leaves the base's out. A stage or a choice with another `use`, or a map of another form,
 * keeps nothing of the base's. `false` as a stage or as `sweep` drops the base's. The base's name is not
 * inherited.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { z } from "zod";
import { ConfigError, didYouMean, joinWords, quote } from "../errors.ts";
import type { Location, Problem } from "../errors.ts";
import { isRecord } from "../fingerprint.ts";
import { type Chooses, presentName } from "../define.ts";
import { displayPath, isUrl, resolveFrom } from "../paths.ts";
import type { Override } from "./override.ts";
import { type Path, pathKey, YamlFile } from "./yaml_file.ts";
import { choosesOf, keysAt, schemasAt } from "./schemas.ts";

/** Keys of the top level that hold further ones, and those that hold none. */
const HOLDERS = ["stages", "bullmq", "remote", "sweep", "plugins"];
const PLAIN = ["name", "seed", "compute", "executor", "artifacts"];
/** Forms in which `--sweep` takes what is the same for all runs of a sweep. */
const WHOLE: Readonly<Record<string, string>> = {
  trials: "trials=N",
  best: "'best={ of: PIPELINE, by: STAGE.METRIC, share: SHARE }'",
};

/** Stage id → its parameters. */
type Schemas = ReadonlyMap<string, z.ZodType>;

export class ConfigSource {
  /** Name of a path → the file that has its value. */
  readonly #from = new Map<string, YamlFile>();
  /** Display path of the pipeline's own file. */
  readonly file: string;
  /** The values, overrides applied. */
  readonly values: Record<string, unknown>;
  /** Overrides with whole paths. */
  readonly overrides: Override[] = [];
  /** Errors of overrides, which are then not applied, and of paths that were asked for. */
  readonly problems: Problem[] = [];

  /**
   * @param files the pipeline's own and those that it extends, in this order
   * @param cwd folder that relative paths of overrides count from
   * @param schemas declare which parameters are choices
   */
  constructor(
    readonly files: readonly YamlFile[],
    private readonly cwd: string,
    private readonly written: readonly Override[] = [],
    schemas?: Schemas,
  ) {
    this.file = files[0]!.shown;
    const parts = files.map((file, depth): Part => {
      const { extends: _, name: __, ...inherited } = file.values;
      return { file, value: depth === 0 ? file.values : inherited };
    });
    this.values = this.#merge([], parts, schemas) as Record<string, unknown>;
    for (const override of wholeFirst(written)) this.#apply(override, schemas);
  }

  /** Returns the same with choices that are merged as such. */
  withChoices(schemas: Schemas): ConfigSource {
    return new ConfigSource(this.files, this.cwd, this.written, schemas);
  }

  /**
   * Reads a pipeline's file and those that it extends.
   * @param cwd folder that paths in messages start from, and those of overrides count from
   * @param cache folder that keeps the values of unchanged files
   */
  static async read(
    path: string,
    cwd: string,
    overrides: readonly Override[] = [],
    cache?: string,
  ): Promise<ConfigSource> {
    const files: YamlFile[] = [];
    for (let next = path;;) {
      const file = await readFile(next, cwd, cache, files.at(-1));
      files.push(file);
      const base = file.values.extends;
      if (base === undefined) return new ConfigSource(files, cwd, overrides);
      const at = file.at(["extends"]);
      if (typeof base !== "string" || base === "") {
        const got = base === null ? "it is empty" : `got ${quote(base)}`;
        const expected = "expected the path of a YAML file, as in ./base.yaml";
        throw ConfigError.at(at, `extends: ${expected}, ${got}`);
      }
      next = resolveFrom(base, dirname(file.path));
      const circle = files.findIndex((other) => other.path === next);
      if (circle >= 0) {
        const names = [...files.slice(circle), files[circle]!].map(({ shown }) => shown);
        throw ConfigError.at(at, `these files extend each other: ${names.join(" → ")}`);
      }
    }
  }

  #apply(override: Override, schemas: Schemas | undefined): void {
    const { path, value, at } = override, [top = "", ...inner] = path;
    const refuse = (message: string, place = at) => {
      this.problems.push({ at: place, message });
    };
    if (top === "extends") {
      return refuse("which file a pipeline extends is written in the file itself");
    }
    // A stage is named without "stages.", other top-level keys by their names.
    const stages = this.values.stages as Record<string, unknown> | null | undefined;
    const known = Object.keys(stages ?? {});
    const inStages = known.includes(top) && top !== "stages" ||
      inner.length > 0 && !HOLDERS.includes(top);
    if (inStages && !known.includes(top)) {
      if (PLAIN.includes(top)) return refuse(`${top} has no parameters of its own`);
      const has = `It has ${joinWords(known) || "none"}.`;
      const message = `${this.file} has no stage "${top}".${didYouMean(top, known)} ${has}`;
      return refuse(message, override.keyAt);
    }
    if (!inStages && top === "sweep" && inner.length > 0) {
      const whole = WHOLE[inner[0]!];
      const [why, how] = whole ? ["set it", whole] : ["vary a value", `${inner.join(".")}=V1,V2`];
      return refuse(`to ${why}, write --sweep ${how}`);
    }
    const full = inStages ? ["stages", ...path] : path;
    this.overrides.push({ ...override, path: full });
    let target = inStages ? stages! : this.values;
    for (const [depth, key] of path.slice(0, -1).entries()) {
      const written = target[key] ?? {};
      // `network: plain` is short for `network: { use: plain }`.
      const next = typeof written === "string"
        ? { [full[0] === "remote" ? "url" : "use"]: written }
        : written;
      const isMap = isRecord(next);
      const above = full.slice(0, full.length - path.length + depth + 1);
      // Without schemas it is not known yet.
      const mayBeMap = full[0] === "stages" && !schemas || formsAt(above, schemas).length > 0;
      if (!isMap && !mayBeMap) {
        const name = path.slice(0, depth + 1).join(".");
        return refuse(
          Array.isArray(next)
            ? `${name} is a list, which is given as a whole: --set '${name}=[...]'`
            : `${name} has no parameters of its own`,
        );
      }
      // A copy: the points of a sweep share their values.
      target = target[key] = isMap ? { ...next } : {};
    }
    const key = path.at(-1)!, whole = full.slice(0, -1);
    if (value === false && canDrop(full)) {
      if (!Object.hasOwn(target, key)) refuse(nothingToDrop(full, this.file));
      delete target[key];
      return;
    }
    const choice = choiceAt(whole, schemas);
    const renamed = choice && key === "use" &&
      presentName(choice, target.use) !== presentName(choice, value);
    const another = !choice && !haveForm([target, { [key]: value }], formsAt(whole, schemas));
    for (const option of renamed || another ? Object.keys(target) : []) {
      // What is set beside it is a mistake to report.
      if (renamed || !this.#overrideOf([...whole, option])) delete target[option];
    }
    target[key] = value;
  }

  /** Merges the values of the files at a path. @param parts by precedence; at least one */
  #merge(path: Path, parts: readonly Part[], schemas: Schemas | undefined): unknown {
    const inStages = path[0] === "stages";
    const choice = choiceAt(path, schemas);
    const given = parts.filter(({ value }) => value !== null).map((part, depth) =>
      // Below a map, `network: plain` is short for `network: { use: plain }`.
      choice && depth > 0 && typeof part.value === "string"
        ? { ...part, value: { use: part.value } }
        : part
    );
    const top = given[0] ?? parts[0]!;
    this.#from.set(pathKey(path), top.file);
    const covered = given.findIndex(({ value }) => !isRecord(value));
    const maps = given.slice(0, covered < 0 ? undefined : covered) as MapPart[];
    if (maps.length === 0) return top.value;
    const isStage = inStages && path.length === 2;
    const useOf = (depth: number) => {
      const use = maps.slice(depth).find(({ value }) => value.use !== undefined)?.value.use;
      return choice ? presentName(choice, use) : use ?? path[1];
    };
    const forms = formsAt(path, schemas), values = maps.map(({ value }) => value);
    // Another stage, choice or form than the first has nothing in common with it.
    const other = maps.findIndex((_, depth) =>
      choice || isStage
        ? !Object.is(useOf(depth), useOf(0))
        : depth > 0 && !haveForm(values.slice(0, depth + 1), forms)
    );
    const merged = other < 0 ? maps : maps.slice(0, other);
    // The base's order, which is the order in which stages run where they could run in any.
    const keys = new Set(merged.toReversed().flatMap(({ value }) => Object.keys(value)));
    return Object.fromEntries(
      [...keys].flatMap((key) => {
        const at = [...path, key];
        const inner = merged.filter(({ value }) => Object.hasOwn(value, key))
          .map(({ file, value }): Part => ({ file, value: value[key] }));
        const kept = inner.findIndex(({ value }) => canDrop(at) && value === false);
        const [drop, base] = kept < 0 ? [] : inner.splice(kept);
        if (drop && !base) {
          const message = nothingToDrop(at, "a file that it extends");
          this.problems.push({ at: drop.file.at(at), message });
        }
        const isParameter = inStages && path.length > 1;
        const below = maps.slice(1).some(({ value }) => Object.hasOwn(value, key));
        const leftOut = inner.length === 0 || isParameter && below && inner[0]!.value === null;
        return leftOut ? [] : [[key, this.#merge(at, inner, schemas)]];
      }),
    );
  }

  /** Returns the override that set a value, if one did. */
  #overrideOf(path: Path): Override | undefined {
    return this.overrides.findLast(({ path: set }) =>
      set.length <= path.length && set.every((part, i) => String(path[i]) === part)
    );
  }

  /** Returns the file of a value; of a missing one, of its parent. */
  #fileOf(path: Path): YamlFile {
    return this.#from.get(pathKey(path)) ?? this.#fileOf(path.slice(0, -1));
  }

  /** Returns the ids and names of the stages that precede one in its file. */
  stagesAbove(id: string): (readonly [id: string, use: string])[] {
    const stages = Object.entries(this.#fileOf(["stages", id]).values.stages ?? {});
    return stages.slice(0, Math.max(0, stages.findIndex(([other]) => other === id)))
      .map(([id, written]) => [id, isRecord(written) ? String(written.use ?? id) : id]);
  }

  /** Returns the folder that a relative path as value counts from. */
  folderOf(path: Path): string {
    const override = this.#overrideOf(path);
    return override ? override.folder ?? this.cwd : dirname(this.#fileOf(path).path);
  }

  /** Returns a path that is written here, absolute. A variable of the shell in a file is a problem. */
  pathOf(path: Path, written: string): string {
    const absolute = resolveFrom(written, this.folderOf(path));
    const override = this.#overrideOf(path);
    if (override && override.folder === undefined) return absolute;
    const [variable] = written.match(isUrl(written) ? /\$\{\w+\}/ : /\$([a-z_]\w*|\{\w+\})/i) ?? [];
    if (variable !== undefined && !existsSync(absolute)) {
      const wayOut = "Write its value, or give it by --set, where the shell inserts it.";
      const message = `${variable} is no variable here, got ${quote(written)}. ${wayOut}`;
      this.problems.push({
        at: this.at(path),
        message: `${shortPath(path).join(".")}: ${message}`,
      });
    }
    return absolute;
  }

  /** Returns how to leave out a value of a file that the pipeline's own extends; empty for another. */
  leavingOut(path: Path): string {
    if (this.#overrideOf(path) || this.#fileOf(path) === this.files[0]) return "";
    return ` In ${this.file}, ${path.at(-1)}: without a value leaves it out`;
  }

  /** Returns the place of a value, or with `key` of its name; of a missing one, of its parent. */
  at(path: Path, key = false): Location {
    // A map that no file has was made by the overrides within it.
    const override = this.#overrideOf(path) ??
      this.overrides.findLast(({ path: set }) =>
        !this.#from.has(pathKey(path)) && path.every((part, i) => String(part) === set[i])
      );
    if (!override) return this.#fileOf(path).at(path, key);
    const named = key && override.path.length === path.length ? override.keyAt : undefined;
    return named ?? override.at;
  }
}

/**
 * Orders overrides such that a value precedes those within it: a network does not remove the options
 * that were given before its name.
 */
function wholeFirst(overrides: readonly Override[]): Override[] {
  const ordered: Override[] = [];
  for (const one of overrides) {
    const path = wholePath(one);
    const within = ordered.findIndex((other) => {
      const inner = wholePath(other);
      return inner.length > path.length && path.every((part, i) => part === inner[i]);
    });
    ordered.splice(within < 0 ? ordered.length : within, 0, one);
  }
  return ordered;
}

/** @throws {ConfigError} if two of some values on one command line or in one file have the same key */
export function refuseTwice(all: readonly { readonly key: string; readonly at: Location }[]): void {
  const names = all.map(({ key }) => shortPath(key.split(".")).join("."));
  const twice = all.find((_, i) => names.indexOf(names[i]!) < i);
  if (twice) throw ConfigError.at(twice.at, `${twice.key} is there twice; keep one`);
}

/** "stages.split.test" and "split.test" are the same. */
export function shortPath<Part>(path: readonly Part[]): readonly Part[] {
  return path[0] === "stages" && path.length > 1 ? path.slice(1) : path;
}

/** A name in `use` is a whole value: it removes the options of another one. */
function wholePath(override: Override): readonly string[] {
  const path = shortPath(override.path);
  return path.at(-1) === "use" ? path.slice(0, -1) : path;
}

function choiceAt([top, id, ...path]: Path, schemas?: Schemas): Chooses | undefined {
  const params = top === "stages" && schemas?.get(String(id));
  return params ? schemasAt(params, path).map(choosesOf).find((one) => one) : undefined;
}

/** Returns the keys of each map that a value may be, such as { part } or { fold, of }. */
function formsAt([top, id, ...path]: Path, schemas?: Schemas): string[][] {
  const params = top === "stages" && schemas?.get(String(id));
  return params ? keysAt(params, path) : [];
}

/** True if all keys of some maps belong to one of several forms. */
function haveForm(maps: readonly object[], forms: readonly string[][]): boolean {
  const keys = maps.flatMap(Object.keys);
  return forms.length < 2 || forms.some((form) => keys.every((key) => form.includes(key)));
}

async function readFile(
  path: string,
  cwd: string,
  cache: string | undefined,
  from: YamlFile | undefined,
): Promise<YamlFile> {
  const shown = displayPath(path, cwd);
  const there = await Deno.stat(path).then(({ isFile }) => isFile, () => false);
  if (there) return await YamlFile.read(path, shown, cache);
  if (!from) throw ConfigError.at({ text: path }, "no such file");
  const folder = dirname(path);
  const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name).catch(() => []);
  const near = didYouMean(displayPath(path, folder), names.filter((name) => /\.ya?ml$/.test(name)));
  throw ConfigError.at(from.at(["extends"]), `extends: there is no file ${shown}.${near}`);
}

/** The value of one file at a path. */
interface Part<Value = unknown> {
  readonly file: YamlFile;
  readonly value: Value;
}

type MapPart = Part<Readonly<Record<string, unknown>>>;

/** True if `false` at a path drops what a base has there; a parameter may be false. */
function canDrop({ length, 0: top }: Path): boolean {
  return top === "sweep" && length === 1 || top === "stages" && length === 2;
}

/** @param from the file that has nothing at the path */
function nothingToDrop(path: Path, from: string): string {
  const name = shortPath(path).join(".");
  return `${name}: false drops what ${from} has there, but there is nothing. Remove it`;
}
