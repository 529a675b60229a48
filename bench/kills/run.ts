/** A pipeline of seconds as a process that may be killed, and what it leaves. */
import { createHash } from "node:crypto";
import { join } from "node:path";

const root = new URL("../../", import.meta.url).pathname;
const pipeline = "tests/pipelines/kills.yaml";

export interface Ended {
  /** Whether it was alive when it was killed. */
  killed: boolean;
  code: number;
  /** The stage that was under way when it ended, if one was. */
  stage: string | undefined;
  text: string;
  ms: number;
}

/** Runs the pipeline into a folder; killed, as by a power cut, after `killAfter` ms. */
export async function runPipeline(artifacts: string, killAfter?: number): Promise<Ended> {
  const began = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-all", "main.ts", "run", pipeline],
      ...["--set", `artifacts=${artifacts}`],
    ],
    cwd: root,
    env: { INIT_CWD: root, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let killed = false;
  const timer = killAfter === undefined ? undefined : setTimeout(() => {
    try {
      child.kill("SIGKILL");
      killed = true;
    } catch {
      // It ended by itself just then.
    }
  }, killAfter);
  const [out, err, { code }] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.status,
  ]);
  clearTimeout(timer);
  killed &&= code !== 0; // it may have ended well before it was hit
  const begun = [...out.matchAll(/^> (\w+)/gm)].map(([, stage]) => stage);
  const done = new Set([...out.matchAll(/^[✓·✗] (\w+)/gm)].map(([, stage]) => stage));
  const stage = begun.findLast((name) => !done.has(name));
  return { killed, code, stage, text: out + err, ms: performance.now() - began };
}

/**
 * What a folder of results holds: SHA-256 by path. Records tell of times, so of those only what they
 * say of the results counts; `runs/` and what begins with a dot is not of the results.
 */
export async function contents(artifacts: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(join(artifacts, folder))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (path === "runs" || name.startsWith(".")) continue;
      if (isDirectory) await walk(path);
      else if (name === "record.json") {
        const record = JSON.parse(await Deno.readTextFile(join(artifacts, path)));
        found.set(path, JSON.stringify([record.fingerprint, record.dependencies, record.outputs]));
      } else {
        const hash = createHash("sha256").update(await Deno.readFile(join(artifacts, path)));
        found.set(path, hash.digest("hex"));
      }
    }
  };
  await walk("");
  return found;
}

/** What differs between two folders' contents: paths, with what is the matter. */
export function difference(expected: Map<string, string>, found: Map<string, string>): string[] {
  const paths = new Set([...expected.keys(), ...found.keys()]);
  return [...paths].sort().flatMap((path) => {
    if (expected.get(path) === found.get(path)) return [];
    if (!found.has(path)) return [`${path} is missing`];
    return [expected.has(path) ? `${path} differs` : `${path} should not be there`];
  });
}

/** What killed runs left lying about in a folder, once a run has ended well. */
export async function leftovers(artifacts: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(join(artifacts, ".work"))) names.push(`.work/${name}`);
  return names;
}
