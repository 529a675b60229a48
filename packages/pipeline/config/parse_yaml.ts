/** Text of YAML → its values and their places. Loaded only for a text that is not kept parsed. */
import {
  type Alias,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
} from "yaml";
import { ConfigError, didYouMean, joinWords } from "../errors.ts";
import { isRecord } from "../fingerprint.ts";
import { formatInteger } from "../format.ts";
import { locate, type ParsedYaml, pathKey, type Place } from "./yaml_file.ts";

/** Largest number of values in a file once its aliases are resolved. */
const MAX_VALUES = 100_000;

/**
 * Parses YAML 1.2 with merge keys (`<<`). Never throws.
 * @returns `targets`: alias → the node that it stands for; `mistakes`: errors with their offsets in
 *   the text, of the syntax the first one, as the parser guesses after it; without any, `value` is
 *   valid
 */
export function parseYaml(text: string) {
  // The parser's own search for duplicate keys is quadratic.
  const options = { prettyErrors: false, merge: true, uniqueKeys: false };
  const document = parseDocument(text, options);
  const { errors, warnings } = document;
  const exhausted = errors.find(({ code }) => code === "RESOURCE_EXHAUSTION");
  const mistakes = exhausted || errors.length + warnings.length > 0
    ? [exhausted ? { at: exhausted.pos[0], message: "nested too deeply" } : explain(document, text)]
    : [];
  const targets = new Map<Alias, Node>();
  if (mistakes.length === 0) mistakes.push(...resolveAliases(document.contents, targets));
  const value: unknown = mistakes.length === 0 ? document.toJS({ maxAliasCount: -1 }) : undefined;
  return { document, targets, mistakes, value };
}

/** Messages of the parser, and ways out. */
const WAYS: readonly [message: RegExp, way: string][] = [
  [/^Tabs/, "Indent with spaces"],
  [/^Plain value cannot/, "Put it between quotes"],
  [/^Invalid escape/, String.raw`Within "...", write \\ for \; within '...', \ is itself`],
  [/^Implicit/, "Write a name, a colon and a space before a value, as in dropout: 0.5"],
  [/^Nested mappings/, 'Put a value with ": " between quotes, or begin a new line after the first'],
  [/within flow/, "Is a comma missing before it?"],
  [/^Unexpected flow-/, "It closes nothing: remove it"],
];

