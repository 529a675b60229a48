/** A pipeline as it was written, in files and on the command line: its values, and where each is from. */
import { dirname } from "node:path";
import { ConfigError, didYouMean, joinWords, type Location } from "../errors.ts";
import { type MergedYaml, mergeFiles, readExtendsChain } from "./extends.ts";
import type { Override } from "./override.ts";
import type { Path, YamlFile } from "./yaml_file.ts";

export class ConfigSource {
  readonly #layers: MergedYaml;
  /** The path of the pipeline's own file as messages show it. */
  readonly file: string;
  /** The values, overrides applied. */
  readonly values: Record<string, unknown>;
  /** Overrides by the whole path of what they set. */
  readonly overrides: Override[] = [];

  /** @param files the pipeline's own and those that it extends, in this order */
  constructor(files: readonly YamlFile[], overrides: readonly Override[] = []) {
    this.file = files[0]!.shown;
    this.#layers = mergeFiles(files);
    this.values = this.#layers.values;
    for (const override of overrides) this.#apply(override);
  }

  /**
   * Reads a pipeline's file and those that it extends.
   * @param user folder from which messages tell the paths
   */
  static async read(
    path: string,
    user: string,
    overrides: readonly Override[] = [],
  ): Promise<ConfigSource> {
    return new ConfigSource(await readExtendsChain(path, user), overrides);
  }

  #apply(override: Override): void {
    const { path, value, at } = override;
    if (path[0] === "extends") {
      const message = "which file a pipeline extends is written in the file itself";
      throw new ConfigError([{ at, message }]);
    }
    // A stage is named without "stages.", whatever else is top-level by its own name.
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

  /** The override that gave a value its present form, if one did. */
  #overrideOf(path: Path): Override | undefined {
    return this.overrides.findLast(({ path: set }) =>
      set.length <= path.length && set.every((part, i) => String(path[i]) === part)
    );
  }

  /** What a relative path that is the value of a key counts from; undefined: where the user stands. */
  folderOf(path: Path): string | undefined {
    const override = this.#overrideOf(path);
    return override ? override.folder : dirname(this.#layers.fileOf(path).path);
  }

  /**
   * Where a value, or with `key` the name before it, was written.
   * What is not written is located at the nearest thing around it that is.
   */
  at(path: Path, key = false): Location {
    const override = this.#overrideOf(path);
    if (!override) return this.#layers.fileOf(path).at(path, key);
    const named = key && override.path.length === path.length ? override.keyAt : undefined;
    return named ?? override.at;
  }
}
