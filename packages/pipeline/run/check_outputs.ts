/** Checks what a stage wrote against the declarations of its kinds, before it becomes artifacts. */
import { join } from "node:path";
import { filePattern, listFiles } from "../digest.ts";
import { ignoreNotFound } from "../paths.ts";
import type { Kind, Outputs } from "../stage.ts";

const UNDECLARED = "not declared";

/**
 * Checks that each output holds the files of its kind, readable and not empty.
 * @param id the stage's id in the pipeline
 * @param folders output → its folder
 * @param foreign true to refuse links and files that are not declared, as of a third-party stage
 * @param checkFile throws if a file is not of the format of its name
 * @throws {Error} with stage, output and file of every problem
 */
export async function checkOutputs(
  id: string,
  outputs: Outputs,
  folders: Readonly<Record<string, string>>,
  checkFile?: (path: string) => Promise<void>,
  foreign = false,
): Promise<void> {
  const wrong: string[] = [];
  for (const [output, kind] of Object.entries(outputs)) {
    const problems = await problemsIn(kind, folders[output]!, foreign, checkFile);
    if (problems.length > 0) wrong.push(`output "${output}": ${problems.join(", ")}`);
  }
  if (wrong.length === 0) return;
  const text = wrong.join("; ");
  const wayOut = text.endsWith(UNDECLARED)
    ? "Declare it in the files of its kind, or write it into context.scratch"
    : "It has to write the files that its kind declares before run() ends: await each call that " +
      "writes. A kind lists those that may be missing as optional";
  throw new Error(`Cannot keep what stage "${id}" made: ${text}. ${wayOut}.`);
}

async function problemsIn(
  { files, optional = [] }: Kind,
  folder: string,
  foreign: boolean,
  checkFile?: (path: string) => Promise<void>,
): Promise<string[]> {
  const { lstat, stat } = await import("node:fs/promises"); // not loaded by a run with nothing to do
  const there = await listFiles(folder).catch(ignoreNotFound);
  if (!there) return ["its folder is gone"];
  const problems: string[] = [];
  for (const file of there) {
    const path = join(folder, file);
    if (foreign && (await lstat(path)).isSymbolicLink()) return [`"${file}" is a link`];
    if (Object.keys(files).some((name) => filePattern(name).test(file))) continue;
    // The digest would wait for a named pipe.
    const isFile = await stat(path).then((info) => info.isFile(), () => false);
    if (foreign || !isFile) problems.push(`"${file}" is ${isFile ? UNDECLARED : "no file"}`);
  }
  const fitting = (name: string) => there.filter((file) => filePattern(name).test(file));
  const absent = Object.keys(files)
    .filter((name) => !optional.includes(name) && fitting(name).length === 0);
  // As of a stage that has not ended: its other files are in parts.
  if (absent.length > 1) return absent.map((name) => `"${name}" is missing`);
  for (const [name, what] of Object.entries(files)) {
    if (absent.includes(name)) problems.push(`"${name}" is missing (${what})`);
    for (const file of fitting(name)) {
      try {
        const path = join(folder, file);
        const info = await stat(path);
        if (!info.isFile()) problems.push(`"${file}" is no file`);
        else if (info.size === 0) problems.push(`"${file}" is empty (${what})`);
        else await checkFile?.(path);
      } catch (error) {
        problems.push(`"${file}": ${(error as Error).message.replace(/\.$/, "")}`);
      }
    }
  }
  return problems;
}
