/** deno task runs: what ran, when, with which metrics. */
import { join } from "node:path";
import { artifactsOption, parseWhole } from "../args.ts";
import { cautionLines } from "../causes.ts";
import { joinWords } from "../errors.ts";
import { identityNamed } from "../find_pipeline.ts";
import { canonicalJson } from "../fingerprint.ts";
import { byTime, History, isInterrupted, noteOf, resultsOf, type RunRecord } from "../history.ts";
import {
  byPipeline,
  findByIdPrefix,
  findRun,
  nameOf,
  pipelinesOf,
  runsOfPipeline,
} from "../find_runs.ts";
import { settingsOf } from "../run_settings.ts";
import { displayPath, invocationDir } from "../paths.ts";
import { type CommandContext, EXIT, type MetricNames } from "../app.ts";
import { withoutSecrets } from "../secrets.ts";
import { printJson } from "../reporter.ts";
import { ArtifactStore } from "../artifact_store.ts";
import type { State } from "../state.ts";
import {
  formatDuration,
  formatMetrics,
  formatTable,
  formatTimestamp,
  formatValues,
} from "../format.ts";

export default async function runs(call: CommandContext): Promise<number> {
  const { values, names, reporter } = call;
  const artifacts = artifactsOption(values, call);
  const all = await listRuns(artifacts, reporter.log);
  if (values.forget) {
    const found = values.forget.map(async (name) => {
      const identity = await identityNamed(name, call);
      return findRun(name, all, { identity });
    });
    await forget(await Promise.all(found), new ArtifactStore(artifacts));
    reporter.log(
      `forgot ${joinWords([...new Set(values.forget)])}; deno task gc removes what only they used`,
    );
    return EXIT.ok;
  }
  const last = parseWhole("last", values);
  const chosen = names.length === 0 ? all : await ofPipelines(names, all, call);
  const listed = chosen.sort(byTime).slice(last === undefined ? 0 : -last);
  if (values.json) {
    printJson(withoutSecrets({ ok: true, runs: listed }));
  } else if (listed.length === 0) {
    reporter.log("nothing has run yet: deno task run pipeline");
  } else {
    cautionLines(listed).forEach((text) => reporter.log(reporter.paint.yellow(text)));
    const head = ["run", "date", "pipeline", "took", "values", "result"];
    const pipelineOf = pipelinesOf(all), latest = new Map<string, RunRecord>();
    /** Run → the last one before of its pipeline that ran stages. */
    const before = new Map<RunRecord, RunRecord | undefined>();
    for (const run of all) {
      before.set(run, latest.get(pipelineOf(run)));
      if (run.stages.length > 0) latest.set(pipelineOf(run), run);
    }
    const rows = await Promise.all(listed.map(async (run) => {
      const made = run.stages.flatMap(({ dependencies = [] }) => dependencies);
      return rowOf(run, valuesOf(run, before.get(run)), await call.metricNames?.(made));
    }));
    formatTable([head, ...rows], [3], reporter.columns()).forEach(reporter.log);
    const [run] = listed;
    if (names.length === 1 && listed.length === 1 && run!.id.startsWith(names[0]!)) {
      const results = await resultRows(run!, new ArtifactStore(artifacts), call.cwd);
      ["", ...formatTable([["stage", "result"], ...results])].forEach(reporter.log);
    }
  }
  return EXIT.ok;
}

/**
 * The runs of an artifact folder. Prints which records do not count.
 * @param unread called with each of these
 */
export async function listRuns(
  artifacts: string,
  line: (text: string) => void,
  unread: (state: State<RunRecord>) => void = () => {},
): Promise<RunRecord[]> {
  return await new History(artifacts).list((path, state) => {
    const { problem, newer, text } = state;
    const folder = displayPath(join(path, ".."), invocationDir());
    const useless = !newer && text !== undefined;
    line(`${folder}/${problem} and is passed over${useless ? "; it may be removed" : ""}`);
    unread(state);
  });
}

/**
 * Takes runs off the list, and off what their pipelines used last. What the newest run of a pipeline has
 * in common with them stays there: else its repetition would count as a new run.
 */
