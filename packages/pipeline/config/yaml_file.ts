/** One YAML file: its values and their places. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { ConfigError, type Location } from "../errors.ts";
import { sha256 } from "../fingerprint.ts";
import { withoutSecrets } from "../secrets.ts";
import { readState, writeState } from "../state.ts";

export type Path = readonly (string | number)[];

/** Offsets of a value's name and of the value; both of the name where the value is empty. */
export type Place = readonly [name: number, value: number];

export interface ParsedYaml {
  readonly values: Readonly<Record<string, unknown>>;
  /** `pathKey()` a path → its place. */
  readonly places: Readonly<Record<string, Place>>;
}

/** The parser behind kept values; a test compares it with deno.json. */
export const PARSER = "yaml@2.9.1";

const keptSchema = z.object({
  format: z.literal(2),
  parser: z.literal(PARSER),
  /** SHA-256 of the text. */
  text: z.string(),
  values: z.record(z.string(), z.unknown()),
  places: z.record(z.string(), z.tuple([z.number(), z.number()])),
});

type Kept = z.output<typeof keptSchema>;

export function pathKey(path: Path): string {
  return JSON.stringify(path.map(String));
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
  throw ConfigError.at(place, `not valid YAML: ${what}. Save it as UTF-8`);
}

export function locate(text: string, shown: string, offset: number): Location {
  const start = text.lastIndexOf("\n", offset - 1) + 1, column = offset - start + 1;
  const line = text.slice(0, start).split("\n").length;
  const [shownLine] = text.slice(start).split("\n", 1);
  return { text: `${shown}:${line}:${column}`, line: shownLine!.trimEnd(), column };
}

export class YamlFile {
  readonly values: ParsedYaml["values"];

  /**
   * @param path absolute
   * @param shown display path
   */
  constructor(
    readonly path: string,
    readonly shown: string,
    readonly text: string,
    readonly parsed: ParsedYaml,
  ) {
    this.values = parsed.values;
  }

  /**
   * Reads a file.
   * @param cache folder of `keep()`: an unchanged text is not parsed again
   * @throws {ConfigError} with the place of every error
   */
  static async read(path: string, shown: string, cache?: string): Promise<YamlFile> {
    const text = decode(await Deno.readFile(path), shown);
    const kept = cache && (await readState<Kept>(fileOf(path, cache), { shape: keptSchema })).value;
    if (kept && kept.text === sha256(text)) return new YamlFile(path, shown, text, kept);
    const { parsePipeline } = await import("./parse_yaml.ts");
    return new YamlFile(path, shown, text, parsePipeline(text, shown));
  }

  /** Keeps values and places for `read()`, without which the next run parses the file again. */
  async keep(cache: string): Promise<void> {
    const { path, parsed: { values, places } } = this;
    // Neither secrets nor what JSON cannot hold, such as NaN.
    const plain = isDeepStrictEqual(JSON.parse(JSON.stringify(withoutSecrets(values))), values);
    if ("text" in this.parsed || !plain) return;
    const kept = { format: 2, parser: PARSER, text: sha256(this.text), values, places };
    // A read-only folder is no reason to fail.
    await writeState(fileOf(path, cache), kept).catch(() => {});
  }

  /** Returns the place of a value, or with `key` of its name; of a missing one, of its parent. */
  at(path: Path, key = false): Location {
    const place = this.parsed.places[pathKey(path)];
    if (!place && path.length > 0) return this.at(path.slice(0, -1));
    const [name, value] = place ?? [0, 0];
    return locate(this.text, this.shown, key ? name : value);
  }
}

function fileOf(path: string, cache: string): string {
  return join(cache, `yaml-${sha256(path).slice(0, 16)}.json`);
}
