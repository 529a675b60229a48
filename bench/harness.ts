/** Options, turns, child processes, tables, charts, logs and printed reports of benchmarks. */
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { formatTable } from "../packages/pipeline/format.ts";
import { median } from "../packages/statistics/prediction_metrics.ts";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Names of an option that takes some of them, and its default. */
export interface Names<T extends string = string> {
  readonly allowed: readonly T[];
  readonly chosen: readonly T[];
}

/** Returns an option of names, separated by commas. Default: all. */
export function names<const T extends string>(
  allowed: readonly T[],
  chosen: readonly T[] = allowed,
): Names<T> {
  return { allowed, chosen };
}

/**
 * Default of an option: a text, a positive integer, some of them, names, false for a flag, or undefined
 * for a text that may be missing.
 */
type Default = string | number | readonly number[] | Names | false | undefined;
type Value<D> = D extends string ? string
  : D extends number ? number
  : D extends readonly number[] ? number[]
  : D extends Names<infer T> ? T[]
  : D extends false ? boolean
  : string | undefined;
type Values<D> = { [K in keyof D]: Value<D[K]> };

/** Findings of a benchmark: as text, and as JSON, which names the machine as well. */
interface Found {
  readonly text: string;
  readonly json: Record<string, unknown>;
}

/**
 * Returns a benchmark as a command. Each takes `--json`, which prints one JSON object to stdout and
 * everything else to stderr, and `--help`.
 * @param run measures; its folder for temporary files is removed at the end
 */
