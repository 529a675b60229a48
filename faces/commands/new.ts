/** `deno task new`: writes a plugin, its test and a pipeline that uses it; or the types of the API. */
import { dirname, join, resolve } from "node:path";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { didYouMean, joinWords, problemsOf, UsageError } from "../../packages/pipeline/errors.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import type { Kind } from "../../packages/pipeline/stage.ts";

/** Kind → YAML of a pipeline that uses it; NAME stands for the name. */
const STAGES: Readonly<Record<string, string>> = {
  stage: "NAME: { replaces: faceCrop }",
  network: "trainGender: { network: { use: NAME, units: 32 }, epochs: 2 }",
  detector: "faceCrop: { detector: NAME }",
  metric: "evaluate: { metrics: [NAME] }",
  loss: "trainAge: { loss: NAME }",
  preset: "download: { datasets: [{ folder: ../photos, preset: NAME }], sampleFaces: 400 }",
};

const kinds = Object.keys(STAGES);

const command: Command = {
  help: `Write a plugin to start from: its file, its test, and a pipeline that uses it.

  deno task new KIND NAME
  deno task new types [FOLDER]

  KIND     ${joinWords(kinds, "or")}
  NAME     in camelCase, such as myStage; its name in YAML
  FOLDER   where the plugin is written. Default: the current folder
  --help

new types writes plugin_api.d.ts: the types of the argument of export default (api) => ..., for a
plugin that lies elsewhere. It needs no file of this project beside it.

new KIND writes plugins/NAME.ts, tests/plugins/NAME_test.ts and experiments/NAME.yaml; existing files
are never replaced. Each one works as it is: test it, run it, then change it. A preset is run on
your own folder of photos.

Exit codes: 0 written, 2 wrong command line, or a file exists.`,
  async run(args, { project, reporter, pluginApi, cwd, stages }) {
    const { positionals: [kind, name, ...more] } = parseOptions("new", args, "help");
    if (kind === "types" && more.length === 0) {
      const { imports } = JSON.parse(await Deno.readTextFile(join(project, "deno.json")));
      const path = resolve(cwd, name ?? ".", "plugin_api.d.ts");
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, await pluginTypes((await import(pluginApi!)).api, imports));
      reporter.log(`wrote ${path}`);
      return EXIT.ok;
    }
    if (kind === undefined || name === undefined || more.length > 0) {
      throw new UsageError(`expected a kind and a name: deno task new stage myStage`);
    }
    if (!Object.hasOwn(STAGES, kind)) {
      throw new UsageError(
        `there is no kind "${kind}".${didYouMean(kind, [...kinds, "types"])} ` +
          `Take ${joinWords(kinds, "or")}, or types.`,
      );
    }
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) {
      throw new UsageError(`the name "${name}" is not in camelCase, such as myStage`);
    }
    if (kind === "stage" && stages.some((stage) => stage.name === name)) {
      throw new UsageError(`there is a stage "${name}" already: choose another name`);
    }
    const module = `plugins/${name}.ts`;
    const definition = { extends: kind, name, summary: kind };
    const registry = new Registry().add(stages);
    registry.extensions.push({ kind, name, module, definition }); // not made yet, so unchecked
    const check = () => Promise.all(registry.names().map((one) => registry.get(one)));
    const [taken] = await problemsOf([[[], check]]);
    if (taken) throw new UsageError(taken.message);
    const template = (file: string) =>
      Deno.readTextFile(new URL(`./templates/${file}.txt`, import.meta.url));
    const pipeline = `# yaml-language-server: $schema=./NAME.schema.json
extends: ../pipeline.yaml
plugins: [../plugins/NAME.ts]
stages:
  ${STAGES[kind]}
`;
    const files = {
      [join("plugins", `${name}.ts`)]: await template(kind),
      [join("tests", "plugins", `${name}_test.ts`)]: await template(`${kind}_test`),
      [join("experiments", `${name}.yaml`)]: pipeline,
    };
    for (const path of Object.keys(files)) {
      const exists = await Deno.stat(join(project, path)).then(() => true, () => false);
      if (exists) throw new UsageError(`${path} exists already: choose another name`);
    }
    for (const [path, text] of Object.entries(files)) {
      const written = text.replaceAll("NAME", name);
      await Deno.mkdir(join(project, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(project, path), written, { createNew: true });
      reporter.log(`wrote ${path}`);
    }
    reporter.log(`Next: deno test -A tests/plugins/${name}_test.ts`);
    reporter.log(`      deno task schema experiments/${name}`);
    reporter.log(`      deno task run experiments/${name}`);
    return EXIT.ok;
  },
};
export default command;

