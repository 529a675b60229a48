/** `deno task compare`: what differs between runs, and whether it is real. */
import { join, resolve } from "node:path";
import { parseOptions, parsePositiveInt } from "../../packages/pipeline/args.ts";
import type { Command } from "../../packages/pipeline/app.ts";
import { joinWords, UsageError } from "../../packages/pipeline/errors.ts";
import { identityNamed } from "../../packages/pipeline/find_pipeline.ts";
import {
  findRun,
  History,
  nameOf,
  type RunRecord,
  runsOfPipeline,
} from "../../packages/pipeline/history.ts";
import { displayPath } from "../../packages/pipeline/paths.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";

const command: Command = {
  help: `Say in which parameters and metrics runs differ, and whether the differences are real.

  deno task compare RUN RUN ... [OPTIONS]
  deno task compare --last N [PIPELINE ...]

  --last N           the last N runs (of these pipelines)
  --json             print one JSON object to stdout
  --markdown         print Markdown, to paste into a report
  --artifacts DIR    where runs are recorded, if not in the project's artifacts/
  --help

A RUN is named by its id, the beginning of it, or its pipeline's name (its newest run); deno task
runs lists them. Runs that differ in nothing but seeds are taken together, with mean and standard
deviation of their metrics. Of the test metrics it tells the 95 % interval of a bootstrap, over
people where they repeat. Models that say the same thing are tested on the pictures that are in the
test sets of both: classes by McNemar's exact test, ages by a paired bootstrap of the absolute
errors, beside which the Wilcoxon signed-rank test gives its opinion. Of more than two runs, the
best is tested against each other one, with Holm's correction.

Exit codes: 0 compared, 1 a result is damaged, 2 the command line is wrong.`,
  async run(args, tools) {
    const { values, positionals } = parseOptions("compare", args, {
      last: { type: "string" },
      json: { type: "boolean" },
      markdown: { type: "boolean" },
      artifacts: { type: "string" },
      help: { type: "boolean", short: "h" },
    });
    if (values.json && values.markdown) throw new UsageError("--json or --markdown, not both");
    const artifacts = values.artifacts === undefined
      ? join(tools.project, "artifacts")
      : resolve(tools.cwd, values.artifacts);
    const warn = (path: string) =>
      tools.reporter.log(`${displayPath(path, tools.cwd)} cannot be read and is passed over`);
    const identities = new Map(
      await Promise.all(positionals.map(async (name) => {
        return [name, await identityNamed(name, tools.cwd, tools.project)] as const;
      })),
    );
    const all = await new History(artifacts).list(warn);
    const runs = choose(positionals, parsePositiveInt("last", values), all, identities);
    const { compareRuns } = await import("./compare/compare_runs.ts");
    const comparison = await compareRuns(runs, new ArtifactStore(artifacts));
    const { formatComparison } = await import("./compare/format_comparison.ts");
    const text = values.json
      ? JSON.stringify({ ok: true, ...comparison }) + "\n"
      : formatComparison(comparison, values.markdown ? "markdown" : "text", tools.columns());
    await Deno.stdout.write(new TextEncoder().encode(text));
    return 0;
  },
};
export default command;

/** The runs that the words mean, the oldest first if they are the last ones. */
function choose(
  names: readonly string[],
  last: number | undefined,
  all: readonly RunRecord[],
  identities: ReadonlyMap<string, string | undefined>,
): RunRecord[] {
  const has = ({ ok, metrics }: RunRecord) => ok && Object.keys(metrics).length > 0;
  const what = "has ended with metrics to compare";
  const named = names.flatMap((name) =>
    last === undefined ? [] : runsOfPipeline(name, all, identities.get(name))
  );
  const runs = last === undefined
    ? names.map((name) => findRun(name, all, { identity: identities.get(name), has, what }))
    : (names.length === 0 ? [...all] : [...new Set(named)]).filter(has).sort((a, b) =>
      a.at < b.at ? -1 : 1
    ).slice(-last);
  const twice = runs.find(({ id }, i) => runs.findIndex((run) => run.id === id) < i);
  if (twice) {
    throw new UsageError(`${joinWords(names)} name run ${twice.id} (${nameOf(twice)}) twice`);
  }
  if (runs.length < 2) {
    throw new UsageError(
      names.length === 0 && last === undefined
        ? "which runs? deno task compare RUN RUN, or --last 2; deno task runs lists them"
        : `two runs at least; got ${runs.length === 0 ? "none" : `only ${runs[0]!.id}`}`,
    );
  }
  return runs;
}
