/** deno task push, pull and remote: results shared with others. */
import { basename, join } from "node:path";
import { mapOrdered } from "@reproducible/workers/ordered_map";
import { type CommandContext, EXIT } from "../app.ts";
import { ArtifactStore } from "../artifact_store.ts";
import { counted } from "../causes.ts";
import { remoteSchema, type RemoteSettings } from "../config/pipeline_schema.ts";
import { ensureFolder, writeFileAtomic } from "../durable.ts";
import { artifactsOption } from "../args.ts";
import { formatError, UsageError } from "../errors.ts";
import { identityNamed } from "../find_pipeline.ts";
import { formatBytes, formatTable, formatTimestamp } from "../format.ts";
import {
  byTime,
  History,
  noteOf,
  parseRun,
  resultsOf,
  type RunRecord,
  type UsedResult,
} from "../history.ts";
import { byPipeline, bySweep, findRun, nameOf } from "../find_runs.ts";
import { abortOnSignal } from "../interrupt.ts";
import { resolveFrom } from "../paths.ts";
import { shellQuote } from "../pipeline_identity.ts";
import {
  madeElsewhere,
  MAX_RECORD,
  RemoteResults,
  RUNS,
} from "../remote_results/remote_results.ts";
import { assertOwnPipeline, loadPlan } from "../load_plan.ts";
import type { Progress } from "../stage.ts";
import { bytesOf, type StageRecord } from "../stage_record.ts";

/** Opens the remote, runs the command and returns its exit code. */
async function sharing(
  call: CommandContext,
  pipeline: string,
  artifacts: string,
  command: (place: {
    readonly store: ArtifactStore;
    readonly history: History;
    readonly remote: RemoteResults;
  }) => Promise<boolean>,
): Promise<number> {
  using interrupt = abortOnSignal(call.reporter);
  const { signal } = interrupt;
  const settings = await settingsOf(call, pipeline);
  const store = new ArtifactStore(artifacts);
  const remote = new RemoteResults(settings, signal), history = new History(store.folder);
  try {
    using _held = await store.lockShared(call.reporter.log, signal);
    return await command({ store, history, remote }) ? EXIT.ok : EXIT.failed;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UsageError) throw error;
    call.reporter.log(`Cannot share with ${remote.place.url}: ${formatError(error)}.`);
    return EXIT.failed;
  }
}

/** Returns the remote of `--remote`, or else of a pipeline. */
async function settingsOf(call: CommandContext, pipeline: string): Promise<RemoteSettings> {
  const { remote: url } = call.values;
  if (url !== undefined) {
    const { error } = remoteSchema.safeParse({ url });
    if (error) throw new UsageError(`--remote "${url}": ${error.issues[0]!.message}`);
    return { url: resolveFrom(url, call.cwd) };
  }
  const { remote } = await loadPlan({ ...call, names: [pipeline] });
  if (remote) return remote;
  throw new UsageError(
    `"${pipeline}" has no remote. Write remote: s3://bucket/prefix or a folder into its YAML, or ` +
      "add --remote URL.",
  );
}

/** Finds a run as other commands do; of a pipeline whose newest run is one of a sweep, all its runs. */
async function runsNamed(call: CommandContext, all: readonly RunRecord[], listedBy?: string) {
  const { names, names: [name = "pipeline", ...others] } = call;
  if (others.length > 0) throw new UsageError(`one run at a time; got ${names.join(" and ")}`);
  const identity = await identityNamed(name, call), has = ({ ok }: RunRecord) => ok;
  const found = findRun(name, all, { identity, has, what: "succeeded", listedBy });
  const isNamed = found.id !== name && byPipeline(name, all, identity).includes(found);
  if (!isNamed) return [found];
  const own = all.filter((run) => run.ok && noteOf(run) === noteOf(found));
  return bySweep(own).find((runs) => runs.includes(found))!.reverse();
}

/** Copies each result of runs, with a line and a progress bar. Returns false if some failed. */
async function each(
  { reporter }: CommandContext,
  runs: readonly RunRecord[],
  { signal }: RemoteResults,
  copy: (result: UsedResult, progress: Progress) => Promise<string>,
): Promise<boolean> {
  let ok = true;
  // The runs of a sweep share results.
  const results = new Map(
    runs.flatMap(resultsOf).map((one) => [`${one.use} ${one.fingerprint}`, one]),
  );
  for (const result of results.values()) {
    using progress = reporter.startProgress(result.id);
    try {
      const text = await copy(result, progress);
      reporter.log(`${reporter.paint.green("✓")} ${result.id}  ${text}`);
    } catch (error) {
      signal.throwIfAborted();
      if ((error as { lasting?: boolean }).lasting) throw error;
      ok = false;
      reporter.log(`${reporter.paint.red("✗")} ${result.id}  ${formatError(error)}`);
    }
  }
  return ok;
}

