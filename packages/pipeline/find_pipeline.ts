/** From a name as people type it to a pipeline's YAML. */
import { join, resolve } from "node:path";
import { ConfigError, didYouMean, joinWords } from "./errors.ts";
import { formerName, identityOf, typed } from "./pipeline_identity.ts";
import { displayPath, ignoreNotFound, readTextIfExists } from "./paths.ts";

/**
 * Finds the YAML that a name means: `pipeline` is pipeline.yaml, `experiments/gender` is
 * experiments/gender.yaml, looked for where the person stands, then in the project.
 */
export async function findPipeline(name: string, user: string, project: string): Promise<string> {
  const path = await fileNamed(name, user, project);
  if (path !== undefined) return path;
  const ending = /\.ya?ml$/.test(name) ? "" : ".yaml";
  const tried = [...new Set([user, project].map((folder) => resolve(folder, name + ending)))];
  const files: string[] = [];
  for (const folder of [project, join(project, "experiments")]) {
    for await (const entry of listFolder(folder)) {
      if (/\.ya?ml$/.test(entry)) files.push(displayPath(join(folder, entry), project));
    }
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

/** The identity of the pipeline whose file a name is; undefined: there is no such file. */
export async function identityNamed(
  name: string,
  user: string,
  project: string,
): Promise<string | undefined> {
  const path = await fileNamed(name, user, project);
  return path && await identityOf(path, project);
}

async function fileNamed(
  name: string,
  user: string,
  project: string,
): Promise<string | undefined> {
  for (const folder of new Set([user, project])) {
    for (const ending of /\.ya?ml$/.test(name) ? [""] : [".yaml", ".yml", ""]) {
      const path = resolve(folder, name + ending);
      const info = await Deno.stat(path).catch(() => undefined);
      if (info?.isFile) return path;
    }
  }
  return undefined;
}

/** Files whose pipelines have a name as their label, or had it in earlier versions. */
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

async function* listFolder(folder: string): AsyncGenerator<string> {
  try {
    for await (const entry of Deno.readDir(folder)) if (entry.isFile) yield entry.name;
  } catch (error) {
    ignoreNotFound(error);
  }
}
