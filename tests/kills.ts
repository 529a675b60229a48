/**
 * `deno task bench kills`: kills a short pipeline at random moments and resumes it. Each time the next
 * run must complete with the bytes of an undisturbed run. A round has one to three kills.
 */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import {
  contents,
  difference,
  leftovers,
  randomKillPoint,
  runPipeline,
  stagesOf,
} from "./crashes.ts";
import { defineBench, table } from "../bench/harness.ts";

const help = "deno task bench kills [--rounds 200] [--seed 1]";

export const bench = defineBench(help, { rounds: 200, seed: 1 }, async (values, folder) => {
  const rng = random(values.seed, "kills");
  const trouble: string[] = [];
  /** Stage → number of kills. */
  const hit = new Map<string, number>();
  let killed = 0, rounds = 0;
  const whole = join(folder, "undisturbed");
  const first = await runPipeline(whole);
  if (first.code !== 0) throw new Error(`The undisturbed run failed:\n${first.text}`);
  const expected = await contents(whole);
  const stages = stagesOf(first);
  while (killed < values.rounds) {
    const artifacts = join(folder, `round${rounds++}`);
    for (let kills = 1 + rng.int(3); kills > 0; kills--) {
      const run = await runPipeline(artifacts, randomKillPoint(stages, rng));
      const { killed: was, stage, code, text } = run;
      if (!was && code !== 0) {
        trouble.push(`round ${rounds}: a run failed without a kill:\n${text}`);
      }
      if (!was) break;
      killed++;
      hit.set(stage ?? "between stages", (hit.get(stage ?? "between stages") ?? 0) + 1);
    }
    const last = await runPipeline(artifacts);
    if (last.code !== 0) trouble.push(`round ${rounds}: the next run failed:\n${last.text}`);
    const wrong = [
      ...difference(expected, await contents(artifacts)),
      ...(await leftovers(artifacts)).map((name) => `${name} was left`),
    ];
    if (wrong.length > 0) trouble.push(`round ${rounds}: ${wrong.join(", ")}`);
    await Deno.remove(artifacts, { recursive: true });
    console.error(`${killed} of ${values.rounds} kills, ${trouble.length} failed`);
  }
  const counted = [...hit].sort(([, a], [, b]) => b - a);
  const text = [
    table(["killed in", "times"], counted.map(([stage, n]) => [stage, String(n)])),
    `\n${killed} kills in ${rounds} rounds; all ${expected.size} files the same each time: ` +
    `${trouble.length === 0 ? "yes" : "NO"}`,
    ...trouble,
  ].join("\n");
  if (trouble.length > 0) throw new Error(`${text}\n${trouble.length} of ${rounds} rounds failed.`);
  const kills = { killed, rounds, stages: Object.fromEntries(counted) };
  return { text, json: { kills, files: expected.size } };
});
