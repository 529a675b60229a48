import assert from "node:assert/strict";
import {
  assertSameCode,
  type CodeVersion,
} from "../../../../packages/pipeline/remote/compatibility.ts";
import {
  parseRedisAddress,
  redactUrl,
} from "../../../../packages/pipeline/remote/broker_client.ts";
import { Project } from "../toy/project.ts";

const pipeline = { "pipeline.yaml": "stages:\n  count: { to: 3 }\n" };

Deno.test("where shards are made does not count for the result", async () => {
  await using project = await Project.make(pipeline);
  assert.deepEqual((await project.run()).statuses, { count: "ran" });
  const set = ["executor=bullmq", "bullmq.redis=redis://nowhere:1", "bullmq.prefix=other"];
  assert.deepEqual((await project.run({ set })).statuses, { count: "cached" });
});

Deno.test("parseRedisAddress() refuses what is no address, and hides the password", async () => {
  await assert.rejects(
    parseRedisAddress("localhost"),
    /Cannot use "localhost" as the address of Redis/,
  );
  await assert.rejects(parseRedisAddress("http://:s3cret@host"), (error: Error) => {
    assert.match(
      error.message,
      /Cannot use "http:\/\/\*\*\*@host".*rediss:\/\/user:password@host:6379/,
    );
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
  await assert.rejects(parseRedisAddress("redis://host", "ca.pem"), /without TLS it has none/);
  await assert.rejects(
    parseRedisAddress("rediss://host", "/no/ca.pem"),
    /Cannot read the certificate/,
  );
  assert.equal(
    redactUrl(await parseRedisAddress("rediss://u:s3cret@host:7000")),
    "rediss://host:7000",
  );
  for (const password of ["12/s3", "s3#12", "1?s/#3@4", "[s3]"]) {
    const place = await parseRedisAddress(`redis://u:${password}@host:7000/2`);
    assert.equal(redactUrl(place), "redis://host:7000");
    assert.equal(decodeURIComponent(new URL(place.url).password), password);
  }
  await assert.rejects(parseRedisAddress("http://u:12/s3cret@host"), (error: Error) => {
    assert.match(error.message, /^Cannot use "http:\/\/\*\*\*@host" as/);
    return true;
  });
  await assert.rejects(parseRedisAddress("redis://u:s3/cret@host:port"), (error: Error) => {
    assert.match(error.message, /^Cannot use "redis:\/\/\*\*\*@host:port" as/);
    return true;
  });
});

Deno.test("assertSameCode() describes what differs", () => {
  const code: CodeVersion = {
    modules: { "a.ts": "1", "b.ts": "2" },
    packages: { sharp: "1" },
    deno: "2.9.6",
    platform: "x86_64-unknown-linux-gnu",
  };
  assertSameCode(code, structuredClone(code));
  const differs = (other: Partial<CodeVersion>, message: RegExp) =>
    assert.throws(() => assertSameCode(code, { ...code, ...other }), message);
  differs({ deno: "3.0.0" }, /another one: the run uses Deno 2\.9\.6, the worker 3\.0\.0\. Upd/);
  differs({ platform: "aarch64-apple-darwin" }, /the worker on aarch64-apple-darwin/);
  differs({ packages: { sharp: "2" } }, /one: sharp differs from the run's/);
  differs({ modules: { "a.ts": "3", "c.ts": "1" } }, /one: a\.ts, b\.ts, c\.ts differ from/);
});

Deno.test("a pipeline's address of Redis is checked before anything runs, and not printed", async () => {
  await using project = await Project.make();
  const said = await project.mistakes(
    "bullmq: { redis: 'http://:s3cret@host' }\nstages: { count: }",
  );
  assert.equal(
    said,
    "pipeline.yaml:1:18: bullmq.redis: expected redis://host:6379 or, with TLS, " +
      "rediss://user:password@host:6379",
  );
});
