/** One YAML file: its values, and where in it each was written. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from "yaml";
import { ConfigError, type Location } from "./errors.ts";

export type Path = readonly (string | number)[];

export class YamlFile {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #text: string;
  readonly values: Readonly<Record<string, unknown>>;

  /**
   * @param path absolute
   * @param shown the path as messages shall show it
   * @throws ConfigError on bad YAML, with every error's place
   */
  constructor(readonly path: string, readonly shown: string, text: string) {
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
  }

  /**
   * Where a value, or with `key` the name before it, was written.
   * What is not written is located at the nearest thing around it that is.
   */
  at(path: Path, key = false): Location {
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
      text: `${this.shown}:${Math.max(line, 1)}:${Math.max(col, 1)}`,
      line: this.#text.split("\n")[Math.max(line, 1) - 1]?.trimEnd(),
      column: Math.max(col, 1),
    };
  }
}
