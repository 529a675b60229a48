import assert from "node:assert/strict";
import { random } from "../../compute/random.ts";
import { TooSlow } from "../../serving/analyst.ts";
import { openPool } from "../../serving/pool.ts";
import { drawnFace, preprocessing, startService, writeModel } from "./fixture.ts";

Deno.test("a full queue: 429 says when to come back, the others are answered", async () => {
  await using server = await startService({ models: ["gender"], queue: 2 });
  const face = await drawnFace();
  const answers = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const response = await server.predict(face.slice(), "image/png");
      await response.body?.cancel();
      return { status: response.status, retry: response.headers.get("retry-after") };
    }),
  );
  const refused = answers.filter(({ status }) => status === 429);
  assert.ok(refused.length >= 1);
  assert.ok(refused.every(({ retry }) => Number(retry) >= 1));
  const served = answers.filter(({ status }) => status === 200);
  assert.ok(served.length >= 3);
  assert.equal(refused.length + served.length, 12);
});

Deno.test("a picture that takes too long costs its worker, which is replaced", async () => {
  const path = await Deno.makeTempDir();
  await writeModel(path, "gender");
  const { detector } = preprocessing;
  const choice = { ...detector, name: "tinyFaceDetector" } as const;
  const warnings: string[] = [];
  const pool = await openPool({
    backend: "wasm",
    detectors: { photo: choice, live: choice },
    models: [{ id: "gender", task: "gender", classes: [], error: 0, path, preprocessing }],
  }, { workers: 1, queue: 4, timeout: 0.001, warn: (message) => void warnings.push(message) });
  try {
    const photo = await drawnFace();
    const ask = () => pool.analyse(photo.slice(), { view: "photo", crops: false });
    const late = await Promise.allSettled([ask(), ask()]);
    assert.ok(late.every(({ status }) => status === "rejected"));
    assert.ok((late[0] as PromiseRejectedResult).reason instanceof TooSlow);
    assert.match(warnings[0], /took more than 0.001 s.*replaced/);
    while (!pool.ready) await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    pool.close();
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("a body that trickles in is given up: 408", async () => {
  await using server = await startService({ models: ["gender"], timeout: 1 });
  let timer: ReturnType<typeof setInterval> | undefined;
  const slow = new ReadableStream({
    start(controller) {
      timer = setInterval(() => controller.enqueue(new Uint8Array(10)), 200);
    },
    cancel: () => clearInterval(timer),
  });
  try {
    const response = await server.predict(slow, "image/png");
    assert.equal(response.status, 408);
    assert.match((await response.json()).error.message, /did not arrive within 1 s/);
  } finally {
    clearInterval(timer);
  }
});

Deno.test("clients that leave halfway are no error of ours", async () => {
  await using server = await startService({ models: ["gender"] });
  const port = Number(new URL(server.url).port);
  for (let i = 0; i < 50; i++) {
    using connection = await Deno.connect({ port });
    const head = `POST /predict HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
      "Content-Type: image/png\r\nContent-Length: 100000\r\n\r\nhalf";
    await connection.write(new TextEncoder().encode(head));
  }
  const response = await server.predict(await drawnFace(), "image/png");
  assert.equal(response.status, 200);
  await response.body?.cancel();
  assert.deepEqual(server.warnings, []);
});

Deno.test("a crowd with large pictures is turned away before it fills the memory", async () => {
  await using server = await startService({ models: ["gender"], maxBodyBytes: 2e6, timeout: 5 });
  // Sixteen clients that have sent most of 2 MB and keep the rest: eight times 2 MB are too much.
  // Some are turned away at once; their room is enough for the others, who run out of time.
  const clients = Array.from({ length: 16 }, async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 19; i++) controller.enqueue(new Uint8Array(100_000));
      },
    });
    const response = await server.predict(body, "image/png");
    await response.body?.cancel();
    return response.status;
  });
  const statuses = await Promise.all(clients);
  assert.deepEqual([...new Set(statuses)].sort(), [408, 429]);
  // All is given back.
  const response = await server.predict(await drawnFace(), "image/png");
  assert.equal(response.status, 200);
  await response.body?.cancel();
});

Deno.test("thousands of malformed requests: it answers, and its memory stays flat", async () => {
  await using server = await startService({ models: ["gender"], queue: 64 });
  const face = await drawnFace();
  const rng = random(11, "malformed");
  const types = [
    "image/png",
    "image/jpeg",
    "multipart/form-data; boundary=b",
    "application/json",
    "text/plain",
    "x/y",
    "",
  ];
  const long = "/" + "a".repeat(3000);
  const paths = ["/predict", "/predict?crops=true", "/model", "/live", "/%00", long];
  const statuses = new Set<number>();
  const one = async () => {
    const body = face.slice(0, 1 + rng.int(face.length));
    for (let i = rng.int(40); i > 0; i--) body[rng.int(body.length)] = rng.int(256);
    const method = rng.pick(["POST", "POST", "POST", "GET", "PUT"]);
    const response = await server.get(rng.pick(paths), {
      method,
      headers: { "content-type": rng.pick(types) },
      ...(method === "GET" ? {} : { body }),
    });
    statuses.add(response.status);
    assert.ok(response.status < 500 || response.status === 503, `${response.status}`);
    await response.body?.cancel();
  };
  const round = async (count: number) => {
    for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, one));
  };
  await round(400);
  const before = Deno.memoryUsage().rss;
  await round(1600);
  const grown = Deno.memoryUsage().rss - before;
  assert.ok(grown < 150e6, `memory grew by ${(grown / 1e6).toFixed(0)} MB`);
  for (const status of [200, 400, 404, 405, 415]) assert.ok(statuses.has(status), `no ${status}`);

  // What is not even HTTP, over bare connections.
  const port = Number(new URL(server.url).port);
  for (let i = 0; i < 300; i++) {
    using connection = await Deno.connect({ port });
    const junk = Uint8Array.from({ length: 1 + rng.int(300) }, () => rng.int(256));
    const head = rng.pick([
      "",
      "GET / HTTP/1.1\r\n",
      "POST /predict HTTP/1.1\r\nContent-Length: 9",
    ]);
    await connection.write(new TextEncoder().encode(head));
    await connection.write(junk).catch(() => {});
  }
  const response = await server.predict(face, "image/png");
  assert.equal(response.status, 200);
  assert.equal((await response.json()).faces.length, 1);
  assert.deepEqual(server.warnings, []);
});

Deno.test("stop() while pictures are under way answers them or says so, and frees the port", async () => {
  const server = await startService({ models: ["gender"] });
  const face = await drawnFace();
  const under = Promise.all(
    Array.from({ length: 5 }, async () => {
      const response = await server.predict(face.slice(), "image/png");
      await response.body?.cancel();
      return response.status;
    }),
  );
  await new Promise((resolve) => setTimeout(resolve, 30));
  await server[Symbol.asyncDispose]();
  for (const status of await under) assert.ok([200, 503].includes(status), `${status}`);
  await assert.rejects(server.get("/health"), TypeError);
  const { port } = new URL(server.url);
  Deno.listen({ hostname: "127.0.0.1", port: Number(port) }).close();
});
