/** deno task verify: whether results are still what was made. */
import { artifactsOption } from "../args.ts";
import { formatError, UsageError } from "../errors.ts";
import { identityNamed } from "../find_pipeline.ts";
import { byPipeline, bySweep, findByIdPrefix } from "../find_runs.ts";
import { History, type RecordedStage } from "../history.ts";
import { fileNameOf } from "../pipeline_identity.ts";
import { abortOnSignal } from "../interrupt.ts";
import { loadPlan } from "../load_plan.ts";
import { type CommandContext, EXIT } from "../app.ts";
import { ArtifactStore, type StoredResult } from "../artifact_store.ts";
import { formatBytes, formatInteger } from "../format.ts";
import { bytesOf, readRecord } from "../stage_record.ts";
import { verifyResult } from "../verify_results.ts";
import { counted } from "../causes.ts";
import { printJson } from "../reporter.ts";

export default async function verify(call: CommandContext): Promise<number> {
  const { values, reporter } = call;
  const { log: line, paint } = reporter;
  const { store, places } = await placesOf(call);
  using interrupt = abortOnSignal(reporter);
  const { signal } = interrupt;
  using _held = await store.lockShared(line, signal);
  const damaged: { use: string; fingerprint: string; path: string; problems: string[] }[] = [];
  let bytes = 0;
  {
    using progress = reporter.startProgress("verify");
    const records = await Promise.all(places.map(({ path }) => readRecord(path)));
    const total = records.reduce((sum, { value }) => sum + (value ? bytesOf(value) : 0), 0);
    progress.start(total, "bytes");
    for (const place of places) {
      const { use, fingerprint, path } = place;
      signal.throwIfAborted();
      const finding = await verifyResult(place, (n) => {
        signal.throwIfAborted();
        progress.advance(n, use);
      });
      bytes += finding.bytes;
      const name = `${use}/${fingerprint}`;
      if (finding.newer !== undefined) line(`  ${name}: ${finding.newer}; it is passed over`);
      for (const stranger of finding.strangers) {
        line(`  ${name}: ${stranger} is no part of it; it is left alone`);
      }
      if (finding.problems.length === 0) continue;
      const problems = [...finding.problems];
      line(`${paint.red("✗")} ${name}: ${problems.join(", ")}`);
      damaged.push({ use, fingerprint, path, problems });
      const info = (text: string) => line(`  ${name}: ${text}`);
      if (!finding.record) continue;
      await store.markDamaged(place, finding.record, problems, info, signal).catch((error) => {
        signal.throwIfAborted();
        line(`  ${name} cannot be marked, so that runs take it as it is: ${formatError(error)}`);
      });
    }
  }
  const ok = damaged.length === 0;
  const read = `${counted(places.length, "result")}, ${formatBytes(bytes)}`;
  const bad = `${formatInteger(damaged.length)} of ${read} are damaged`;
  line(
    ok
      ? `${paint.green("✓")} ${read}: all as they were made`
      : `${bad}; the next run that needs them makes them again`,
  );
  if (values.json) printJson({ ok, results: places.length, bytes, damaged });
  return ok ? EXIT.ok : EXIT.failed;
}

/** All results, those of a run, or those that a pipeline used last, of a sweep in all its runs. */
async function placesOf(
  call: CommandContext,
): Promise<{ store: ArtifactStore; places: StoredResult[] }> {
  const { names, names: [name], values } = call;
  if (names.length > 1) throw new UsageError(`one pipeline at a time; got ${names.join(" and ")}`);
  let store = new ArtifactStore(artifactsOption(values, call));
  if (name === undefined) return { store, places: await store.storedResults() };
  let runs = await identityNamed(name, call) ? [] : await new History(store.folder).list();
  const byId = findByIdPrefix(name, runs);
  let used: readonly Pick<RecordedStage, "use" | "fingerprint">[] = [];
  let identity: string | undefined;
  if (!byId && byPipeline(name, runs).length === 0) {
    const plan = await loadPlan(call);
    if (values.artifacts === undefined) store = new ArtifactStore(plan.artifacts);
    used = Object.values(await store.currentOf(fileNameOf(plan.identity), plan.former));
    runs = await new History(store.folder).list();
    identity = plan.identity;
  }
  const [newest = []] = byId ? [[byId]] : bySweep(byPipeline(name, runs, identity));
  // Runs of a sweep take turns with what the pipeline uses.
  if (!identity || newest[0]?.point) used = [...used, ...newest.flatMap(({ stages }) => stages)];
  const paths = used.map(({ use, fingerprint }) => fingerprint && store.pathOf(use, fingerprint));
  const places = (await store.storedResults()).filter(({ path }) => paths.includes(path));
  // A run of a failed stage has none.
  if (places.length === 0 && !byId) {
    throw new UsageError(`"${name}" has no result in ${store.folder}; --artifacts names another`);
  }
  return { store, places };
}