/** Modules that declare what the API has, and what that refers to. */
const SOURCES = [
  "packages/pipeline/define.ts",
  "packages/pipeline/stage.ts",
  "packages/random/random.ts",
  "packages/statistics/confidence_intervals.ts",
  "faces/images/image.ts",
  "faces/datasets/presets.ts",
  "faces/detection/detector.ts",
  "faces/evaluation/report_sections.ts",
  "faces/training/targets.ts",
  "faces/training/network_options.ts",
  "faces/training/training_definitions.ts",
  "faces/training/losses.ts",
  "faces/training/further_metrics.ts",
];

/** Declarations that stand for what is inferred from values, or reaches far into the project. */
const OWN: Readonly<Record<string, string>> = {
  z: "",
  Tensor: "",
  layers: "",
  SymbolicTensor: "",
  initializers: `declare const initializers: readonly [
  "glorotUniform", "glorotNormal", "heUniform", "heNormal",
];`,
  ageReadings: "declare const ageReadings: { readonly mean: 0; readonly median: 0.4 };",
  Preset:
    "/** Fields of `preset:` in YAML. */\nexport type Preset = Readonly<Record<string, unknown>>;",
  pluginOptions: `declare const pluginOptions: z.ZodObject<{
  minConfidence: z.ZodDefault<z.ZodNumber>;
  inputSizes: z.ZodDefault<z.ZodArray<z.ZodNumber>>;
}, z.core.$strict>;`,
  Report: `/** Everything that the report shows. */
export type Report = any;`,
  Sandbox: "/** Set by the runner. */\nexport type Sandbox = object;",
  Html: "/** Escaped markup. */\nexport type Html = string & { readonly isEscaped: true };",
  html: "export declare function html(parts: TemplateStringsArray, ...values: unknown[]): Html;",
};

/** A declaration with its comment, at the top level of a module in the format of `deno fmt`. */
const STATEMENT =
  /^(?:\/\*\*(?:(?!\*\/)[^])*\*\/\n)?(?:export )?(?:interface (\w+)[^]*?^\}$|type (\w+)[^]*?;$(?!\n[ }|&])|function (\w+)(?:.* \{$|.*\n(?: .*\n)*\).* \{$))/gm;

/** Returns the text of the `.d.ts`. @param api exports of the app's API, whose types it declares */
async function pluginTypes(
  api: Readonly<Record<string, unknown>>,
  packages: Readonly<Record<string, string>>,
): Promise<string> {
  const known = new Map<string, string>(Object.entries(OWN));
  for (const source of SOURCES) {
    const text = await Deno.readTextFile(new URL(`../../${source}`, import.meta.url));
    for (const [statement, anInterface, aType, aFunction] of text.matchAll(STATEMENT)) {
      known.getOrInsertComputed(anInterface ?? aType ?? aFunction!, () => declared(statement));
    }
  }
  const used = new Set<string>();
  const use = (text: string) => {
    for (const [name] of text.replace(/\/\*\*[^]*?\*\//g, "").matchAll(/\w+/g)) {
      if (used.has(name) || !known.has(name)) continue;
      used.add(name);
      use(known.get(name)!);
    }
  };
  const { z: _, kinds = {}, apiVersion, ...functions } = api;
  const members = Object.keys(functions).sort();
  members.forEach(use);
  const missing = members.find((name) => !used.has(name));
  if (missing) throw new Error(`Cannot declare "${missing}": no module of SOURCES has it.`);
  use("Kind");
  const declarations = [...known].flatMap(([name, text]) => used.has(name) && text ? [text] : []);
  return `// deno-fmt-ignore-file
// deno-lint-ignore-file
// Written by \`deno task new types\`: the argument of a plugin's \`export default (api) => ...\`.
import type { z } from "${packages.zod}";
import type { Tensor } from "${packages["@tensorflow/tfjs-core"]}";
import type { layers, SymbolicTensor } from "${packages["@tensorflow/tfjs-layers"]}";

export interface Api {
  readonly apiVersion: ${apiVersion};
  readonly z: typeof z;
  /** Kinds of artifacts, which connect stages. */
  readonly kinds: {
${Object.values(kinds as Record<string, Kind>).map(kindMember).join("\n")}
  };
${members.map((name) => `  readonly ${name}: typeof ${name};`).join("\n")}
}

${declarations.join("\n\n")}
`.replaceAll(`import("@tensorflow/`, `import("npm:@tensorflow/`);
}

const kindMember = ({ kind, summary }: Kind) =>
  `    /** ${summary}. */\n    readonly ${kind}: Kind<"${kind}">;`;

/** Returns a statement as a declaration: a function without its body, a comment without examples. */
function declared(statement: string): string {
  return statement.replace(/^ \* @example\n(?: \*(?!\/).*\n)*/m, "")
    .replace(
      /\{ ((?:\w+ = (?:true|false),? )+)\} = \{\}/g,
      (_, options) => `options?: { ${options.replace(/ = \w+,?/g, "?: boolean;")}}`,
    )
    .replace(/^(?:export )?function ([^]*) \{$/m, "export declare function $1;");
}