export function defineBench<const D extends Readonly<Record<string, Default>>>(
  help: string,
  defaults: D,
  run: (values: Values<D>, folder: string, positionals: string[]) => Promise<Found | void>,
): (args: string[]) => Promise<void> {
  return async (args) => {
    const parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        ...Object.fromEntries(
          Object.entries(defaults).map(([name, value]) => [
            name,
            { type: value === false ? "boolean" : "string" } as const,
          ]),
        ),
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    const { values, positionals } = parsed,
      given: Record<string, string | boolean | undefined> = values;
    if (given.help) {
      return console.log(`${help.trim()}\n\n--json prints one JSON object, the rest to stderr.`);
    }
    const options = Object.entries(defaults)
      .map(([name, value]) => [name, parseValue(name, value, given[name])]);
    const state = { machine: machine() };
    const folder = await Deno.makeTempDir({ prefix: "bench-" });
    try {
      const found = await run(Object.fromEntries(options), folder, positionals);
      if (!found) return;
      (given.json ? console.error : console.log)(`\n${found.text}`);
      if (given.json) console.log(JSON.stringify({ ...state, ...found.json }, null, 2));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  };
}

/** Parses the value of an option. @throws if it is not of the default's kind */
export function parseValue(name: string, value: Default, given: string | boolean | undefined) {
  const refuse = (part: string, why: string) =>
    new Error(`Cannot read "--${name} ${given}": "${part}" is not ${why}.`);
  const whole = (text: string) => {
    if (!/^[1-9]\d*$/.test(text)) throw refuse(text, "a whole number above 0");
    return Number(text);
  };
  if (typeof given !== "string") {
    return given ?? (typeof value === "object" && "chosen" in value ? value.chosen : value);
  }
  if (typeof value === "number") return whole(given);
  if (typeof value !== "object") return given;
  const parts = given.split(",");
  if (!("allowed" in value)) return parts.map(whole);
  for (const part of parts) {
    if (!value.allowed.includes(part)) throw refuse(part, `one of ${value.allowed.join(", ")}`);
  }
  return parts;
}

/** Describes the machine, as far as the runtime knows it. */
function machine() {
  return {
    cores: navigator.hardwareConcurrency,
    os: Deno.build.os,
    arch: Deno.build.arch,
    load: Deno.loadavg(),
  };
}

/** Lets all take turns, so that what else the machine does meets them alike. Returns all results. */
export async function takeTurns<K extends string, T>(
  rounds: number,
  takers: Readonly<Record<K, () => Promise<T>>>,
): Promise<Record<K, T[]>> {
  const all = Object.entries(takers) as [K, () => Promise<T>][];
  const results = Object.fromEntries(all.map(([name]) => [name, []])) as unknown as Record<K, T[]>;
  for (let round = 0; round < rounds; round++) {
    for (const [name, take] of all) results[name].push(await take());
  }
  return results;
}

export function medianOf<T>(all: readonly T[], of: (one: T) => number): number {
  return median(all.map(of));
}

/** Runs a program in the project's folder and returns what it printed. @throws if it fails */
export async function outputOf(
  command: string,
  args: string[],
  { input = "", env = {}, watch }: {
    input?: string;
    env?: Record<string, string>;
    watch?: (pid: number) => void;
  } = {},
): Promise<string> {
  const child = new Deno.Command(command, {
    args,
    env,
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  watch?.(child.pid);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) {
    throw new Error(`Cannot measure: "${command} ${args.join(" ")}" failed, see above.`);
  }
  return new TextDecoder().decode(stdout);
}

/** Arguments of a Deno without questions. */
export const DENO = ["run", "--quiet", "--no-prompt", "--allow-all"];

/** Runs a pipeline. Returns the seconds of each stage, and the folder of an artifact. */
export async function runPipeline(
  pipeline: string,
  args: readonly string[],
  options: { env?: Record<string, string>; watch?: (pid: number) => void } = {},
) {
  const text = await outputOf(
    Deno.execPath(),
    [...DENO, "main.ts", "run", pipeline, "--json", ...args],
    { ...options, env: { INIT_CWD: ROOT, NO_COLOR: "1", ...options.env } },
  );
  const { stages }: {
    stages: { id: string; seconds: number; outputs: Record<string, string> }[];
  } = JSON.parse(text);
  return {
    seconds: Object.fromEntries(stages.map(({ id, seconds }) => [id, seconds])),
    artifact: (stage: string, name: string) =>
      resolve(ROOT, stages.find(({ id }) => id === stage)!.outputs[name]),
  };
}

/** Returns a Markdown table; all columns but the first are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const bars = (cells: readonly string[]) => ["|", ...cells.flatMap((cell) => [cell, "|"])];
  const rule = head.map((title, column) => {
    const width = Math.max(3, title.length, ...rows.map((row) => row[column].length));
    return column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`;
  });
  const right = head.flatMap((_, column) => column === 0 ? [] : [2 * column + 1]);
  return formatTable([head, rule, ...rows].map(bars), right)
    .map((line) => line.replaceAll("|  ", "| ").replaceAll("  |", " |")).join("\n");
}

/** Formats an integer: 1,234. */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Formats bytes in MB; "–" if they are unknown. */
export function megabytes(bytes: number | null): string {
  return bytes === null ? "–" : `${thousands(bytes / 1e6)} MB`;
}

/** One figure of each row of a chart; `null`: unknown. */
interface Panel {
  readonly title: string;
  readonly values: readonly (number | null)[];
  show(value: number): string;
}

/**
 * Returns rows of bars as an SVG.
 * @param title what the whole shows, for those who do not see it
 * @param labels of the rows, the same in each panel
 */
export function barChart(title: string, labels: readonly string[], panels: readonly Panel[]) {
  const width = 640, left = 130, right = 110, bar = 22, gap = 8;
  const tall = labels.length * (bar + gap) + 44;
  const parts = panels.flatMap(({ title, values, show }, p) => {
    const top = p * tall + 30;
    const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
    return [
      `<text x="${left}" y="${top - 10}" font-weight="bold">${title}</text>`,
      ...labels.flatMap((label, r) => {
        const value = values[r], fill = p === 0 ? "#4269d0" : "#a463f2";
        const y = top + r * (bar + gap), long = (value ?? 0) / most * (width - left - right);
        const middle = y + bar / 2 + 5, shown = value === null ? "unknown" : show(value);
        return [
          `<text x="${left - 8}" y="${middle}" text-anchor="end">${label}</text>`,
          `<rect x="${left}" y="${y}" width="${long.toFixed(1)}" height="${bar}" fill="${fill}"/>`,
          `<text x="${(left + long + 8).toFixed(1)}" y="${middle}">${shown}</text>`,
        ];
      }),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${tall * panels.length}" ` +
    `role="img" font-family="system-ui, sans-serif" font-size="14">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${tall * panels.length}" fill="#fff"/>`,
    ...parts,
    `</svg>\n`,
  ].join("\n");
}

/** Key of a result; the order of its fields matters. */
type Key = Record<string, unknown>;

/** Log of results, one per line, from which an interrupted benchmark resumes. */
export class ResultLog<Result> {
  readonly #results = new Map<string, Result>();
  readonly #path: string | undefined;

  /**
   * @param path of the file; undefined: nothing is written
   * @throws if a line of the file is invalid
   */
  constructor(path: string | undefined) {
    this.#path = path;
    if (path === undefined) return;
    using file = Deno.openSync(path, { read: true, write: true, create: true });
    const text = Deno.readTextFileSync(path);
    // What stands behind the last line break was being written when the bench was killed.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    file.truncateSync(new TextEncoder().encode(whole).length);
    whole.split("\n").slice(0, -1).forEach((line, i) => {
      try {
        const { key, result } = JSON.parse(line) as { key: Key; result: Result };
        if (key === undefined || result === undefined) throw new Error("it lacks key or result");
        this.#results.set(JSON.stringify(key), result);
      } catch (cause) {
        throw new Error(
          `Cannot read "${path}", line ${i + 1}: ${(cause as Error).message}. ` +
            "Remove the file, or name another with --keep.",
          { cause },
        );
      }
    });
  }

  /** Returns the result of a key: the one that is there, or a new one. */
  async take(key: Key, measure: () => Promise<Result>): Promise<Result> {
    const name = JSON.stringify(key);
    if (!this.#results.has(name)) {
      const result = await measure();
      this.#results.set(name, result);
      if (this.#path !== undefined) {
        Deno.writeTextFileSync(this.#path, `${JSON.stringify({ key, result })}\n`, {
          append: true,
        });
      }
    }
    return this.#results.get(name)!;
  }
}
