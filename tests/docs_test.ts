/** Documents: links and paths resolve, commands and options exist, generated parts are current. */
import assert from "node:assert/strict";
import { dirname, join, normalize } from "node:path";
import { cp } from "node:fs/promises";
import { insertDiagram, roomsDiagram } from "../docs/architecture.ts";
import { app } from "../main.ts";
import { HELP } from "../packages/pipeline/cli/help.ts";
import { markdownFiles, root, shellExamples } from "./markdown.ts";
import { pluginTypes, TYPES } from "./plugin_types.ts";
import { benches, moduleOf } from "../bench/mod.ts";

const files = await markdownFiles();
const byPath = new Map(files.map((file) => [file.path, file]));

/** Paths that documents name as examples of a file of the reader's. */
const EXAMPLES = [
  "experiments/dropout",
  "experiments/dropout.yaml",
  "plugins/grey.ts",
];

const exists = (path: string) => Deno.stat(join(root, path)).then(() => true, () => false);

Deno.test("README.md has at most 200 lines", () => {
  assert.ok(byPath.get("README.md")!.text.trimEnd().split("\n").length <= 200);
});

Deno.test("the types of plugins are current", async () => {
  const written = await Deno.readTextFile(join(root, TYPES));
  assert.equal(written, await pluginTypes(), "run deno run -A tests/plugin_types.ts");
});

Deno.test("every relative link and anchor resolves", async () => {
  const broken: string[] = [];
  for (const { path, links } of files) {
    for (const link of links) {
      if (/^[a-z]+:/.test(link)) continue;
      const [target, anchor] = link.split("#");
      const file = target === "" ? path : normalize(join(dirname(path), target));
      if (!await exists(file)) broken.push(`${path}: ${link}: no such file`);
      else if (anchor !== undefined && !byPath.get(file)?.anchors.has(anchor)) {
        broken.push(`${path}: ${link}: no such heading`);
      }
    }
  }
  assert.deepEqual(broken, []);
});

Deno.test("every document is reachable from README.md", () => {
  const reached = new Set<string>();
  const visit = (path: string) => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const link of byPath.get(path)?.links ?? []) {
      const target = link.split("#")[0];
      if (target !== "" && !/^[a-z]+:/.test(target)) visit(normalize(join(dirname(path), target)));
    }
  };
  visit("README.md");
  const documents = files.map(({ path }) => path).filter((path) =>
    path.startsWith("docs/") || !path.includes("/")
  );
  assert.deepEqual(documents.filter((path) => !reached.has(path)), []);
});

Deno.test("every path in backticks exists", async () => {
  const missing: string[] = [];
  for (const { path, spans } of files) {
    if (path === "docs/reference.md") continue; // generated: its paths are those of artifacts
    for (const span of spans) {
      if (
        !/^(packages|faces|stages|models|plugins|experiments|tests|bench|docs)\/\S*$/.test(span)
      ) {
        continue;
      }
      if (/NAME|…|\*/.test(span) || EXAMPLES.includes(span)) continue;
      if (!await exists(span) && !await exists(`${span}.yaml`)) missing.push(`${path}: ${span}`);
    }
  }
  assert.deepEqual(missing, []);
});

