/** One YAML file: its values and their places. */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { ConfigError, didYouMean, type Location } from "../errors.ts";
import { formatInteger } from "../reporter.ts";

export type Path = readonly (string | number)[];

/** Largest number of values in a file once its aliases are resolved. */
const MAX_VALUES = 100_000;

/** A YAML document, its aliases checked. */
interface Parsed {
  readonly document: Document.Parsed;
  readonly targets: ReadonlyMap<Alias, Node>;
  /** Every error with its offset in the text; without any, `value` is valid. */
  readonly mistakes: readonly { readonly at: number; readonly message: string }[];
  readonly value: unknown;
}

/** Parses YAML 1.2 with merge keys (`<<`). Never throws: errors are listed with their offsets. */
export function parseYaml(text: string, lineCounter?: LineCounter): Parsed {
  // The parser's own search for duplicate keys is quadratic.
  const options = { lineCounter, prettyErrors: false, merge: true, uniqueKeys: false };
  const document = parseDocument(text, options);
  const { errors, warnings } = document;
  const exhausted = errors.find(({ code }) => code === "RESOURCE_EXHAUSTION");
  const found = exhausted ? [exhausted] : [...errors, ...warnings];
  const mistakes = found.map(({ code, message, pos: [start] }) => {
    if (code === "RESOURCE_EXHAUSTION") return { at: start, message: "nested too deeply" };
    if (code === "MULTIPLE_DOCS") {
      return { at: start, message: "a second document begins here; keep one in each file" };
    }
    return { at: start, message: `not valid YAML: ${message}` };
  });
  const targets = new Map<Alias, Node>();
  if (mistakes.length === 0) mistakes.push(...resolveAliases(document.contents, targets));
  const value: unknown = mistakes.length === 0 ? document.toJS({ maxAliasCount: -1 }) : undefined;
  return { document, targets, mistakes, value };
}

/** Finds the node that each alias stands for, and lists the errors of aliases and keys. */
function resolveAliases(root: Node | null, targets: Map<Alias, Node>) {
  const mistakes: { at: number; message: string }[] = [];
  /** Size: number of values, aliases resolved; undefined while the node is being read. */
  const anchors = new Map<string, { node: Node; size?: number }>();
  const report = (node: Node, message: string) => {
    mistakes.push({ at: node.range?.[0] ?? 0, message });
    return 1;
  };
  const sizeOf = (node: unknown): number => {
    if (!isNode(node)) return 0;
    if (isAlias(node)) {
      const { source } = node;
      const anchor = anchors.get(source);
      if (!anchor) {
        const near = didYouMean(source, [...anchors.keys()]);
        return report(node, `*${source}: no anchor &${source} stands before it.${near}`);
      }
      if (anchor.size === undefined) {
        return report(node, `*${source} stands inside of &${source}, so it never ends`);
      }
      targets.set(node, anchor.node);
      return anchor.size;
    }
    const anchor: { node: Node; size?: number } = { node };
    if (node.anchor) anchors.set(node.anchor, anchor);
    let size = 1;
    const add = (child: unknown) => {
      const before = size;
      size += sizeOf(child);
      if (before <= MAX_VALUES && size > MAX_VALUES && isNode(child)) {
        const message = `more than ${formatInteger(MAX_VALUES)} values with all aliases resolved`;
        if (!mistakes.some((other) => other.message === message)) report(child, message);
      }
    };
    if (isSeq(node)) node.items.forEach(add);
    if (isMap(node)) {
      const names = new Set<string>();
      for (const { key, value } of node.items as Pair<Node, Node | null>[]) {
        add(key);
        add(value);
        if (isMerge(key)) {
          if (mergedMaps(value, targets)) continue;
          const message = "<<: expected a map, an alias of one, or a list of these";
          report(value?.range ? value : key, message);
          continue;
        }
        const name = isAlias(key) ? targets.get(key) : key;
        if (!isScalar(name)) {
          if (name) report(key, "expected a name, got a list or a map");
        } else if (names.has(String(name.value))) {
          report(key, `"${name.value}" is there twice; keep one`);
        } else names.add(String(name.value));
      }
    }
    return anchor.size = size;
  };
  sizeOf(root);
  return mistakes;
}

function isMerge(key: unknown): boolean {
  return isScalar(key) && typeof key.value === "symbol";
}

