/** deno task schema. */
import { join } from "node:path";
import { openConfig } from "../config.ts";
import { ConfigError } from "../errors.ts";
import { optionsOf } from "../open.ts";
import { writeWhole } from "../durable.ts";
import { readTextIfThere, short } from "../paths.ts";
import { type Call, EXIT } from "../program.ts";
import { pipelineJsonSchema, referenceMarkdown } from "../schema.ts";

export default async function schema(call: Call): Promise<number> {
  const { values, program, reporter } = call;
  const { project } = program;
  // What the stages are given may be wrong, and completion is what helps; plugins must load.
  const { file, options } = await optionsOf(call);
  const { registry, problems } = await openConfig(file, options);
  if (problems.length > 0) throw new ConfigError(problems);
  const stages = await Promise.all(
    registry.names().map(async (stage) => (await registry.get(stage)).stage),
  );
  const own = file === join(project, "pipeline.yaml");
  const built = new Set(program.stages.map((source) => source.name));
  const writes: [string, string][] = [[
    `${file.replace(/\.ya?ml$/, "")}.schema.json`,
    JSON.stringify(pipelineJsonSchema(stages), null, 2) + "\n",
  ]];
  if (own) {
    const readme = join(project, "README.md");
    const text = await readTextIfThere(readme);
    const reference = referenceMarkdown(stages.filter((stage) => built.has(stage.name)));
    if (text !== undefined) writes.push([readme, insertReference(text, reference)]);
  }
  let stale = false;
  for (const [path, text] of writes) {
    if (await readTextIfThere(path) === text) continue;
    stale = true;
    const shown = short(path, project);
    if (!values.check) await writeWhole(path, text);
    reporter.line(values.check ? `${shown} is out of date: deno task schema` : `wrote ${shown}`);
  }
  return stale && values.check ? EXIT.failed : EXIT.ok;
}

/** Puts the reference between the README's markers. */
export function insertReference(text: string, reference: string): string {
  return text.replace(
    /(<!-- reference -->\n)[\s\S]*?(<!-- \/reference -->)/,
    (_, open, close) =>
      `${open}<!-- deno-fmt-ignore-start -->\n\n${reference}\n<!-- deno-fmt-ignore-end -->\n${close}`,
  );
}
