/** The files of attempts that are under way or were left. */
import { join } from "node:path";
import { ignoreNotFound } from "../paths.ts";

/** Leaves nothing of an attempt but what the next one can go on from. Its lock has to be held. */
export async function removeLeftovers(work: string): Promise<void> {
  await remove(`${work}.old`);
  await remove(join(work, "result"));
  if (await hasScratch(work)) return;
  await remove(work);
  await Deno.remove(`${work}.lock`).catch(ignoreNotFound);
}

export async function hasScratch(work: string): Promise<boolean> {
  return (await entries(join(work, "scratch"))).length > 0;
}

/** Names in a folder; none if it is not there. */
export async function entries(path: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(path)) names.push(name);
  } catch (error) {
    ignoreNotFound(error);
  }
  return names;
}

export async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ignoreNotFound);
}

/** Copies a folder with all that is in it; what vanishes meanwhile is left out. */
export async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const name of await entries(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const info = await Deno.stat(source).catch(ignoreNotFound);
    if (info?.isDirectory) await copy(source, target);
    else if (info) await Deno.copyFile(source, target).catch(ignoreNotFound);
  }
}
