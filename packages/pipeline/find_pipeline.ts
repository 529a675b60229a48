/** Name of a pipeline on the command line → its YAML. */
import { join, resolve } from "node:path";
import { entries } from "./cache/attempt_files.ts";
import { ConfigError, didYouMean, joinWords } from "./errors.ts";
import { formerName, identityOf, typed } from "./pipeline_identity.ts";
import { displayPath, readTextIfExists } from "./paths.ts";

/**
 * Finds the YAML of a name: `pipeline` is pipeline.yaml, `experiments/first` is
 * experiments/first.yaml, in the current folder or in the project.
 */
export async function findPipeline(name: string, cwd: string, project: string): Promise<string> {
  const path = await fileNamed(name, cwd, project);
  if (path !== undefined) return path;
  const ending = /\.ya?ml$/.test(name) ? "" : ".yaml";
  const tried = [...new Set([cwd, project].map((folder) => resolve(folder, name + ending)))];
  const files: string[] = [];
  for (const folder of [project, join(project, "experiments")]) {
    const names = (await entries(folder)).filter((name) => /\.ya?ml$/.test(name));
    files.push(...names.map((name) => displayPath(join(folder, name), project)));
  }
  const [one, ...others] = await labelled(name, files, project);
  if (one !== undefined && others.length === 0) return resolve(project, one);
  const there = files.map((file) => file.replace(/\.ya?ml$/, ""));
  if (one !== undefined) {
    const all = [one, ...others].map((file) => `"${typed(file)}"`).sort();
    const message = `${joinWords(all)} are all called so; write which is meant.`;
    throw new ConfigError([{ at: { text: name }, message }]);
  }
  throw new ConfigError([{
    at: { text: name },
    message: `there is no such pipeline.${didYouMean(name, there)} ` +
      `Looked for ${tried.join(" and ")}. ` +
      `The project has ${joinWords(there.sort()) || "none"}.`,
  }]);
}

/** Returns the identity of the pipeline whose file a name is; undefined if there is none. */
export async function identityNamed(
  name: string,
  cwd: string,
  project: string,
): Promise<string | undefined> {
  const path = await fileNamed(name, cwd, project);
  return path && await identityOf(path, project);
}

async function fileNamed(name: string, cwd: string, project: string) {
  for (const folder of new Set([cwd, project])) {
    for (const ending of /\.ya?ml$/.test(name) ? [""] : [".yaml", ".yml", ""]) {
      const path = resolve(folder, name + ending);
      const info = await Deno.stat(path).catch(() => undefined);
      if (info?.isFile) return path;
    }
  }
  return undefined;
}

/** Returns files whose pipelines have a name as label, or had it in earlier versions. */
async function labelled(
  name: string,
  files: readonly string[],
  project: string,
): Promise<string[]> {
  const says = await Promise.all(files.map(async (file) => {
    if (formerName(file) === name) return true;
    const text = await readTextIfExists(join(project, file)) ?? "";
    return text.match(/^name:\s*["']?([\w.-]+)["']?\s*(#.*)?$/m)?.[1] === name;
  }));
  return files.filter((_, i) => says[i]);
}