/** Returns the first error of the parser at the place where a person looks, with a way out. */
function explain({ errors, warnings, contents }: ReturnType<typeof parseDocument>, text: string) {
  const [first, second] = [...errors, ...warnings], { code, message, pos } = first!;
  const [offset] = pos;
  if (code === "MULTIPLE_DOCS") {
    return { at: offset, message: "a second document begins here; keep one in each file" };
  }
  const because = (why: string, at = offset) => ({ at, message: `not valid YAML: ${why}` });
  const close = message.match(/end with an? ([}\]])$|^Missing closing (["'])/)?.slice(1).join("");
  if (close) {
    const open = { "}": "{", "]": "[" }[close] ?? close;
    let at = offset;
    visit(contents, (_, node) => {
      const [start, end] = isNode(node) && node.range || [offset, 0];
      if (start < offset && end >= offset && text[start] === open) at = start;
    });
    return because(`this ${open} is not closed. Write ${close} where it ends`, at);
  }
  // The parser names the blanks before a line, or the value above it.
  const isAbove = code === "BLOCK_AS_IMPLICIT_KEY" && second?.code === "MULTILINE_IMPLICIT_KEY";
  const line = isAbove ? text.indexOf("\n", offset) : offset;
  const at = line + text.slice(line).match(/^(\s|#.*)*/)![0].length;
  const [, above, indent] = text.slice(0, at).match(/^([^]*\n)?([^\n]*)$/)!;
  const columns = columnsOf(above ?? ""), column = indent!.length + 1;
  const isIndent = !["TAB_AS_INDENT", "MULTILINE_IMPLICIT_KEY"].includes(code) && !indent!.trim();
  if (isIndent && columns.length > 0 && !columns.includes(column)) {
    const others = joinWords(columns.map(String), "or");
    const why = `this line begins in column ${column}, those above it in ${others}`;
    return because(`${why}. Align it with one of them`, at);
  }
  const quote = text[offset - 1];
  const way = code === "UNEXPECTED_TOKEN" && (quote === "'" || quote === '"')
    ? `The ${quote} before it ends the text: write ${quote === "'" ? "''" : '\\"'} for one within`
    : WAYS.find(([known]) => known.test(message))?.[1];
  return because(message + (way ? `. ${way}` : ""));
}

/** Returns the columns in which the next line may begin: those of maps and lists that are open. */
function columnsOf(above: string): number[] {
  let columns: number[] = [];
  for (const [, blank, dashes] of above.matchAll(/^( *)((?:- +)*)[^#\s]/gm)) {
    const starts = [blank!, blank! + dashes!].map(({ length }) => length + 1);
    columns = [...new Set([...columns.filter((column) => column < starts[0]!), ...starts])];
  }
  return columns;
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
        // Names of columns and classes have one Unicode form.
        if (isScalar<unknown>(name) && typeof name.value === "string") {
          name.value = name.value.normalize();
        }
        if (!isScalar(name)) {
          if (name) report(key, "expected a name, got a list or a map");
        } else if (name.value === "__proto__") {
          report(key, '"__proto__" cannot be a name');
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
 * Parses a pipeline.
 * @param shown display path, for messages
 * @throws {ConfigError} with the place of every error
 */
export function parsePipeline(text: string, shown: string): ParsedYaml {
  const { document, targets, mistakes, value } = parseYaml(text);
  const at = (offset: number) => locate(text, shown, offset);
  if (mistakes.length > 0) {
    throw new ConfigError(mistakes.map(({ at: offset, message }) => ({ at: at(offset), message })));
  }
  if (!isRecord(value)) {
    throw ConfigError.at(at(0), 'expected a pipeline, such as "stages: { download: }"');
  }
  return { values: value, places: placesOf(document.contents, targets) };
}

/** Lists the place of every path: where its value is written, merge keys applied. */
function placesOf(root: Node | null, targets: ReadonlyMap<Alias, Node>): ParsedYaml["places"] {
  const places: Record<string, Place> = {};
  const target = (node: unknown) => isAlias(node) ? targets.get(node) : node;
  const pairsOf = (map: YAMLMap): ReadonlyMap<string, Pair> => {
    const merged = map.items.filter(({ key }) => isMerge(key))
      .flatMap(({ value }) => mergedMaps(value, targets) ?? []);
    const own = map.items.filter(({ key }) => !isMerge(key)).map((pair) => {
      const name = target(pair.key);
      return [String(isScalar(name) ? name.value : name), pair] as const;
    });
    // The last value wins: a map's own, then the first of those that it merges.
    const inherited = merged.toReversed().flatMap((other) => [...pairsOf(other)]);
    return new Map([...inherited, ...own]);
  };
  const visit = (path: readonly string[], node: unknown, place: Place) => {
    places[pathKey(path)] = place;
    const inner = target(node);
    if (isMap(inner)) {
      for (const [name, { key, value }] of pairsOf(inner)) {
        const [start = 0] = (key as Node).range ?? [];
        const written = isNode(value) && value.range && value.range[1] > value.range[0];
        visit([...path, name], value, [start, written ? value.range![0] : start]);
      }
    } else if (isSeq(inner)) {
      inner.items.forEach((item, i) => {
        const start = (isNode(item) ? item.range?.[0] : undefined) ?? place[1];
        visit([...path, String(i)], item, [start, start]);
      });
    }
  };
  const start = target(root);
  const [offset = 0] = isNode(start) ? start.range ?? [] : [];
  visit([], root, [offset, offset]);
  return places;
}
