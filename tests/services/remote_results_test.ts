/** Results that are shared through a real S3 server: pushed, pulled, and disturbed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { PART, RemoteResults } from "../../packages/pipeline/remote_results/remote_results.ts";
import { storeLarge, texts } from "../packages/pipeline/remote_results/stored_results.ts";
import { type Ended, ended, Project } from "../packages/pipeline/toy/project.ts";
import { missing, S3 } from "./s3.ts";

const ignore = missing !== undefined;
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: ignore ? `${name} (ignored: ${missing})` : name, ignore, fn });

const KEYS = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret" };
const yaml = (endpoint: string) =>
  `remote: { url: s3://bucket/team, endpoint: "${endpoint}" }\n` +
  "stages:\n  count: { to: 4 }\n  add: { by: 2 }\n  sum: { inputs: { numbers: add } }\n";

async function cli(project: Project, ...args: string[]): Promise<Ended> {
  return await ended(project.spawn(args, KEYS));
}

test("a run is pushed to S3, pulled from it, and computed where S3 fails", async () => {
  await using s3 = await S3.start();
  const files = { "pipeline.yaml": yaml(s3.endpoint) };
  await using maker = await Project.make(files);
  assert.equal((await cli(maker, "run", "pipeline")).code, 0);
  const pushed = await cli(maker, "push");
  assert.equal(pushed.code, 0, pushed.out);
  assert.match(pushed.out, /\npushed run [0-9a-f]{8} to s3:\/\/bucket\/team\n$/);
  const again = s3.requests.length;
  assert.equal((await cli(maker, "push")).code, 0);
  const puts = s3.requests.slice(again).filter((request) => /^PUT .*objects/.test(request));
  assert.deepEqual(puts, [], "what is there is not sent again");
  const status = await cli(maker, "remote", "status");
  assert.match(
    status.out,
    /^s3:\/\/bucket\/team: 3 results, \d+ B\n[^]*: 3 of 3 results are there/,
  );

  await using puller = await Project.make(files);
  const pulled = await cli(puller, "pull");
  assert.equal(pulled.code, 0, pulled.out);
  assert.deepEqual(await texts(puller), await texts(maker));
  assert.match((await cli(puller, "run", "pipeline")).out, /: 3 cached\n/);

  const harms = {
    throttle: /SlowDown \(4 attempts\)\. This run no longer asks it/,
    stall: undefined,
    cut: /record\.json cannot be read|is incomplete: .* has \d of \d bytes/,
    lie: /has other bytes there than were recorded/,
  };
  for (const [harm, told] of Object.entries(harms)) {
    s3.harm = (_, path) =>
      harm === "lie" && !path.includes("objects") ? undefined : harm as keyof typeof harms;
    await using project = await Project.make(files);
    const { code, out } = await cli(project, "run", "pipeline");
    assert.equal(code, 0, out);
    if (told) assert.match(out, told);
    assert.match(out, told ? /: 3 ran/ : /: 3 cached/, "a slow server is waited for");
    const made = await texts(project), first = await texts(maker);
    for (const [name, text] of Object.entries(first)) {
      if (!name.endsWith("record.json")) assert.equal(made[name], text, name);
    }
  }
  s3.harm = () => undefined;
});

test("S3 keeps the first of two records, and large files resume", async () => {
  await using s3 = await S3.start();
  const folder = await Deno.makeTempDir({ prefix: "remote-" });
  try {
    const { signal } = new AbortController();
    Object.entries(KEYS).forEach(([name, value]) => Deno.env.set(name, value));
    const stores = ["a", "b", "c"].map((name) => new ArtifactStore(join(folder, name)));
    const make = async (store: ArtifactStore, seed: number) => {
      const content = new Uint8Array(2 * PART + 7).map((_, i) => (i >> 12) + seed);
      return await storeLarge(store, { "a.bin": content }, { signal, deno: `${seed}.0.0` });
    };
    const [first, second] = [await make(stores[0]!, 1), await make(stores[1]!, 2)];
    const settings = { url: "s3://bucket", endpoint: s3.endpoint };
    const remote = new RemoteResults(settings, signal, { attempts: 1 });
    const progress = { start: () => {}, advance: () => {} };
    const push = (n: number, record: typeof first) =>
      remote.push(record, stores[n]!.pathOf("large", record.fingerprint), progress);
    // Both find no record, and write theirs at the same time.
    const both = await Promise.all([push(0, first), push(1, second)]);
    assert.deepEqual(both.map(({ other }) => other === undefined).sort(), [false, true]);
    const kept = both[0].other === undefined ? first : second;
    assert.deepEqual(both.find(({ other }) => other)!.other, kept);

    // The first part has arrived when the others are refused.
    const arrived = Promise.withResolvers<void>();
    s3.late = arrived.promise;
    let bytes = 0;
    s3.harm = (method, path) =>
      method === "GET" && /objects.*\.[12]$/.test(path) ? "throttleLate" : undefined;
    const pull = async () => {
      const found = (await remote.find("large", first.fingerprint))!;
      const advance = (n = 1) => (bytes += n) >= PART && arrived.resolve();
      return await remote.pull(found, stores[2]!, () => {}, { ...progress, advance });
    };
    await assert.rejects(pull, /SlowDown/);
    s3.harm = () => undefined;
    s3.requests.length = 0;
    assert.deepEqual(await pull(), kept);
    assert.equal(s3.requests.filter((request) => request.includes("objects")).length, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