Deno.test("every name that documents place in a module is there", async () => {
  const missing: string[] = [];
  const placed = /`(\w+)`(?: and `(\w+)`)? (?:of|in) \[?`(\w+\/[\w/]+\.ts)`/g;
  for (const { path, text } of files) {
    for (const [, name, other, module] of text.replace(/\s+/g, " ").matchAll(placed)) {
      const code = await Deno.readTextFile(join(root, module));
      for (const one of [name, other ?? name]) {
        if (!RegExp(`\\b${one}\\b`).test(code)) missing.push(`${path}: ${one} of ${module}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});

Deno.test("the traces of docs/architecture.md name what the code declares", async () => {
  const code: string[] = [];
  const read = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
      if (isDirectory) await read(join(folder, name));
      else if (/\.ts$/.test(name)) code.push(await Deno.readTextFile(join(root, folder, name)));
    }
  };
  for (const folder of ["packages", "faces", "stages"]) await read(folder);
  const all = code.join("\n"), { text } = byPath.get("docs/architecture.md")!;
  const traces = text.slice(text.indexOf("## Four traces"), text.indexOf("## Questions"));
  const names = [...traces.matchAll(/`(\w+)(?:\.(\w+))?`/g)].flatMap(([, ...both]) => both);
  const declared = (name: string) =>
    RegExp(
      `\\b(function\\*?|class|interface|const|name:) "?${name}\\b|^ +(static )?(async )?${name}\\(`,
      "m",
    )
      .test(all) || Object.hasOwn(app.commands ?? {}, name);
  assert.ok(names.length > 40);
  assert.deepEqual(names.filter((name) => name !== undefined && !declared(name)), []);
});

/** Returns the help of each task that has one, by the task's name. */
async function helpTexts(): Promise<Map<string, string>> {
  const texts = new Map<string, string>(Object.entries(HELP));
  for (const [name, load] of Object.entries(app.commands ?? {})) {
    texts.set(name, (await load()).default.help);
  }
  return texts;
}

/** Returns every `deno task …` of the documents, with continued lines joined. */
function commands(): { path: string; words: string[] }[] {
  return files.flatMap(({ path, spans, fences }) => {
    const shell = fences.filter(({ info }) => info.split(" ")[0] === "sh")
      .flatMap(({ code }) => code.replace(/\\\n\s*/g, " ").split("\n"));
    return [...spans, ...shell].flatMap((line) => {
      const command = line.match(/\bdeno(?:@[\d.]+)? task (.*)$/)?.[1].replace(/ +#.*$/, "");
      return command === undefined ? [] : [{ path, words: command.trim().split(/\s+/) }];
    });
  });
}

Deno.test("every command in the documents is a task, with options that it has", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const help = await helpTexts();
  const wrong: string[] = [];
  for (const { path, words } of commands()) {
    const [task, ...rest] = words;
    const shown = `${path}: deno task ${words.join(" ")}`;
    if (!Object.hasOwn(tasks, task)) {
      wrong.push(`${shown}: no such task`);
      continue;
    }
    let known = help.get(task) ?? "";
    if (task === "bench" && /^[a-z]/.test(rest[0] ?? "")) {
      const there = Object.hasOwn(benches, rest[0]);
      if (!there) wrong.push(`${shown}: no such bench`);
      known = there ? await Deno.readTextFile(join(root, "bench", moduleOf(rest[0]))) : "";
    }
    for (const option of rest.filter((word) => word.startsWith("--") && word !== "--help")) {
      const name = option.split("=")[0];
      const declared = known.includes(name) || known.includes(`${name.slice(2)}: {`) ||
        tasks[task].command.includes(name);
      if (!declared && task !== "schema") wrong.push(`${shown}: no option ${name}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("every key that the documents set or vary exists", async () => {
  const schema = JSON.parse(await Deno.readTextFile(join(root, "pipeline.schema.json")));
  const known = new Set([
    ...Object.keys(schema.properties),
    ...Object.keys(schema.properties.sweep.properties),
    ...Object.keys(schema.properties.bullmq.properties).map((key) => `bullmq.${key}`),
  ]);
  const wrong = commands().flatMap(({ path, words }) =>
    words.flatMap((word, i) => {
      const key = /^--(set|sweep)$/.test(words[i - 1] ?? "") ? word.split("=")[0] : undefined;
      return key === undefined || known.has(key) || key === "KEY" || key === "STAGE.PARAM"
        ? []
        : [`${path}: ${key}`];
    })
  );
  assert.deepEqual(wrong, []);
});

/** A pipeline in place of the project's, whose run takes seconds. */
const TINY = `name: pipeline
stages:
  download: { sampleFaces: 30 }
  matParse:
  faceCrop: { detector: metadata }
  resize32:
  split:
  trainGender: { epochs: 1 }
  trainAge: { epochs: 1 }
  evaluate: { examples: 1, crops: 1, framing: 1, sensitivity: 20 }
`;

Deno.test("every shell example runs, in a scratch copy on tiny settings", async () => {
  const copy = await Deno.makeTempDir({ prefix: "examples-" });
  try {
    const skipped = /^(\..*|artifacts|node_modules|bench|tests|docs)$/;
    for await (const { name, isDirectory } of Deno.readDir(root)) {
      if (skipped.test(name)) continue;
      if (isDirectory) await cp(join(root, name), join(copy, name), { recursive: true });
      else await Deno.copyFile(join(root, name), join(copy, name));
    }
    await Deno.writeTextFile(join(copy, "pipeline.yaml"), TINY);
    for (const file of files) {
      for (const { line, words } of shellExamples(file)) {
        assert.equal(words.slice(0, 2).join(" "), "deno task", `${file.path}: ${line}`);
        const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: words.slice(1),
          cwd: copy,
          env: { INIT_CWD: copy, FACES_CACHE: join(copy, "none"), NO_COLOR: "1" },
        }).output();
        const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
        assert.ok(success, `${file.path}: ${line}\n${text}`);
      }
    }
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});

Deno.test("every shell example that cannot run here has its reason", () => {
  const wrong = files.flatMap(({ path, fences }) =>
    fences.filter(({ info }) =>
      /^(sh|bash|shell)\b/.test(info) && !/^sh( no-run: \S.*)?$/.test(info)
    )
      .map(({ info }) => `${path}: ${info}`)
  );
  assert.deepEqual(wrong, []);
});

Deno.test("docs/guide/serving.md lists every status of the API's errors", async () => {
  const statuses = new Set<string>();
  for await (const { name } of Deno.readDir(join(root, "faces/serving"))) {
    if (!name.endsWith(".ts")) continue;
    const code = await Deno.readTextFile(join(root, "faces/serving", name));
    for (const [, status] of code.matchAll(/new Problem\(\s*(\d{3})\b/g)) statuses.add(status);
  }
  const { text } = byPath.get("docs/guide/serving.md")!;
  assert.deepEqual(
    [...text.matchAll(/^\|\s+(\d{3}) \|/gm)].map(([, status]) => status),
    [...statuses].sort(),
  );
});

Deno.test("the diagram of docs/architecture.md is that of the code", async () => {
  const { text } = byPath.get("docs/architecture.md")!;
  assert.equal(
    insertDiagram(text, await roomsDiagram()),
    text,
    "out of date: deno run -A docs/architecture.ts",
  );
});
