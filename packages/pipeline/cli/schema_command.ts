/** deno task schema. */
import { join } from "node:path";
import { readTopLevel } from "../config/config.ts";
import { ConfigError } from "../errors.ts";
import { configOptions } from "../run/create_context.ts";
import { writeFileAtomic } from "../durable.ts";
import { displayPath, readTextIfExists } from "../paths.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { pipelineJsonSchema, referenceMarkdown } from "../config/json_schema.ts";

export default async function schema(call: CommandContext): Promise<number> {
  const { values, program, reporter } = call;
  const { project } = program;
  // What the stages are given may be wrong, and completion is what helps; plugins must load.
  const { file, options } = await configOptions(call);
  const { registry, problems } = await readTopLevel(file, options);
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
    const text = await readTextIfExists(readme);
    const reference = referenceMarkdown(stages.filter((stage) => built.has(stage.name)));
    if (text !== undefined) writes.push([readme, insertReference(text, reference)]);
  }
  let stale = false;
  for (const [path, text] of writes) {
    if (await readTextIfExists(path) === text) continue;
    stale = true;
    const shown = displayPath(path, project);
    if (!values.check) await writeFileAtomic(path, text);
    reporter.log(values.check ? `${shown} is out of date: deno task schema` : `wrote ${shown}`);
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
