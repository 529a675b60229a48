/** From a name as people type it to a pipeline's YAML. */
import { join, resolve } from "node:path";
import { ConfigError, didYouMean, list } from "./errors.ts";
import { ignoreMissing, short } from "./paths.ts";

/**
 * Finds the YAML that a name means: `pipeline` is pipeline.yaml, `experiments/gender` is
 * experiments/gender.yaml, looked for where the person stands, then in the project.
 */
export async function findPipeline(name: string, user: string, project: string): Promise<string> {
  const tried: string[] = [];
  const endings = /\.ya?ml$/.test(name) ? [""] : [".yaml", ".yml", ""];
  for (const folder of new Set([user, project])) {
    for (const ending of endings) {
      const path = resolve(folder, name + ending);
      const info = await Deno.stat(path).catch(() => undefined);
      if (info?.isFile) return path;
      if (ending === endings[0] && !tried.includes(path)) tried.push(path);
    }
  }
  const there: string[] = [];
  for (const folder of [project, join(project, "experiments")]) {
    for await (const entry of listFolder(folder)) {
      if (/\.ya?ml$/.test(entry)) {
        there.push(short(join(folder, entry), project).replace(/\.ya?ml$/, ""));
      }
    }
  }
  throw new ConfigError([{
    at: { text: name },
    message: `there is no such pipeline.${didYouMean(name, there)} ` +
      `Looked for ${tried.join(" and ")}. ` +
      `The project has ${list(there.sort()) || "none"}.`,
  }]);
}

async function* listFolder(folder: string): AsyncGenerator<string> {
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.isFile) yield entry.name;
  } catch (error) {
    ignoreMissing(error);
  }
}
