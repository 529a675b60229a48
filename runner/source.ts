/** A YAML file with overrides from the command line: its values, and where each was written. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parse,
  parseDocument,
} from "yaml";
import { ConfigError, didYouMean, list, type Location } from "./errors.ts";

export type Path = readonly (string | number)[];

/** `--set split.test=0.1`, taken apart. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** As it was typed, for messages. */
  readonly text: string;
}

/** Reads `a.b=value`; the value is YAML. Throws a ConfigError when it is not of that form. */
export function parseOverride(argument: string): Override {
  const text = `--set ${argument}`;
  const equals = argument.indexOf("=");
  const path = argument.slice(0, Math.max(equals, 0)).split(".").map((part) => part.trim());
  if (equals < 0 || path.some((part) => part === "")) {
    throw new ConfigError([{
      at: { text },
      message: "expected stage.parameter=value, as in --set split.test=0.1",
    }]);
  }
  try {
    return { path, value: parse(argument.slice(equals + 1)), text };
  } catch (cause) {
    const message = `the value is not YAML: ${(cause as Error).message.split("\n")[0]}`;
    throw new ConfigError([{ at: { text }, message }], { cause });
  }
}

export class ConfigSource {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #text: string;
  /** The values, overrides applied. */
  readonly values: Record<string, unknown>;
  /** Overrides by the whole path of what they set. */
  readonly #overrides: Override[] = [];

  /**
   * @param file the path as messages shall show it
   * @param text the YAML
   * @throws ConfigError on bad YAML, with every error's place
   */
  constructor(readonly file: string, text: string, overrides: readonly Override[] = []) {
    this.#text = text;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    if (this.#document.errors.length > 0) {
      throw new ConfigError(this.#document.errors.map(({ code, message, pos: [start] }) => {
        if (code !== "DUPLICATE_KEY") {
          return { at: this.#locate(start), message: `not valid YAML: ${message}` };
        }
        // The parser's place is before the blanks and comments that lead to the key.
        const blank = text.slice(start).match(/^(?:\s|#.*)*/)![0].length;
        const key = text.slice(start + blank).match(/^[^:,}\s]*/)![0];
        return { at: this.#locate(start + blank), message: `"${key}" is there twice; keep one` };
      }));
    }
    const values: unknown = this.#document.toJS();
    if (typeof values !== "object" || values === null || Array.isArray(values)) {
      throw new ConfigError([{
        at: this.#locate(0),
        message: 'expected a pipeline, such as "stages: { download: }"',
      }]);
    }
    this.values = values as Record<string, unknown>;
    for (const override of overrides) this.#apply(override);
  }

  #apply({ path, value, text }: Override): void {
    // A stage is named without "stages.", whatever else is top-level by its own name.
    const stages = this.values.stages as Record<string, unknown> | null | undefined;
    const known = Object.keys(stages ?? {});
    const inStages = path[0] !== "stages" && (path.length > 1 || known.includes(path[0]!));
    if (inStages && !known.includes(path[0]!)) {
      throw new ConfigError([{
        at: { text },
        message: `${this.file} has no stage "${path[0]}".${didYouMean(path[0]!, known)} ` +
          `It has ${list(known) || "none"}.`,
      }]);
    }
    this.#overrides.push({ path: inStages ? ["stages", ...path] : path, value, text });
    let target = inStages ? stages! : this.values;
    path.slice(0, -1).forEach((key, depth) => {
      const next = target[key] ?? {};
      if (typeof next !== "object" || Array.isArray(next)) {
        throw new ConfigError([{
          at: { text },
          message: `${path.slice(0, depth + 1).join(".")} has no parameters of its own`,
        }]);
      }
      target[key] = next;
      target = next as Record<string, unknown>;
    });
    target[path.at(-1)!] = value;
  }

  /** The override that gave a value its present form, if one did. */
  overrideOf(path: Path): Override | undefined {
    return this.#overrides.findLast(({ path: set }) =>
      set.length <= path.length && set.every((part, i) => String(path[i]) === part)
    );
  }

  /**
   * Where a value, or with `key` the name before it, was written.
   * What is not written is located at the nearest thing around it that is.
   */
  at(path: Path, key = false): Location {
    const override = this.overrideOf(path);
    if (override) return { text: override.text };
    let node: Node | null = this.#document.contents;
    let offset = node?.range?.[0] ?? 0;
    for (const [depth, part] of path.entries()) {
      let next: unknown;
      if (isMap(node)) {
        const pair = (node.items as Pair[]).find((item) =>
          String(isScalar(item.key) ? item.key.value : item.key) === String(part)
        );
        if (!pair) break;
        next = pair.value;
        const wantsKey = key && depth === path.length - 1;
        const written = isNode(next) && next.range && next.range[1] > next.range[0];
        const place = wantsKey || !written ? pair.key : next;
        offset = (place as Node).range?.[0] ?? offset;
      } else if (isSeq(node)) {
        next = node.items[Number(part)];
        offset = (isNode(next) ? next.range?.[0] : undefined) ?? offset;
      }
      if (!isNode(next)) break;
      node = next;
    }
    return this.#locate(offset);
  }

  #locate(offset: number): Location {
    const { line, col } = this.#lines.linePos(offset);
    return {
      text: `${this.file}:${Math.max(line, 1)}:${Math.max(col, 1)}`,
      line: this.#text.split("\n")[Math.max(line, 1) - 1]?.trimEnd(),
      column: Math.max(col, 1),
    };
  }
}
