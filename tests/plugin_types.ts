/**
 * Writes the types that `deno task new types` copies, `faces/commands/templates/plugin_api.txt`, from the
 * modules that declare them: `deno run -A tests/plugin_types.ts`. `tests/docs_test.ts` compares both.
 */
import { join } from "node:path";
import { app } from "../main.ts";
import type { Kind } from "../packages/pipeline/stage.ts";
import { root } from "./markdown.ts";

/** The file, from the project. */
export const TYPES = "faces/commands/templates/plugin_api.txt";

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

/** Returns the types of the exports of the app's API. */
export async function pluginTypes(): Promise<string> {
  const { api }: { api: Readonly<Record<string, unknown>> } = await import(app.pluginApi!);
  const { imports: packages } = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const known = new Map<string, string>(Object.entries(OWN));
  for (const source of SOURCES) {
    const text = await Deno.readTextFile(join(root, source));
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

if (import.meta.main) await Deno.writeTextFile(join(root, TYPES), await pluginTypes());
