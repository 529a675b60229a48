/** The rules of CONTRIBUTING.md that a search can keep. */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { markdownFiles, root } from "./markdown.ts";

/** Rooms and files that are clean, and stay so. */
const CLEAN: readonly string[] = [
  "main.ts",
  "packages/assemblyscript",
  "packages/compute",
  "packages/download",
  "packages/engine",
  "packages/formats",
  "packages/random",
  "packages/statistics",
  "packages/workers",
  "packages/pipeline",
  "faces/datasets",
  "faces/detection",
  "faces/images",
  "faces/synthetic",
  "faces/evaluation",
  "faces/serving",
  "faces/ui",
  "models",
  "stages",
  "plugins",
  "faces/commands",
  "bench",
  "docs",
  "tests/docs_test.ts",
  "tests/markdown.ts",
];

/** Documents that are not prose of the project's own: generated from texts of rooms. */
const GENERATED = ["docs/reference.md"];

const OPENINGS = /^(What|Whether|How|Of|Where|Who|Whose|So)\b/;
const WORDS: readonly [RegExp, string][] = [
  [/\b(says?|said|saying|tells?|told|telling)\b/i, "log, report, return, print, predict, document"],
  [/\b(nobody|somebody|whoever|whatever|whichever)('s)?\b/i, "name who or what it is"],
  [/\bunless (given|told)\b/i, "Default: X"],
  [/\bgoe?s? on from\b/i, "resume"],
  [/\bup to so many\b|\bso many\b/i, "at most N"],
];
const BRITISH =
  /\b\w*(normalis|initialis|optimis|analys(?:e|er|ing)(?![a-z])|colour|neighbour|behaviour)\w*/i;

interface Finding {
  readonly path: string;
  readonly text: string;
  readonly rule: string;
}

async function sources(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const walk = async (path: string) => {
    const { isDirectory } = await Deno.stat(join(root, path));
    if (!isDirectory) return void (path.endsWith(".ts") && found.push(path));
    for await (const { name } of Deno.readDir(join(root, path))) {
      if (!name.startsWith(".") && name !== "node_modules") await walk(join(path, name));
    }
  };
  for (const path of paths) await walk(path);
  return found.sort();
}

/** One pass over the code: strings and templates first, so that comments in them do not count. */
const TOKENS =
  /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[^])*`)|(\/\*[^]*?\*\/)|((?:\/\/[^\n]*(?:\n[ \t]*(?=\/\/))?)+)/g;

/** Finds what the rules forbid in a module's comments, messages and identifiers. */
export function findInCode(path: string, code: string): Finding[] {
  const found: Finding[] = [];
  const rest = code.replace(TOKENS, (_, string?: string, block?: string, lines?: string) => {
    if (string !== undefined) {
      // A message or a help text; a string without blanks is data.
      if (/\w \w/.test(string)) found.push(...findInText(path, string.replace(/\s+/g, " ")));
      return '""';
    }
    const text = (block ?? lines!).replace(/^\/\*+|\*+\/$/g, "").replace(/^[ \t]*(\*|\/\/) ?/gm, "")
      .replace(/`[^`]*`/g, "``").replace(/\s+/g, " ").trim();
    if (block?.startsWith("/**")) {
      const opening = text.match(OPENINGS);
      if (opening) found.push({ path, text, rule: `a doc comment begins with "${opening[0]}"` });
    }
    found.push(...findInText(path, text));
    return "";
  });
  const british = rest.match(BRITISH);
  if (british) found.push({ path, text: british[0], rule: "American spelling in identifiers" });
  return found;
}

/** Finds what the rules forbid in prose. */
function findInText(path: string, text: string): Finding[] {
  return WORDS.flatMap(([word, instead]) => {
    const match = text.match(word);
    if (!match) return [];
    const around = text.slice(Math.max(0, match.index! - 40), match.index! + 40);
    return [{ path, text: around, rule: `"${match[0]}": ${instead}` }];
  });
}

const show = (findings: readonly Finding[]) =>
  findings.map(({ path, text, rule }) => `${path}: ${rule}: ${text.slice(0, 90)}`);

Deno.test("findInCode() finds openings, words and spellings in comments, messages and names", () => {
  const rulesOf = (code: string) => findInCode("a.ts", code).map(({ rule }) => rule.split(":")[0]);
  assert.deepEqual(rulesOf("/** What it is. */\nconst a = 1;"), [
    'a doc comment begins with "What"',
  ]);
  assert.deepEqual(rulesOf("/**\n * Reads it.\n * @param b as a says\n */"), ['"says"']);
  assert.deepEqual(rulesOf("const a = 1; // told by nobody"), ['"told"', '"nobody"']);
  assert.deepEqual(rulesOf('const normaliser = "/**What*/";'), [
    "American spelling in identifiers",
  ]);
  assert.deepEqual(rulesOf('const a = ["says", "the run says so"];'), ['"says"']);
  assert.deepEqual(rulesOf("/** Reads `tell()`. */\nconst a = `//says`;"), []);
});

Deno.test("comments, messages and names of clean rooms follow CONTRIBUTING.md", async () => {
  const found: Finding[] = [];
  for (const path of await sources(CLEAN)) {
    found.push(...findInCode(path, await Deno.readTextFile(join(root, path))));
  }
  assert.deepEqual(show(found), []);
});

Deno.test("documents follow CONTRIBUTING.md", async () => {
  const found = (await markdownFiles()).filter(({ path }) => !GENERATED.includes(path))
    .flatMap(({ path, prose }) =>
      // The rules themselves name what they forbid.
      findInText(path, path === "CONTRIBUTING.md" ? prose.replace(/\*[^*]+\*/g, "") : prose)
    );
  assert.deepEqual(show(found), []);
});

Deno.test("no basename occurs twice where both could be meant", async () => {
  const allowed = ["mod.ts", "main.ts", "worker.ts", "types.ts", "params.ts", "options.ts"];
  // Kernels are in AssemblyScript, a language of its own.
  const all = (await sources(["packages", "faces", "models", "stages", "plugins", "bench", "docs"]))
    .filter((path) => !path.includes("/assembly/"));
  const twice = [...Map.groupBy(all, (path) => basename(path))]
    .filter(([name, at]) => at.length > 1 && !allowed.includes(name));
  assert.deepEqual(twice, []);
});

// deno run -A tests/words_test.ts ROOM …: lists what a room has left.
if (import.meta.main && Deno.args.length > 0) {
  for (const path of await sources(Deno.args)) {
    for (const line of show(findInCode(path, await Deno.readTextFile(join(root, path))))) {
      console.log(line);
    }
  }
}
