/** Runs a short pipeline as a process, kills it at random moments, and hashes its results. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random, type Rng } from "../packages/random/random.ts";
import type { Kind } from "../packages/pipeline/stage.ts";
import * as kinds from "../stages/kinds.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const pipeline = "tests/pipelines/kills.yaml";

export interface Ended {
  /** False if it ended before it was killed. */
  killed: boolean;
  code: number;
  /** The stage that was running when it ended. */
  stage: string | undefined;
  text: string;
  ms: number;
}

/** A moment in a run: ms after the start of a stage, or of the run. */
export interface Moment {
  readonly stage: string | undefined;
  readonly ms: number;
}

/** Runs the pipeline into a folder, and kills it at a moment, as a power cut does. */
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

/** Returns the ms of each stage of an undisturbed run, and of its start. */
export function stagesOf({ text, ms }: Ended): { stage: string | undefined; ms: number }[] {
  // "12 s" or, of a slow machine, "1:02".
  const stages = [...text.matchAll(/^✓ (\w+) +done in (?:(\d+):)?([\d.]+)/gm)]
    .map(([, stage, minutes = 0, seconds]) => ({
      stage,
      ms: Math.max(100, 1000 * (60 * Number(minutes) + Number(seconds))),
    }));
  const all = stages.reduce((sum, { ms }) => sum + ms, 0);
  return [{ stage: undefined, ms: Math.max(200, ms - all) }, ...stages];
}

/** Draws a moment of a stage; all stages are equally likely. */
export function randomKillPoint(stages: ReturnType<typeof stagesOf>, rng: Rng): Moment {
  const { stage, ms } = rng.pick(stages);
  return { stage, ms: ms * rng.next() };
}

/** Files that contain times, as their kinds declare. */
const volatile = new Set(
  Object.values(kinds).flatMap((kind): readonly string[] => (kind as Kind).volatile ?? []),
);

/**
 * Hashes a folder of results: SHA-256 by path. Of records only what describes the results counts, of
 * volatile files only their existence. Skips `runs/` and names with a leading dot.
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
        const fields = [record.fingerprint, record.dependencies, record.outputs];
        found.set(path, JSON.stringify(fields, (key, value) => volatile.has(key) ? null : value));
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

/** Lists the differences between two folders' contents. */
export function difference(expected: Map<string, string>, found: Map<string, string>): string[] {
  const paths = new Set([...expected.keys(), ...found.keys()]);
  return [...paths].sort().flatMap((path) => {
    if (expected.get(path) === found.get(path)) return [];
    if (!found.has(path)) return [`${path} is missing`];
    return [expected.has(path) ? `${path} differs` : `${path} should not be there`];
  });
}

/** Lists the work files of killed runs that remain after a successful run. */
export async function leftovers(artifacts: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(join(artifacts, ".work"))) names.push(`.work/${name}`);
  return names;
}

/** The files of an undisturbed run, and what it printed. */
export interface Undisturbed {
  expected: Map<string, string>;
  whole: Ended;
}

/** Runs the pipeline undisturbed. */
export async function runUndisturbed(artifacts: string): Promise<Undisturbed> {
  const whole = await runPipeline(artifacts);
  strictEqual(whole.code, 0, whole.text);
  const expected = await contents(artifacts);
  ok(expected.size > 30, `${expected.size} files`);
  return { expected, whole };
}

/** Kills runs at random moments; checks that the run after leaves the bytes of an undisturbed one. */
export async function killRepeatedly(
  folder: string,
  times: number,
  { expected, whole }: Undisturbed,
): Promise<void> {
  const rng = random(10, "kills");
  const stages = stagesOf(whole);
  strictEqual(stages.length, 8, whole.text);
  for (let killed = 0, round = 0; killed < times; round++) {
    const artifacts = join(folder, `round${round}`);
    for (; killed < times; killed++) {
      const run = await runPipeline(artifacts, randomKillPoint(stages, rng));
      if (!run.killed) {
        strictEqual(run.code, 0, run.text); // it was done before it was hit
        break;
      }
    }
    const last = await runPipeline(artifacts);
    strictEqual(last.code, 0, last.text);
    deepStrictEqual(difference(expected, await contents(artifacts)), []);
    deepStrictEqual(await leftovers(artifacts), [], "a run that ends well cleans up");
  }
}
