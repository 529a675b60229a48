/** Shards on workers, against a real Redis: crashes, recovery, results. */
import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { ResourceCache } from "../../packages/pipeline/remote/run_shard.ts";
import type { Photo } from "../faces/detection/fixture.ts";
import { drawnFace } from "../faces/detection/fixtures/drawnFaces.ts";
import { JOB_FORMAT } from "../../packages/pipeline/remote/job_schemas.ts";
import { failures, Job } from "../packages/pipeline/remote/fixture.ts";
import { missing, Redis, TestWorker } from "./redis.ts";

const ignore = missing !== undefined;
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: ignore ? `${name} (ignored: ${missing})` : name, ignore, fn });

/** Short, so that the tests are. */
const lock = ["--lock-seconds", "3"];

test("a run is the same when a worker is killed, one is frozen and Redis forgets all", async () => {
  using job = await Job.make();
  const expected = await job.run();
  await using redis = await Redis.start();
  await using killed = new TestWorker(job.artifacts, redis.url, lock);
  await using frozen = new TestWorker(job.artifacts, redis.url, lock);
  await using faithful = new TestWorker(job.artifacts, redis.url, lock);
  // Each has a shard at once: one that comes late may find none.
  await Promise.all([killed, frozen, faithful].map(({ lines }) => lines.until(/connected/)));
  const running = job.run({ redis: redis.url });
  running.catch(() => {}); // awaited below

  // In the middle of its own shard, whichever starts first.
  const strike = async (worker: TestWorker, signal: Deno.Signal) => {
    await worker.lines.until(/started/);
    worker.kill(signal);
  };
  await Promise.all([strike(killed, "SIGKILL"), strike(frozen, "SIGSTOP")]);
  await faithful.lines.until(/started/, 2);
  await redis.kill();
  await redis.start();

  const result = await running;
  assert.deepEqual(Object.keys(result).sort(), Object.keys(expected).sort());
  for (const [name, bytes] of Object.entries(expected)) assert.deepEqual(result[name], bytes, name);
  assert.deepEqual(job.keys.map(Number).sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const begun = (worker: TestWorker) => worker.lines.all.filter((line) => /started/.test(line));
  const done = (worker: TestWorker) => worker.lines.all.filter((line) => /done in/.test(line));
  for (const lost of [killed, frozen]) assert.ok(done(lost).length < begun(lost).length);

  // Resumed, it notices that its lease is lost, and continues.
  frozen.kill("SIGCONT");
  await frozen.lines.until(/connection to Redis lost|lease lost/);
  frozen.kill("SIGTERM");
  faithful.kill("SIGTERM");
  assert.deepEqual([await frozen.ended(), await faithful.ended()], [0, 0]);
});

/** Three photos with a face. */
async function faces(): Promise<Photo[]> {
  return await Promise.all([1, 2, 3].map(async (seed): Promise<Photo> => {
    const { data, width, height } = await drawnFace(seed, 256);
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer();
    return { path: `${seed}.png`, bytes };
  }));
}

test("a worker of another version leaves the job, stays, and both sides log why", async () => {
  using job = await Job.of(await faces());
  await using redis = await Redis.start();
  await using worker = new TestWorker(job.artifacts, redis.url, lock);
  const modules = { ...job.code.modules, "faces/images/crop.ts": "another one" };
  const code = { ...job.code, modules };
  const running = job.run({ redis: redis.url }, { code });
  running.catch(() => {});
  const why = /its version is another one: faces\/images\/crop\.ts differs from the run's/;
  assert.match(await worker.lines.until(/refused/), why);
  while (!job.told.some((line) => why.test(line))) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // It stays, for runs of its own version.
  const params = { detector: "tinyFaceDetector", inputSizes: [224] };
  const expected = await job.run(undefined, { params });
  assert.deepEqual(await job.run({ redis: redis.url }, { params }), expected);
  job.interrupt();
  await assert.rejects(running, /interrupted/);
  worker.kill("SIGTERM");
  assert.equal(await worker.ended(), 0);
  // Logged once, however often it refused.
  for (const lines of [worker.lines.all, job.told]) {
    assert.equal(lines.filter((line) => why.test(line)).length, 1);
  }
});

const bind = async (...args: string[]) =>
  (await new Deno.Command("mount", { args, stderr: "null" }).output()).success;
const readOnly = async (from: string, to: string) =>
  await bind("--bind", from, to) && await bind("-o", "remount,ro,bind", to);

test("a worker that cannot write to the shared folder leaves the shards to others", async () => {
  using job = await Job.make();
  const folder = await Deno.makeTempDir({ prefix: "shared-" });
  try {
    if (!await readOnly(job.artifacts, folder)) return console.log("ignored: no right to mount");
    await using redis = await Redis.start();
    await using stuck = new TestWorker(folder, redis.url, lock);
    await stuck.lines.until(/connected/);
    const running = job.run({ redis: redis.url });
    running.catch(() => {}); // awaited below
    assert.match(
      await stuck.lines.until(/refused|failed/),
      /refused: it cannot write to "\/.*shared-.*": Read-only file system/,
    );
    await using worker = new TestWorker(job.artifacts, redis.url, lock);
    const result = await running;
    assert.deepEqual(result, await job.run());
    for (const lines of [stuck.lines.all, job.told]) {
      assert.equal(lines.filter((line) => /it cannot write to/.test(line)).length, 1);
    }
    for (const one of [stuck, worker]) one.kill("SIGTERM");
    assert.deepEqual([await stuck.ended(), await worker.ended()], [0, 0]);
  } finally {
    await new Deno.Command("umount", { args: [folder], stderr: "null" }).output();
    await Deno.remove(folder);
  }
});

test("a job of another format, or whose folder leads elsewhere, fails alone", async () => {
  using job = await Job.make(8);
  await using redis = await Redis.start();
  await using worker = new TestWorker(job.artifacts, redis.url, lock);
  await Deno.symlink(await Deno.realPath("."), join(job.artifacts, "out"));
  const part = { version: JOB_FORMAT, kind: "part", run: "x", use: "faceCrop", code: job.code };
  const reasons = await failures(redis.url, [
    { version: 99, kind: "part", run: "x" },
    { ...part, folder: "out", inputs: {}, data: {} },
    { ...part, folder: "in", inputs: { table: "out/stages" }, data: {} },
    { ...part, folder: "in", inputs: { table: "../in" }, data: {} },
  ]);
  assert.match(reasons[0], /Cannot read a job of format 99: the worker has format \d/);
  assert.match(reasons[1], /"out": it is a link that leads out of the artifact folder/);
  assert.match(reasons[2], /"out\/stages": it is a link that leads out/);
  assert.match(reasons[3], /Cannot read a job: inputs\.table/);
  assert.deepEqual(await job.run({ redis: redis.url }), await job.run());
  worker.kill("SIGTERM");
  assert.equal(await worker.ended(), 0);
});

test("a worker that is stopped releases its shard, and the run's own machine may help", async () => {
  using job = await Job.make(24);
  // Two shards, which last: the worker is to be stopped amid its own one.
  const params = { shardSize: 12 };
  const expected = await job.run(undefined, { params });
  await using redis = await Redis.start();
  await using worker = new TestWorker(job.artifacts, redis.url, ["--lock-seconds", "20"]);
  await worker.lines.until(/connected/);
  const running = job.run({ redis: redis.url, localToo: true }, { params });
  running.catch(() => {});
  await worker.lines.until(/started/);
  worker.kill("SIGTERM");
  assert.equal(await worker.ended(), 0);
  assert.ok(worker.lines.all.some((line) => /the current job returns to the queue/.test(line)));
  assert.deepEqual(await running, expected);
});

test("an invalid job in the queue fails, and harms no worker", async () => {
  using job = await Job.make(8);
  await using redis = await Redis.start();
  await using worker = new TestWorker(job.artifacts, redis.url, lock);
  const running = job.run({ redis: redis.url }, {
    code: { ...job.code, modules: { "../evil.ts": 1 as unknown as string } },
  });
  await assert.rejects(running, /Cannot finish shard \d: Cannot read a job: code\.modules/);
  worker.kill("SIGTERM");
  assert.equal(await worker.ended(), 0);
});

test("Redis with a password and TLS", async () => {
  using job = await Job.make(8);
  const expected = await job.run();
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(job.artifacts, name));
  const made = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
    ],
    stderr: "null",
  }).output();
  assert.ok(made.success);
  await using redis = await Redis.start((port) => [
    ...["--port", "0", "--tls-port", String(port), "--tls-auth-clients", "no"],
    ...["--tls-cert-file", cert, "--tls-key-file", key, "--requirepass", "s3cret"],
  ]);
  const place = (password: string) => `rediss://:${password}@localhost:${redis.port}`;
  await using stranger = new TestWorker(job.artifacts, place("s3cret"));
  assert.equal(await stranger.ended(), 1);
  await stranger.lines.until(
    /Cannot reach Redis at localhost:\d+: .*self.?signed|certificate|UnknownIssuer/i,
  );
  await using guesser = new TestWorker(job.artifacts, place("guess"), ["--ca", cert]);
  assert.equal(await guesser.ended(), 1);
  assert.match(await guesser.lines.until(/Cannot reach Redis/), /WRONGPASS/);
  assert.ok(!guesser.lines.all.some((line) => line.includes("guess")));
  await using lost = new TestWorker(job.artifacts, `${place("s3cret")}/99`, ["--ca", cert]);
  assert.equal(await lost.ended(), 1);
  assert.match(await lost.lines.until(/Cannot reach Redis/), /DB index is out of range/);

  await using worker = new TestWorker(job.artifacts, place("s3cret"), ["--ca", cert]);
  await worker.lines.until(/connected to rediss:\/\/localhost:\d+ as/);
  assert.deepEqual(await job.run({ redis: place("s3cret"), ca: cert }), expected);
  worker.kill("SIGTERM");
  assert.equal(await worker.ended(), 0);
});

