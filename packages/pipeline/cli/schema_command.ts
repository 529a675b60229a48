/** `deno task schema`: the JSON Schema for editors and docs/reference.md. */
import { join } from "node:path";
import { readTopLevel } from "../config/config.ts";
import { ConfigError } from "../errors.ts";
import { configOptions } from "../load_plan.ts";
import { writeFileAtomic } from "../durable.ts";
import { displayPath, readTextIfExists } from "../paths.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { HELP } from "./help.ts";
import { pipelineJsonSchema, referenceMarkdown } from "../config/json_schema.ts";

export default async function schema(call: CommandContext): Promise<number> {
  const { values, project, reporter } = call;
  // Stages may have wrong parameters, which completion helps to correct; plugins must load.
  const { file, options } = await configOptions(call);
  const { registry, problems } = await readTopLevel(file, options);
  if (problems.length > 0) throw new ConfigError(problems);
  const stages = await Promise.all(
    registry.names().map(async (stage) => (await registry.get(stage)).stage),
  );
  const built = new Set(call.stages.map((source) => source.name));
  const writes: [string, string][] = [[
    `${file.replace(/\.ya?ml$/, "")}.schema.json`,
    JSON.stringify(pipelineJsonSchema(stages), null, 2) + "\n",
  ]];
  const reference = join(project, "docs", "reference.md");
  if (file === join(project, "pipeline.yaml") && await readTextIfExists(reference) !== undefined) {
    const own = Object.entries(call.commands ?? {})
      .map(async ([name, load]) => [name, (await load()).default.help] as const);
    const text = referenceMarkdown({
      stages: stages.filter((stage) => built.has(stage.name)),
      commands: { ...HELP, ...Object.fromEntries(await Promise.all(own)) },
      sections: await call.reference?.(),
    });
    writes.push([reference, text]);
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
