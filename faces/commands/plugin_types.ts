/** Types of a plugin's API, for authors without this project: one file that needs nothing beside it. */
import type { Kind } from "../../packages/pipeline/stage.ts";

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
export async function pluginTypes(
  api: Readonly<Record<string, unknown>>,
  packages: Readonly<Record<string, string>>,
): Promise<string> {
  const known = new Map<string, string>(Object.entries(OWN));
  for (const source of SOURCES) {
    const text = await Deno.readTextFile(new URL(`../../${source}`, import.meta.url));
    for (const [statement, anInterface, aType, aFunction] of text.matchAll(STATEMENT)) {
      const name = anInterface ?? aType ?? aFunction!;
      if (!known.has(name)) known.set(name, declared(statement));
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

${
    [...known].filter(([name, text]) => used.has(name) && text !== "").map(([, text]) => text).join(
      "\n\n",
    )
  }
`.replaceAll(`import("@tensorflow/`, `import("npm:@tensorflow/`);
}

const kindMember = ({ kind, summary }: Kind) =>
  `    /** ${summary}. */\n    readonly ${kind}: Kind<"${kind}">;`;

/** Returns a statement as a declaration: a function without its body, a comment without examples. */
function declared(statement: string): string {
  return statement.replace(/^ \* @example\n(?: \*(?!\/).*\n)*/m, "")
    .replace(/\{ (\w+) = (?:true|false) \} = \{\}/g, "options?: { $1?: boolean }")
    .replace(/^(?:export )?function ([^]*) \{$/m, "export declare function $1;");
}
