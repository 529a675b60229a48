/** A pipeline of seconds as a process that may be killed, and what it leaves. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Rng } from "../../packages/random/random.ts";
import type { Kind } from "../../packages/pipeline/stage.ts";
import * as kinds from "../../stages/kinds.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
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

/** A moment in a run: so many ms after a stage began, or after the start. */
export interface Moment {
  readonly stage: string | undefined;
  readonly ms: number;
}

/** Runs the pipeline into a folder; killed, as by a power cut, at a moment, if it comes to it. */
export async function runPipeline(artifacts: string, moment?: Moment): Promise<Ended> {
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
  let sent = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const kill = () => {
    try {
      child.kill("SIGKILL");
      sent = true;
    } catch {
      // It ended by itself just then.
    }
  };
  const isMoment = (text: string) =>
    moment !== undefined && timer === undefined &&
    (moment.stage === undefined || new RegExp(`^> ${moment.stage} `, "m").test(text));
  let out = "";
  const reading = (async () => {
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      out += piece;
      if (isMoment(out)) timer = setTimeout(kill, moment!.ms);
    }
  })();
  if (moment?.stage === undefined && isMoment("")) timer = setTimeout(kill, moment!.ms);
  const err = new Response(child.stderr).text();
  const { code } = await child.status;
  clearTimeout(timer);
  await reading;
  const text = out + await err;
  const begun = [...out.matchAll(/^> (\w+)/gm)].map(([, stage]) => stage);
  const done = new Set([...out.matchAll(/^[✓·✗] (\w+)/gm)].map(([, stage]) => stage));
  return {
    killed: sent && code !== 0, // it may have ended well before it was hit
    code,
    stage: begun.findLast((name) => !done.has(name)),
    text,
    ms: performance.now() - began,
  };
}

/** How long each stage of an undisturbed run took, in ms, and its start, which is no stage's. */
export function stagesOf({ text, ms }: Ended): { stage: string | undefined; ms: number }[] {
  const stages = [...text.matchAll(/^✓ (\w+) +done in ([\d.]+) s/gm)]
    .map(([, stage, seconds]) => ({ stage, ms: Math.max(100, 1000 * Number(seconds)) }));
  const all = stages.reduce((sum, { ms }) => sum + ms, 0);
  return [{ stage: undefined, ms: Math.max(200, ms - all) }, ...stages];
}

/** Some moment in some stage, each as likely as the others however long it takes. */
export function randomKillPoint(stages: ReturnType<typeof stagesOf>, rng: Rng): Moment {
  const { stage, ms } = rng.pick(stages);
  return { stage, ms: ms * rng.next() };
}

/** Names of files that tell how long what took, by their kinds' own account. */
const volatile = new Set(
  Object.values(kinds).flatMap((kind): readonly string[] => (kind as Kind).volatile ?? []),
);

/**
 * What a folder of results holds: SHA-256 by path. Records tell of times, so of those only what they
 * say of the results counts, and of volatile files that they are there; `runs/` and what begins with a
 * dot is not of the results.
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
        const told = [record.fingerprint, record.dependencies, record.outputs];
        found.set(path, JSON.stringify(told, (key, value) => volatile.has(key) ? null : value));
      } else if (volatile.has(name)) {
        const { size } = await Deno.stat(join(artifacts, path));
        found.set(path, size > 0 ? "there" : "empty");
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
