/** A pipeline as written, in files and on the command line: values and their places. */
import { dirname } from "node:path";
import { ConfigError, didYouMean, joinWords, type Location } from "../errors.ts";
import { type MergedYaml, mergeFiles, readExtendsChain } from "./extends.ts";
import type { Override } from "./override.ts";
import type { Path, YamlFile } from "./yaml_file.ts";

export class ConfigSource {
  readonly #merged: MergedYaml;
  /** Display path of the pipeline's own file. */
  readonly file: string;
  /** The values, overrides applied. */
  readonly values: Record<string, unknown>;
  /** Overrides with whole paths. */
  readonly overrides: Override[] = [];

  /** @param files the pipeline's own and those that it extends, in this order */
  constructor(readonly files: readonly YamlFile[], overrides: readonly Override[] = []) {
    this.file = files[0]!.shown;
    this.#merged = mergeFiles(files);
    this.values = this.#merged.values;
    for (const override of overrides) this.#apply(override);
  }

  /**
   * Reads a pipeline's file and those that it extends.
   * @param cwd folder that paths in messages start from
   * @param cache folder that keeps the values of unchanged files
   */
  static async read(
    path: string,
    cwd: string,
    overrides: readonly Override[] = [],
    cache?: string,
  ): Promise<ConfigSource> {
    return new ConfigSource(await readExtendsChain(path, cwd, cache), overrides);
  }

  #apply(override: Override): void {
    const { path, value, at } = override;
    if (path[0] === "extends") {
      const message = "which file a pipeline extends is written in the file itself";
      throw new ConfigError([{ at, message }]);
    }
    // A stage is named without "stages.", other top-level keys by their names.
    const stages = this.values.stages as Record<string, unknown> | null | undefined;
    const known = Object.keys(stages ?? {});
    const inStages = !["stages", "bullmq"].includes(path[0]!) &&
      (path.length > 1 || known.includes(path[0]!));
    if (inStages && !known.includes(path[0]!)) {
      throw new ConfigError([{
        at: override.keyAt ?? at,
        message: `${this.file} has no stage "${path[0]}".${didYouMean(path[0]!, known)} ` +
          `It has ${joinWords(known) || "none"}.`,
      }]);
    }
    this.overrides.push({ ...override, path: inStages ? ["stages", ...path] : path });
    let target = inStages ? stages! : this.values;
    path.slice(0, -1).forEach((key, depth) => {
      const written = target[key] ?? {};
      // `network: plain` is short for `network: { use: plain }`.
      const next = typeof written === "string" ? { use: written } : written;
      if (typeof next !== "object" || Array.isArray(next)) {
        const name = path.slice(0, depth + 1).join(".");
        throw new ConfigError([{ at, message: `${name} has no parameters of its own` }]);
      }
      target[key] = next;
      target = next as Record<string, unknown>;
    });
    target[path.at(-1)!] = value;
  }

  /** Returns the override that set a value, if one did. */
  #overrideOf(path: Path): Override | undefined {
    return this.overrides.findLast(({ path: set }) =>
      set.length <= path.length && set.every((part, i) => String(path[i]) === part)
    );
  }

  /** Returns the folder that a relative path as value counts from; undefined: the current folder. */
  folderOf(path: Path): string | undefined {
    const override = this.#overrideOf(path);
    return override ? override.folder : dirname(this.#merged.fileOf(path).path);
  }

  /** True for a value of a file that the pipeline's own extends. */
  isInherited(path: Path): boolean {
    return !this.#overrideOf(path) && this.#merged.fileOf(path) !== this.files[0];
  }

  /** Returns the place of a value, or with `key` of its name; of a missing one, of its parent. */
  at(path: Path, key = false): Location {
    const override = this.#overrideOf(path);
    if (!override) return this.#merged.fileOf(path).at(path, key);
    const named = key && override.path.length === path.length ? override.keyAt : undefined;
    return named ?? override.at;
  }
}
