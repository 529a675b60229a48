/** Name of a pipeline on the command line → its YAML. */
import { join, resolve } from "node:path";
import type { CommandContext } from "./app.ts";
import { ConfigError, didYouMean, joinWords } from "./errors.ts";
import { formerName, identityOf, typed } from "./pipeline_identity.ts";
import { displayPath, entries, readTextIfExists } from "./paths.ts";

/** The user's folder and the project's, where names of pipelines count from. */
type Where = Pick<CommandContext, "cwd" | "project">;

/**
 * Finds the YAML of a name: `pipeline` is pipeline.yaml, `experiments/first` is
 * experiments/first.yaml, in the current folder or in the project.
 */
export async function findPipeline(name: string, where: Where): Promise<string> {
  const { cwd, project } = where, path = await fileNamed(name, where);
  if (path !== undefined) return path;
  const files = await pipelineFiles(project);
  const found = await labelled(name, files, project);
  if (found.length === 1) return resolve(project, found[0]!);
  const all = found.map((file) => `"${typed(file)}"`).sort();
  const tried = new Set([cwd, project].map((folder) => resolve(folder, name + endingsOf(name)[0])));
  const there = files.map((file) => file.replace(YAML, "")).sort();
  const hint = didYouMean(name, there);
  const message = all.length > 0
    ? `${joinWords(all)} are all called so; write which is meant.`
    : `${MISSING}.${hint} Looked for ${[...tried].join(" and ")}.` +
      (hint ? "" : ` The project has ${joinWords(there) || "none"}.`);
  throw ConfigError.at({ text: name }, message);
}

/** Returns the files of a project's pipelines, as paths from the project. */
export async function pipelineFiles(project: string): Promise<string[]> {
  const files: string[] = [];
  for (const folder of [project, join(project, "experiments")]) {
    const names = (await entries(folder)).filter((name) => YAML.test(name));
    files.push(...names.map((name) => displayPath(join(folder, name), project)));
  }
  return files;
}

const MISSING = "there is no such pipeline";

/** Returns true for the error of a name that no pipeline has. */
export function isMissingPipeline(error: unknown): error is ConfigError {
  return error instanceof ConfigError && error.message.includes(MISSING);
}

const YAML = /\.ya?ml$/;

/** Returns the endings that make a file of a name, by precedence. */
const endingsOf = (name: string) => YAML.test(name) ? [""] : [".yaml", ".yml", ""];

/** Returns the identity of the pipeline whose file a name is; undefined if there is none. */
export async function identityNamed(name: string, where: Where): Promise<string | undefined> {
  const path = await fileNamed(name, where);
  return path && await identityOf(path, where.project);
}

async function fileNamed(name: string, { cwd, project }: Where) {
  for (const folder of new Set([cwd, project])) {
    for (const ending of endingsOf(name)) {
      const path = resolve(folder, name + ending);
      const info = await Deno.stat(path).catch(() => undefined);
      if (info?.isFile) return path;
    }
  }
  return undefined;
}

/** Returns files whose pipelines have a name as label, or had it in earlier versions. */
async function labelled(name: string, files: readonly string[], project: string) {
  const matches = await Promise.all(files.map(async (file) => {
    if (formerName(file) === name) return true;
    const text = await readTextIfExists(join(project, file)) ?? "";
    return text.match(/^name:\s*["']?([\w.-]+)["']?\s*(#.*)?$/m)?.[1] === name;
  }));
  return files.filter((_, i) => matches[i]);
}
