/** Files of attempts under way, or left by killed runs. */
import { join } from "node:path";
import { ignoreNotFound } from "../paths.ts";

/** Removes everything of an attempt but its scratch. Its lock has to be held. */
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

/** Lists the names in a folder; none if it is missing. */
export async function entries(path: string): Promise<string[]> {
  const names = Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  return await names.catch(ignoreNotFound) ?? [];
}

export async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(ignoreNotFound);
}

/** Copies a folder recursively; files that vanish meanwhile are left out. */
export async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const name of await entries(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    const info = await Deno.stat(source).catch(ignoreNotFound);
    if (info?.isDirectory) await copy(source, target);
    else if (info) await Deno.copyFile(source, target).catch(ignoreNotFound);
  }
}