export async function forget(runs: readonly RunRecord[], store: ArtifactStore): Promise<void> {
  const history = new History(store.folder), ids = new Set(runs.map(({ id }) => id));
  const left = (await history.list()).filter(({ id, stages }) => !ids.has(id) && stages.length > 0);
  const prints = (run: RunRecord) => resultsOf(run).map(({ fingerprint }) => fingerprint);
  for (const [pipeline, group] of Map.groupBy(runs, noteOf)) {
    const newest = left.findLast((run) => noteOf(run) === pipeline);
    const kept = new Set(newest ? prints(newest) : []);
    await store.forget(pipeline, new Set(group.flatMap(prints)).difference(kept));
  }
  await history.remove(ids);
}

/** The runs of pipelines, or those that ids or beginnings of them name. */
async function ofPipelines(
  names: readonly string[],
  all: readonly RunRecord[],
  call: CommandContext,
): Promise<RunRecord[]> {
  const found = await Promise.all(names.map(async (name) => {
    const identity = await identityNamed(name, call);
    const one = all.find(({ id }) => id === name) ??
      (byPipeline(name, all, identity).length === 0 ? findByIdPrefix(name, all) : undefined);
    return one ? [one] : runsOfPipeline(name, all, identity);
  }));
  return [...new Set(found.flat())];
}

const MOST_VALUES = 4;

/** Returns the overrides of a run, and its differences from the one before of its pipeline. */
function valuesOf(run: RunRecord, before: RunRecord | undefined): string {
  const given = new Map(Object.entries(run.overrides ?? run.point ?? {}));
  const most = Math.max(MOST_VALUES, given.size);
  const [then, now] = [before ? settingsOf(before) : undefined, settingsOf(run)];
  for (const [name, { value, stage }] of now) {
    const old = then?.get(name);
    // A run of few stages may have no backend.
    if (!then?.has(stage ?? name) || given.has(name)) continue;
    if (canonicalJson(old?.value ?? null) === canonicalJson(value ?? null)) continue;
    // Records of earlier versions do not know what a stage took from.
    if (name.endsWith(": inputs") && old?.value === undefined) continue;
    const brought = /: (code|packages)$/.test(name) &&
      given.keys().some((key) => key.startsWith(`${stage}.`));
    if (brought && !isEdited(stage!, before!, run)) continue;
    given.set(name.replace(/: \w+$/, ""), /: \w+$/.test(name) ? name.split(": ")[1] : value);
  }
  const shown = [...given].map(([name, value]) => formatValues({ [name]: value }));
  const more = shown.length - most;
  return shown.slice(0, most).join(" ") + (more > 0 ? ` and ${more} more` : "");
}

/** Returns true if code of both runs differs. A choice, such as a plugin's loss, brings other code. */
function isEdited(stage: string, ...runs: RunRecord[]): boolean {
  const [then, now] = runs.map(({ stages }) => {
    const { modules, packages } = stages.find(({ id }) => id === stage)!.dependencies!;
    return Object.entries({ ...modules, ...packages });
  });
  const old = new Map(then);
  return now!.some(([name, version]) => old.has(name) && old.get(name) !== version);
}

/** Returns the stages of a run and the folders of their results. */
async function resultRows({ stages }: RunRecord, store: ArtifactStore, cwd: string) {
  const rows = stages.map(async ({ id, use, fingerprint, outputs }) => {
    if (fingerprint === undefined) return [];
    const { record, damage = "was removed" } = await store.find(use, fingerprint);
    const folder = displayPath(store.pathOf(use, fingerprint), cwd);
    return Object.keys(outputs).map((name) => [id, record ? `${folder}/${name}` : damage]);
  });
  return (await Promise.all(rows)).flat();
}

function rowOf(run: RunRecord, values: string, metricNames?: MetricNames): string[] {
  const failed = run.stages.filter(({ status }) => status === "failed");
  const ends = failed.map((one) => `${one.id} ${isInterrupted(one) ? one.why : "failed"}`);
  const result = run.state ??
    (joinWords(ends) || formatMetrics(run.metrics, metricNames) || "no metrics");
  const seconds = run.state === undefined
    ? run.seconds
    : (Date.now() - Date.parse(run.startedAt ?? run.at)) / 1000;
  const took = run.state === "interrupted" ? "–" : formatDuration(seconds);
  return [run.id, formatTimestamp(run.at), nameOf(run), took, values, result];
}