/** Returns the maps of a merge key's value, in order; undefined for any other value. */
function mergedMaps(value: unknown, targets: ReadonlyMap<Alias, Node>): YAMLMap[] | undefined {
  const target = (node: unknown) => isAlias(node) ? targets.get(node) : node;
  const node = target(value);
  const maps = isSeq(node) ? node.items.map(target) : [node];
  return maps.every(isMap) ? maps as YAMLMap[] : undefined;
}

/**
 * Decodes a text file: UTF-8, or UTF-16 with a byte order mark, as some editors save it.
 * @throws ConfigError on another encoding and on control characters, with the place
 */
function decode(bytes: Uint8Array, shown: string): string {
  const mark = bytes[0]! << 8 | bytes[1]!;
  const encoding = mark === 0xfffe ? "utf-16le" : mark === 0xfeff ? "utf-16be" : "utf-8";
  const text = new TextDecoder(encoding).decode(bytes);
  // deno-lint-ignore no-control-regex -- YAML allows tabs and line ends alone
  const at = text.search(/[\0-\x08\v\f\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]/);
  if (at < 0) return text;
  const lines = text.slice(0, at).split("\n");
  const code = text.charCodeAt(at).toString(16).toUpperCase().padStart(4, "0");
  const what = code === "FFFD" ? "bytes that are not UTF-8" : `the control character U+${code}`;
  // Without the line: control characters must not reach the terminal.
  const place = { text: `${shown}:${lines.length}:${lines.at(-1)!.length + 1}` };
  throw new ConfigError([{ at: place, message: `not valid YAML: ${what}. Save it as UTF-8` }]);
}

export class YamlFile {
  readonly #parsed: Parsed;
  readonly #lines = new LineCounter();
  readonly #texts: readonly string[];
  /** Map → name → pair, merge keys applied. */
  readonly #pairs = new Map<YAMLMap, ReadonlyMap<string, Pair>>();
  readonly values: Readonly<Record<string, unknown>>;

  /**
   * @param path absolute
   * @param shown display path
   * @param content text, or a file's bytes
   * @throws {ConfigError} with the place of every error
   */
  constructor(readonly path: string, readonly shown: string, content: string | Uint8Array) {
    const text = typeof content === "string" ? content : decode(content, shown);
    this.#texts = text.split("\n");
    this.#parsed = parseYaml(text, this.#lines);
    const { mistakes, value: values } = this.#parsed;
    if (mistakes.length > 0) {
      throw new ConfigError(
        mistakes.map(({ at, message }) => ({ at: this.#locate(at), message })),
      );
    }
    if (typeof values !== "object" || values === null || Array.isArray(values)) {
      throw new ConfigError([{
        at: this.#locate(0),
        message: 'expected a pipeline, such as "stages: { download: }"',
      }]);
    }
    this.values = values as Record<string, unknown>;
  }

  /** Returns the place of a value, or with `key` of its name; of a missing one, of its parent. */
  at(path: Path, key = false): Location {
    let node = this.#target(this.#parsed.document.contents);
    let offset = isNode(node) ? node.range?.[0] ?? 0 : 0;
    for (const [depth, part] of path.entries()) {
      let next: unknown;
      if (isMap(node)) {
        const pair = this.#pairsOf(node).get(String(part));
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
      node = this.#target(next);
    }
    return this.#locate(offset);
  }

  #target(node: unknown): unknown {
    return isAlias(node) ? this.#parsed.targets.get(node) : node;
  }

  #pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
    const known = this.#pairs.get(map);
    if (known) return known;
    const merged = map.items.filter(({ key }) => isMerge(key))
      .flatMap(({ value }) => mergedMaps(value, this.#parsed.targets) ?? []);
    const own = map.items.filter(({ key }) => !isMerge(key)).map((pair) => {
      const name = this.#target(pair.key);
      return [String(isScalar(name) ? name.value : name), pair] as const;
    });
    // The last value wins: a map's own, then the first of those that it merges.
    const inherited = merged.toReversed().flatMap((other) => [...this.#pairsOf(other)]);
    const pairs = new Map([...inherited, ...own]);
    this.#pairs.set(map, pairs);
    return pairs;
  }

  #locate(offset: number): Location {
    const { line, col } = this.#lines.linePos(offset);
    return {
      text: `${this.shown}:${Math.max(line, 1)}:${Math.max(col, 1)}`,
      line: this.#texts[Math.max(line, 1) - 1]?.trimEnd(),
      column: Math.max(col, 1),
    };
  }
}
