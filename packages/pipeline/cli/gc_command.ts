/** deno task gc: removes results that no listed run needs. */
import { parsePositiveInt } from "../args.ts";
import { remove } from "../cache/attempt_files.ts";
import { UsageError } from "../errors.ts";
import { findUnreferenced, interrupted, type Removable } from "../cache/garbage.ts";
import { pipelinesOf, type RunRecord } from "../history.ts";
import { removeStaleLogs } from "../live_log.ts";
import { displayPath, invocationDir } from "../paths.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { formatInteger } from "../reporter.ts";
import { ArtifactStore } from "../artifact_store.ts";
import { formatBytes, formatTable } from "../format.ts";
import { artifactsOf, forget, listRuns } from "./runs_command.ts";

export default async function gc(call: CommandContext): Promise<number> {
  const { values, names, reporter: { log: line } } = call;
  if (names.length > 0) {
    throw new UsageError(`gc takes no names, got "${names[0]}"; deno task runs --forget RUN`);
  }
  const folder = artifactsOf(call);
  const store = new ArtifactStore(folder);
  const keep = parsePositiveInt("keep", values);
  const find = async (tell: (text: string) => void = () => {}) => {
    const unread: string[] = [];
    const foreign = (path: string) =>
      tell(
        `${displayPath(path, invocationDir())} has no valid record of a result; it is left alone`,
      );
    const runs = await listRuns(folder, tell, (text) => unread.push(text));
    if (!values["dry-run"]) {
      const alive = runs.filter(({ state }) => state === "running").map(({ id }) => id);
      await removeStaleLogs(folder, new Set(alive));
    }
    const forgotten = keep === undefined ? [] : allButLast(runs, keep);
    const left = runs.filter((run) => !forgotten.includes(run));
    return {
      forgotten,
      kept: left.length,
      results: await findUnreferenced(store, left, forgotten, unread, foreign),
      attempts: values.interrupted ? await interrupted(store) : [],
    };
  };
  const found = await find(line);
  const all = [...found.results, ...found.attempts];
  const report = (removed: boolean, garbage: readonly Removable[]) => {
    if (!values.json) return;
    const results = garbage.map(({ place, bytes }) => ({
      ...{ use: place.use, fingerprint: place.fingerprint, bytes },
    }));
    const forgotten = found.forgotten.map(({ id }) => id);
    console.log(JSON.stringify({ ok: true, removed, bytes: total(garbage), results, forgotten }));
  };
  if (all.length === 0 && found.forgotten.length === 0) {
    const kept = found.kept === 1
      ? "1 run is listed, and needs"
      : `${formatInteger(found.kept)} runs are listed, and need`;
    line(`nothing to remove: ${kept} all that is there`);
    report(false, []);
    return EXIT.ok;
  }
  describe(found, line);
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
    const why = "a run or a service is at work in this folder";
    line(`nothing was removed: ${why}; wait for its end`);
    if (values.json) console.log(JSON.stringify({ ok: false, removed: false, error: why }));
    return EXIT.failed;
  }
  // What was used since it was described stays.
  const now = await find();
  const still = new Set([...now.results, ...now.attempts].map(({ place }) => place.path));
  const garbage = all.filter(({ place }) => still.has(place.path));
  await forget(now.forgotten, folder);
  for (const { place } of garbage) {
    if (found.attempts.some((attempt) => attempt.place.path === place.path)) {
      await remove(place.path);
      await remove(`${place.path}.lock`);
    } else {
      await store.remove(place);
    }
  }
  line(`removed ${formatBytes(total(garbage))}`);
  report(true, garbage);
  return EXIT.ok;
}

/** All runs but the last ones of each pipeline; those that have not ended count as none of them. */
function allButLast(runs: readonly RunRecord[], keep: number): RunRecord[] {
  return [...Map.groupBy(runs, pipelinesOf(runs)).values()].flatMap((group) => {
    const oldest = group.filter(({ state }) => state === undefined).at(-keep);
    const before = oldest === undefined ? 0 : group.indexOf(oldest);
    return group.slice(0, before).filter(({ state }) => state !== "running");
  });
}

function describe(
  { forgotten, kept, results, attempts }: {
    forgotten: readonly RunRecord[];
    kept: number;
    results: readonly Removable[];
    attempts: readonly Removable[];
  },
  line: (text: string) => void,
): void {
  const of = (garbage: readonly Removable[]) =>
    `${formatInteger(garbage.length)}, ${formatBytes(total(garbage))}`;
  if (forgotten.length > 0) {
    line(
      `${formatInteger(forgotten.length)} ${
        forgotten.length === 1 ? "run" : "runs"
      } will be listed no longer`,
    );
  }
  if (results.length > 0) {
    const whom = kept === 1
      ? "the listed run does not need"
      : `none of the ${formatInteger(kept)} listed runs needs`;
    line(`results that ${whom}: ${of(results)}`);
    const groups = Map.groupBy(results, ({ place }) => place.use);
    const rows = [...groups].map(([use, garbage]) => [
      ...[`  ${use}`, formatInteger(garbage.length), formatBytes(total(garbage))],
    ]);
    formatTable(rows, [1, 2]).forEach(line);
  }
  if (attempts.length > 0) line(`files that interrupted stages would resume from: ${of(attempts)}`);
}

function total(garbage: readonly Removable[]): number {
  return garbage.reduce((sum, { bytes }) => sum + bytes, 0);
}
