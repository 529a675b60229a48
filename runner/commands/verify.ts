/** deno task verify: whether results are still what was made. */
import { explain, UsageError } from "../errors.ts";
import { identityNamed } from "../find.ts";
import { History, pickRun } from "../history.ts";
import { fileNameOf } from "../identity.ts";
import { onInterrupt } from "../interrupt.ts";
import { planOf } from "../open.ts";
import { userFolder } from "../paths.ts";
import { type Call, EXIT } from "../program.ts";
import { count } from "../reporter.ts";
import { type Place, Store } from "../store.ts";
import { size } from "../table.ts";
import { sizeOf, verifyResult } from "../verify.ts";
import { artifactsOf } from "./runs.ts";
import { counted } from "../words.ts";

export default async function verify(call: Call): Promise<number> {
  const { values, reporter } = call;
  const { line, paint } = reporter;
  const { store, places } = await placesOf(call);
  using interrupt = onInterrupt(reporter, EXIT.interrupted);
  const { signal } = interrupt;
  using _held = await store.hold(() => line("results are being removed; waiting"), signal);
  const damaged: { use: string; fingerprint: string; path: string; problems: string[] }[] = [];
  let bytes = 0;
  const progress = reporter.begin("verify");
  try {
    const sizes = await Promise.all(places.map(sizeOf));
    progress.start(sizes.reduce((sum, size) => sum + size, 0), "bytes");
    for (const place of places) {
      if (signal.aborted) return EXIT.interrupted;
      const { use, print, path } = place;
      const finding = await verifyResult(place, (n) => progress.advance(n, use));
      bytes += finding.bytes;
      const name = `${use}/${print}`;
      if (finding.newer !== undefined) line(`  ${name}: ${finding.newer}; it is passed over`);
      for (const stranger of finding.strangers) {
        line(`  ${name}: ${stranger} is no part of it; it is left alone`);
      }
      if (finding.problems.length === 0) continue;
      const problems = [...finding.problems];
      line(`${paint.bad("✗")} ${name}: ${problems.join(", ")}`);
      damaged.push({ use, fingerprint: print, path, problems });
      try {
        await store.condemn(place, problems, signal);
      } catch (error) {
        line(`  ${name} cannot be marked, so that runs take it as it is: ${explain(error)}`);
      }
    }
  } finally {
    progress.end();
  }
  const read = `${counted(places.length, "result")}, ${size(bytes)}`;
  line(
    damaged.length === 0
      ? `${paint.good("✓")} ${read}: all as they were made`
      : `${
        count(damaged.length)
      } of ${read} are damaged; the next run that needs them makes them again`,
  );
  const ok = damaged.length === 0;
  if (values.json) console.log(JSON.stringify({ ok, results: places.length, bytes, damaged }));
  return ok ? EXIT.ok : EXIT.failed;
}

/** All results, or those that a pipeline used last. */
async function placesOf(call: Call): Promise<{ store: Store; places: Place[] }> {
  const { names } = call;
  if (names.length > 1) throw new UsageError(`one pipeline at a time; got ${names.join(" and ")}`);
  if (names.length === 0) {
    const store = new Store(artifactsOf(call));
    return { store, places: await store.places() };
  }
  const all = await new History(artifactsOf(call)).list();
  const run = await identityNamed(names[0]!, userFolder(), call.program.project) === undefined
    ? pickRun(names[0]!, all)
    : undefined;
  if (run) {
    const store = new Store(artifactsOf(call));
    const made = run.stages.map(({ use, fingerprint }) =>
      fingerprint && store.place(use, fingerprint)
    );
    return { store, places: (await store.places()).filter(({ path }) => made.includes(path)) };
  }
  const plan = await planOf(call);
  const store = new Store(call.values.artifacts === undefined ? plan.artifacts : artifactsOf(call));
  const used = Object.values(await store.usedBy(fileNameOf(plan.identity), plan.former)).map((
    { use, fingerprint },
  ) => store.place(use, fingerprint));
  return { store, places: (await store.places()).filter(({ path }) => used.includes(path)) };
}