test("each detector finds the same on other machines, with all its options", async () => {
  using job = await Job.of(await faces());
  await using redis = await Redis.start();
  await using worker = new TestWorker(job.artifacts, redis.url);
  for (
    const params of [
      { detector: "dlibCnn", minFace: 0.45, upsample: 1, minConfidence: 0.1 },
      { detector: "tinyFaceDetector", inputSizes: [224] },
      { detector: "ssdMobilenetv1", inputSizes: [256] },
    ]
  ) {
    const here = await job.run(undefined, { params });
    const far = await job.run({ redis: redis.url }, { params });
    assert.deepEqual(far, here, params.detector);
  }
  worker.kill("SIGTERM");
  assert.equal(await worker.ended(), 0);
  assert.equal(worker.lines.all.filter((line) => /done in/.test(line)).length, 3);
});

Deno.test("ResourceCache opens once for a key, and closes before it opens something else", async () => {
  const calls: string[] = [];
  const resources = new ResourceCache();
  const use = (key: string) =>
    resources.getOrOpen(key, () => {
      calls.push(`open ${key}`);
      return Promise.resolve({
        key,
        [Symbol.asyncDispose]: () => Promise.resolve(void calls.push(`close ${key}`)),
      });
    });
  const first = await use("a");
  assert.equal(await use("a"), first);
  assert.equal((await use("b")).key, "b");
  await resources.close();
  await resources.close();
  assert.notEqual(await use("a"), first);
  assert.deepEqual(calls, ["open a", "close a", "open b", "close b", "open a"]);
});

Deno.test("ResourceCache forgets what could not be opened", async () => {
  const resources = new ResourceCache();
  await assert.rejects(
    resources.getOrOpen("a", () => Promise.reject(new Error("no room"))),
    /no room/,
  );
  await resources.close();
  const opened = { [Symbol.asyncDispose]: () => Promise.resolve() };
  assert.equal(await resources.getOrOpen("a", () => Promise.resolve(opened)), opened);
});