export async function push(call: CommandContext): Promise<number> {
  const { log } = call.reporter, artifacts = artifactsOption(call.values, call);
  const runs = await runsNamed(call, await new History(artifacts).list()), [run] = runs;
  const { names: [name = "pipeline"], values, project } = call;
  const typed = values.remote ?? await identityNamed(name, call);
  if (typed === undefined) assertOwnPipeline(run, project);
  return await sharing(call, nameOf(run), artifacts, async ({ store, history, remote }) => {
    const ok = await each(call, runs, remote, async ({ use, fingerprint }, progress) => {
      const { record, damage = "it is gone" } = await store.find(use, fingerprint);
      if (!record) throw new Error(`its result cannot be pushed: ${damage}`);
      const place = store.pathOf(use, fingerprint);
      const { other, made } = await remote.push(record, place, progress);
      if (!other) return made ? formatBytes(bytesOf(record)) : "was there";
      const maker = madeElsewhere(other) ?? "made by this kind of machine";
      return `another result of the same inputs is there and stays (${maker}); yours stays here`;
    });
    if (!ok) return false;
    const names = await history.names();
    for (const { id } of runs) {
      const name = names.find((name) => name.endsWith(`-${id}.json`))!;
      await remote.place.put(RUNS + name, await Deno.readFile(join(history.folder, name)));
      log(`pushed run ${id} to ${remote.place.url}`);
    }
    return true;
  });
}

/** Returns the runs at the remote, the oldest first, and the bytes of their records by id. */
async function runsAt({ place }: RemoteResults, log: (text: string) => void) {
  const runs: RunRecord[] = [], files = new Map<string, { name: string; bytes: Uint8Array }>();
  const read = async ({ key, size }: { key: string; size: number }) => {
    const bytes = size > MAX_RECORD ? undefined : await place.get(key, MAX_RECORD);
    return { key, bytes: bytes ?? new Uint8Array() };
  };
  for await (const { key, bytes } of mapOrdered(await place.list(RUNS), 6, read)) {
    const name = basename(key), { value, problem } = parseRun(bytes, name);
    const right = value && /^[\w.-]+\.json$/.test(name) &&
      name.endsWith(`-${value.id}.json`) && !/[\\/]/.test(noteOf(value));
    const stray = value?.stages.some(({ use, fingerprint = "0" }) =>
      !/^\w[\w.-]*$/.test(use) || !/^[0-9a-f]+$/.test(fingerprint)
    );
    if (!right || stray) log(`${problem ?? `${key} is not that run's`}; it is passed over`);
    else files.set(value.id, { name, bytes }) && runs.push(value);
  }
  return { runs: runs.sort(byTime), files };
}

export async function pull(call: CommandContext): Promise<number> {
  const { log } = call.reporter;
  // The YAML of a name has its remote; an id is at that of pipeline.yaml.
  const [name = "pipeline"] = call.names;
  const pipeline = await identityNamed(name, call) ?? "pipeline";
  const artifacts = artifactsOption(call.values, call, true);
  return await sharing(call, pipeline, artifacts, async ({ store, history, remote }) => {
    const { runs: all, files } = await runsAt(remote, log);
    const status = `deno task remote status --remote ${shellQuote(remote.place.url)}`;
    const runs = await runsNamed(call, all, status);
    const records = new Map<string, StageRecord>(), newest = runs.at(-1)!;
    const ok = await each(call, runs, remote, async ({ id, use, fingerprint }, progress) => {
      const { record } = await store.find(use, fingerprint);
      const found = record ?? await remote.find(use, fingerprint);
      if (!found) throw new Error(`${remote.place.url} does not have its result`);
      if (!record) await remote.pull(found, store, (line) => log(`  ${id}: ${line}`), progress);
      records.set(fingerprint, found);
      const origin = madeElsewhere(found);
      const text = record ? "was here" : formatBytes(bytesOf(found));
      return text + (origin ? `; ${origin}` : "");
    });
    if (!ok) return false;
    await ensureFolder(history.folder);
    for (const run of runs) {
      const { name, bytes } = files.get(run.id)!;
      await writeFileAtomic(join(history.folder, name), bytes);
      log(`pulled run ${run.id} of ${nameOf(run)}`);
    }
    const used = resultsOf(newest).map((one) => [one.id, records.get(one.fingerprint)!] as const);
    await store.setCurrent(noteOf(newest), new Map(used), undefined, true);
    return true;
  });
}

export async function remoteStatus(call: CommandContext): Promise<number> {
  const { names: [what = "status", named, ...others], reporter: { log } } = call;
  if (what !== "status" || others.length > 0) {
    throw new UsageError("expected deno task remote status [PIPELINE]");
  }
  const artifacts = artifactsOption(call.values, call);
  return await sharing(call, named ?? "pipeline", artifacts, async ({ history, remote }) => {
    const { runs } = await runsAt(remote, log);
    const { results, bytes } = await remote.total();
    log(`${remote.place.url}: ${counted(results, "result")}, ${formatBytes(bytes)}`);
    const rows = runs.map((run) => [run.id, formatTimestamp(run.at), nameOf(run)]);
    if (rows.length > 0) formatTable([["run", "ended", "pipeline"], ...rows]).forEach(log);
    const ended = (await history.list()).filter(({ ok }) => ok);
    const own = named === undefined
      ? ended.at(-1)
      : byPipeline(named, ended, await identityNamed(named, call)).at(-1);
    if (own) {
      const all = resultsOf(own), there = await remote.count(all);
      log(
        `your last run, ${own.id} of ${nameOf(own)}: ${there} of ${all.length} results are there`,
      );
    }
    return true;
  });
}
