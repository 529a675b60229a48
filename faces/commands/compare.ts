/** `deno task compare`: the differences between runs, and whether they are significant. */
import { artifactsOption, parseOptions, parseWhole } from "../../packages/pipeline/args.ts";
import type { Command } from "../../packages/pipeline/app.ts";
import { joinWords, UsageError } from "../../packages/pipeline/errors.ts";
import { identityNamed } from "../../packages/pipeline/find_pipeline.ts";
import { byTime, History, type RunRecord } from "../../packages/pipeline/history.ts";
import { findRun, nameOf, runsOfPipeline } from "../../packages/pipeline/find_runs.ts";
import { displayPath } from "../../packages/pipeline/paths.ts";
import { standardOutput } from "../../packages/pipeline/reporter.ts";
import { settingKey } from "../../packages/pipeline/run_settings.ts";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";

const command: Command = {
  help: `Print the differences between runs, and whether they are significant.

  deno task compare RUN RUN ... [OPTIONS]
  deno task compare --last N [PIPELINE ...]

  --last N           the last N runs (of these pipelines)
  --json             print one JSON object to stdout
  --markdown         print Markdown, to paste into a report
  --latex            print LaTeX, with the tables of booktabs
  --artifacts DIR    folder of the runs. Default: the project's artifacts/
  --help

RUN is the id of a run, the beginning of one, or a pipeline (its newest run); deno task runs lists
them. Runs that differ in seeds alone are one group, with mean and standard deviation of metrics.
Groups of three seeds or more are tested against each other, by a t test whose variance is that of
seeds and that of test images; their models then are in --json alone.
Test metrics have a 95 % interval, resampled by person where people repeat. Models of the same task
are tested on the images in both test sets: classes with McNemar's exact test, ages with a paired
bootstrap of absolute errors and the Wilcoxon signed-rank test; where people repeat, both with a
paired bootstrap alone. Further metrics, such as AUC and RMSE, have one too; of groups, the t test.
Of more than two runs or groups, the best is tested against each, with Holm's correction for all
pairs, and by evaluate.metrics.

Exit codes: 0 compared, 1 a result is damaged, 2 wrong command line.`,
  async run(args, tools) {
    const options = "last= json markdown latex artifacts= help";
    const { values, positionals } = parseOptions("compare", args, options);
    const formats = (["json", "markdown", "latex"] as const).filter((name) => values[name]);
    const [format = "text", another] = formats;
    if (another) throw new UsageError(`--${format} and --${another} exclude each other`);
    const artifacts = artifactsOption(values, tools);
    const warn = (path: string) =>
      tools.reporter.log(`${displayPath(path, tools.cwd)} cannot be read and is skipped`);
    const named = positionals.map(async (name) =>
      [name, await identityNamed(name, tools)] as const
    );
    const identities = new Map(await Promise.all(named));
    const all = await new History(artifacts).list(warn);
    const runs = choose(positionals, parseWhole("last", values), all, identities);
    const note = values.last === undefined && noteOnSeeds(positionals, runs, all);
    if (note) tools.reporter.log(note);
    const { compareRuns } = await import("./compare/compare_runs.ts");
    const progress = tools.reporter.startProgress("compare");
    const comparison = await compareRuns(runs, new ArtifactStore(artifacts), progress)
      .finally(() => progress[Symbol.dispose]());
    const { formatComparison, withText } = await import("./compare/format_comparison.ts");
    const text = format === "json"
      ? JSON.stringify({ ok: true, ...withText(comparison) }) + "\n"
      : formatComparison(comparison, format, tools.columns());
    standardOutput("stdout").write(text);
    return 0;
  },
};
export default command;

const has = ({ ok, metrics }: RunRecord) => ok && Object.keys(metrics).length > 0;

/** Returns a note if runs of pipelines' names are the newest of several that differ in seeds alone. */
function noteOnSeeds(names: readonly string[], runs: readonly RunRecord[], all: typeof runs) {
  const groups = runs.map((run, i) => {
    if (run.id.startsWith(names[i]!)) return [run];
    const key = settingKey(run), own = all.filter((one) => has(one) && nameOf(one) === nameOf(run));
    const alike = own.filter((one) => settingKey(one) === key);
    // Of equal seeds, the newest.
    return [...new Map(alike.map((one) => [settingKey(one, true), one])).values()];
  });
  const several = groups.filter(({ length }) => length > 1);
  const counts = several.map((group) => `${group.length} of ${nameOf(group[0]!)}`);
  return several.length > 0 &&
    `only the newest is taken of runs that differ in seeds alone, ${joinWords(counts)}. ` +
      `Compare all: deno task compare ${groups.flat().map(({ id }) => id).join(" ")}`;
}

/** Finds the named runs, or the last ones, oldest first. */
function choose(
  names: readonly string[],
  last: number | undefined,
  all: readonly RunRecord[],
  identities: ReadonlyMap<string, string | undefined>,
): RunRecord[] {
  const what = "ended with metrics to compare";
  const named = () =>
    new Set(names.flatMap((name) => runsOfPipeline(name, all, identities.get(name))));
  const runs = last === undefined
    ? names.map((name) => findRun(name, all, { identity: identities.get(name), has, what }))
    : (names.length === 0 ? [...all] : [...named()]).filter(has).sort(byTime).slice(-last);
  const twice = runs.find(({ id }, i) => runs.findIndex((run) => run.id === id) < i);
  if (twice) {
    throw new UsageError(`${joinWords(names)} name run ${twice.id} (${nameOf(twice)}) twice`);
  }
  if (runs.length < 2) {
    throw new UsageError(
      names.length === 0 && last === undefined
        ? "missing RUN: deno task compare RUN RUN, or --last 2; deno task runs lists them"
        : `expected at least two runs, got ${runs.length === 0 ? "none" : `only ${runs[0]!.id}`}`,
    );
  }
  return runs;
}
