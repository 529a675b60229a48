/** deno task gc: removes results that no listed run needs. */
import { artifactsOption, parseWhole } from "../args.ts";
import { counted } from "../causes.ts";
import { UsageError } from "../errors.ts";
import { findUnreferenced, interrupted, type Removable } from "../cache/garbage.ts";
import { bySweep, pipelinesOf } from "../find_runs.ts";
import type { RunRecord } from "../history.ts";
import { removeStaleLogs } from "../live_log.ts";
import { displayPath, invocationDir, remove } from "../paths.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { ArtifactStore } from "../artifact_store.ts";
import { formatBytes, formatInteger, formatTable } from "../format.ts";
import { printJson } from "../reporter.ts";
import type { State } from "../state.ts";
import { forget, listRuns } from "./runs_command.ts";

export default async function gc(call: CommandContext): Promise<number> {
  const { values, names, reporter, reporter: { log } } = call;
  if (names.length > 0) {
    throw new UsageError(`gc takes no names, got "${names[0]}"; deno task runs --forget RUN`);
  }
  const store = new ArtifactStore(artifactsOption(call.values, call));
  const found = await findGarbage(store, values, log);
  const { forgotten, results, attempts } = found;
  const all = [...results, ...attempts];
  const report = (removed: boolean, garbage: readonly Removable[]) => {
    if (!values.json) return;
    const results = garbage.map(({ place, bytes }) => {
      return { use: place.use, fingerprint: place.fingerprint, bytes };
    });
    const ids = forgotten.map(({ id }) => id), bytes = total(garbage);
    printJson({ ok: true, removed, bytes, results, forgotten: ids });
  };
  if (all.length === 0 && forgotten.length === 0) {
    const are = found.kept === 1 ? "is listed, and needs" : "are listed, and need";
    log(`nothing to remove: ${counted(found.kept, "run")} ${are} all that is there`);
    report(false, []);
    return EXIT.ok;
  }
  describe(found, log);
  if (values["dry-run"]) {
    report(false, all);
    return EXIT.ok;
  }
  if (!values.yes) {
    if (!Deno.stdin.isTerminal()) throw new UsageError("nothing was removed: add --yes");
    if (!confirm(`Remove ${formatBytes(total(all))}?`)) return EXIT.ok;
  }

  using lock = await store.lockExclusive();
  if (!lock) {
    const error = "a run or a service is at work in this folder";
    log(`nothing was removed: ${error}; wait for its end`);
    if (values.json) printJson({ ok: false, removed: false, error });
    return EXIT.failed;
  }
  // What was used since it was described stays.
  const now = await findGarbage(store, values);
  const still = new Set([...now.results, ...now.attempts].map(({ place }) => place.path));
  const unused = ({ place }: Removable) => still.has(place.path);
  const garbage = all.filter(unused);
  {
    using progress = reporter.startProgress("gc");
    progress.start(garbage.length, "results");
    for (const { place } of results.filter(unused)) {
      await store.remove(place);
      progress.advance(1, place.use);
    }
    for (const { place: { path } } of attempts.filter(unused)) {
      await remove(path);
      await remove(`${path}.lock`);
      progress.advance();
    }
  }
  await forget(now.forgotten, store); // writes, for which a full disk has room only now
  log(`removed ${formatBytes(total(garbage))}`);
  report(true, garbage);
  return EXIT.ok;
}

async function findGarbage(
  store: ArtifactStore,
  values: CommandContext["values"],
  log: (text: string) => void = () => {},
) {
  const keep = parseWhole("keep", values);
  const unread: State<RunRecord>[] = [];
  const foreign = (path: string) =>
    log(`${displayPath(path, invocationDir())} has no valid record of a result; it is left alone`);
  const runs = await listRuns(store.folder, log, (state) => unread.push(state));
  if (!values["dry-run"]) {
    const alive = runs.filter(({ state }) => state === "running").map(({ id }) => id);
    await removeStaleLogs(store.folder, new Set(alive));
  }
  const forgotten = keep === undefined ? [] : allButLast(runs, keep);
  const left = runs.filter((run) => !forgotten.includes(run));
  return {
    forgotten,
    kept: left.length,
    results: await findUnreferenced(store, left, forgotten, unread, foreign),
    attempts: values.interrupted ? await interrupted(store) : [],
  };
}

/**
 * All runs but the last ones of each pipeline, those of a sweep counted as one; those that have not ended
 * count as none of them.
 */
function allButLast(runs: readonly RunRecord[], keep: number): RunRecord[] {
  return [...Map.groupBy(runs, pipelinesOf(runs)).values()].flatMap((group) => {
    const last = bySweep(group.filter(({ state }) => state === undefined)).slice(0, keep);
    const kept = new Set(last.flat());
    const oldest = last.length < keep ? 0 : group.findIndex((run) => kept.has(run));
    return group.filter((run, i) =>
      run.state === undefined ? !kept.has(run) : run.state === "interrupted" && i < oldest
    );
  });
}

function describe(
  { forgotten, kept, results, attempts }: Awaited<ReturnType<typeof findGarbage>>,
  log: (text: string) => void,
): void {
  const amounts = (garbage: readonly Removable[]) => {
    return [formatInteger(garbage.length), formatBytes(total(garbage))];
  };
  if (forgotten.length > 0) log(`${counted(forgotten.length, "run")} will be listed no longer`);
  if (results.length > 0) {
    const whom = kept === 1
      ? "the listed run does not need"
      : `none of the ${formatInteger(kept)} listed runs needs`;
    log(`results that ${whom}: ${amounts(results).join(", ")}`);
    const groups = Map.groupBy(results, ({ place }) => place.use);
    const rows = [...groups].map(([use, garbage]) => [`  ${use}`, ...amounts(garbage)]);
    formatTable(rows, [1, 2]).forEach(log);
  }
  if (attempts.length > 0) {
    log(`files that interrupted stages would resume from: ${amounts(attempts).join(", ")}`);
  }
}

function total(garbage: readonly Removable[]): number {
  return garbage.reduce((sum, { bytes }) => sum + bytes, 0);
}
