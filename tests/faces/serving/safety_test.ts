import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { random } from "../../../packages/random/random.ts";
import { InferencePool } from "../../../faces/serving/inference_pool.ts";
import { Problem } from "../../../faces/serving/problem.ts";
import { listen } from "../../../faces/serving/server.ts";
import { children, drawnFace, preprocessing, startService, writeModel } from "./fixture.ts";

Deno.test({
  name: "a full queue: 429 with Retry-After, the others are answered",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using server = await startService({ models: ["gender"], queue: 2, timeoutSeconds: 600 });
    const face = await drawnFace();
    const [worker] = await children();
    Deno.kill(worker, "SIGSTOP"); // it takes nothing from the queue
    const refused: number[] = [], all = Promise.withResolvers<void>();
    const answers = Array.from({ length: 12 }, async () => {
      const response = await server.predict(face.slice(), "image/png");
      await response.body?.cancel();
      if (response.status === 429) refused.push(Number(response.headers.get("retry-after")));
      if (refused.length === 9) all.resolve();
      return response.status;
    });
    await all.promise;
    Deno.kill(worker, "SIGCONT");
    assert.ok(refused.every((seconds) => seconds >= 1));
    const served = (await Promise.all(answers)).filter((status) => status === 200);
    assert.equal(served.length, 3); // two in the queue, one in work
  },
});

/** Returns a pool with a timeout that every photo exceeds. @param path of its model */
async function slowPool(path: string, warn: (message: string) => void) {
  await writeModel(path, "gender");
  const { detector } = preprocessing;
  const choice = { ...detector, name: "tinyFaceDetector" } as const;
  return new InferencePool({
    backend: "wasm",
    models: [{
      id: "gender",
      error: 0,
      path,
      preprocessing,
      detectors: { photo: choice, live: choice },
    }],
  }, { workers: 1, queue: 4, timeout: 0.001, warn });
}

Deno.test("a worker that exceeds the timeout is replaced", async () => {
  const path = await Deno.makeTempDir(), warnings: string[] = [];
  const pool = await slowPool(path, (message) => void warnings.push(message));
  try {
    await pool.open();
    const photo = await drawnFace();
    const ask = () => pool.analyze(photo.slice(), { view: "photo", crops: false });
    const late = await Promise.allSettled([ask(), ask()]);
    assert.ok(late.every(({ status }) => status === "rejected"));
    const { reason } = late[0] as PromiseRejectedResult;
    assert.ok(reason instanceof Problem && reason.code === "too_slow");
    assert.match(warnings[0], /took more than 0.001 s.*replaced/);
    while (pool.status !== "ready") await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    await pool.close();
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("a worker that cannot be replaced at once leaves the service, which warns", async () => {
  const path = await Deno.makeTempDir(), { Command } = Deno;
  const { promise: warned, resolve } = Promise.withResolvers<string>();
  const pool = await slowPool(path, (message) => /Cannot start/.test(message) && resolve(message));
  const refuse = () => {
    Deno.Command = class extends Command {
      override spawn(): never {
        throw new Deno.errors.WouldBlock("Resource temporarily unavailable");
      }
    };
  };
  try {
    await pool.open();
    refuse();
    const photo = await drawnFace();
    await assert.rejects(pool.analyze(photo, { view: "photo", crops: false }), /took more than/);
    assert.match(
      await warned,
      /^Cannot start a worker \(Resource temporarily unavailable\); retry/,
    );
    assert.equal(pool.status, "stopping");
    await pool.close();
    const other = await slowPool(path, () => {});
    await assert.rejects(other.open(), /Resource temporarily unavailable/);
  } finally {
    Deno.Command = Command;
    await pool.close();
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("a slow upload times out: 408", async () => {
  await using server = await startService({ models: ["gender"], timeoutSeconds: 1 });
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

Deno.test("clients that disconnect halfway cause no internal error", async () => {
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

Deno.test({
  name: "the waiting photo of a client that left is not analyzed, and is no internal error",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using server = await startService({ models: ["gender"], timeoutSeconds: 600 });
    const face = await drawnFace(), left = new AbortController();
    const until = async (line: string) => {
      const metrics = async () => await (await server.get("/metrics")).text();
      while (!(await metrics()).includes(`\n${line}\n`)) await delay(50);
    };
    const [worker] = await children();
    Deno.kill(worker, "SIGSTOP"); // it takes nothing from the queue
    const first = server.predict(face.slice(), "image/png");
    await until("faces_queue_running 1");
    const init = { method: "POST", body: face.slice(), signal: left.signal };
    const others = Promise.allSettled([1, 2].map(() => server.get("/predict", init)));
    await until("faces_queue_waiting 2");
    left.abort();
    await until("faces_queue_waiting 0");
    Deno.kill(worker, "SIGCONT");
    const response = await first;
    await response.body?.cancel();
    await others;
    assert.equal(response.status, 200);
    assert.deepEqual(server.warnings, []);
  },
});

Deno.test("many large uploads are refused before they fill the memory", async () => {
  await using server = await startService({
    models: ["gender"],
    maxBodyMegabytes: 2,
    timeoutSeconds: 600,
  });
  // Sixteen clients that have sent most of 2 MB and keep the rest: eight times 2 MB are too much.
  const gone = new AbortController(), refused = Promise.withResolvers<void>();
  const clients = Array.from({ length: 16 }, async () => {
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 19; i++) controller.enqueue(new Uint8Array(100_000));
      },
    });
    const headers = { "content-type": "image/png" };
    const init = { method: "POST", body, headers, signal: gone.signal };
    const response = await server.get("/predict", init).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.status === 429) refused.resolve();
  });
  await refused.promise;
  gone.abort();
  await Promise.all(clients);
  // All is given back, once the server learns that they are gone.
  const status = async () => {
    const response = await server.predict(await drawnFace(), "image/png");
    await response.body?.cancel();
    return response.status;
  };
  let last = await status();
  while (last === 429) last = await status();
  assert.equal(last, 200);
});

Deno.test("thousands of malformed requests: it answers, and its memory does not grow", async () => {
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

const windows = { ignore: Deno.build.os === "windows" };

Deno.test(
  "stop() during analyses answers each with 200 or 503, and frees the port",
  windows,
  async () => {
    const server = await startService({ models: ["gender"] });
    const face = await drawnFace();
    const [worker] = await children();
    Deno.kill(worker, "SIGSTOP");
    const under = Promise.all(
      Array.from({ length: 5 }, async () => {
        const response = await server.predict(face.slice(), "image/png");
        await response.body?.cancel();
        return response.status;
      }),
    );
    const inside = async () => {
      const text = await (await server.get("/metrics")).text();
      return [...text.matchAll(/^faces_queue_\w+ (\d+)$/gm)].reduce(
        (sum, [, n]) => sum + Number(n),
        0,
      );
    };
    while (await inside() < 5);
    Deno.kill(worker, "SIGCONT");
    await server[Symbol.asyncDispose]();
    for (const status of await under) assert.ok([200, 503].includes(status), `${status}`);
    await assert.rejects(server.get("/health"), TypeError);
    const { port } = new URL(server.url);
    Deno.listen({ hostname: "127.0.0.1", port: Number(port) }).close();
  },
);

/** Sends bytes over a connection of its own; returns what comes until the server closes it. */
async function raw(url: string, text: string): Promise<string> {
  using connection = await Deno.connect({ port: Number(new URL(url).port) });
  await connection.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(65_536);
  let answer = "";
  for (let n; (n = await connection.read(buffer).catch(() => null)) !== null;) {
    answer += new TextDecoder().decode(buffer.subarray(0, n));
    if (answer.startsWith("HTTP/1.1 101")) break;
  }
  return answer;
}

const head = (host: string, ...more: string[]) =>
  ["GET /live HTTP/1.1", ...host === "" ? [] : [`Host: ${host}`], "Connection: close", ...more]
    .join("\r\n") + "\r\n\r\n";

Deno.test("a malformed Host is answered with 400 and in JSON", async () => {
  await using server = await startService({ models: ["gender"] });
  const { host } = new URL(server.url);
  const wrong = [" ", "", "a b", `u@${host}`, `u:p@${host}`, "127.0.0.1:99999", "127.0.0.1:x"];
  wrong.push("[::1", "::1", "[zz]", "é", "a".repeat(5000), `${host}/x`, `${host}?`, `${host}#`);
  wrong.push("a\\b", "%31", "localhost,localhost", "127.0.0.1:");
  for (const name of wrong) {
    const answer = await raw(server.url, head(name));
    assert.match(answer, /^HTTP\/1\.1 400 /, name);
    assert.match(answer, /"code":"malformed_host"/, name);
  }
  assert.match(await raw(server.url, head(`${host}\r\nHost: ${host}`)), /^HTTP\/1\.1 400 /);
  const target = `GET http://evil.example/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  assert.match(await raw(server.url, target), /^HTTP\/1\.1 400 /);
  for (const name of [host, "localhost:1", "[::1]", "127.9.9.9"]) {
    assert.match(await raw(server.url, head(name)), /^HTTP\/1\.1 426 /, name);
  }
  assert.deepEqual(server.warnings, []);
});

Deno.test("a malformed WebSocket handshake is answered with 400", async () => {
  await using server = await startService({ models: ["gender"], headMs: 5000 });
  const { host } = new URL(server.url);
  const good = [
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  const open = (lines: readonly string[]) =>
    raw(
      server.url,
      ["GET /live HTTP/1.1", `Host: ${host}`, "Upgrade: websocket", ...lines, "", ""].join("\r\n"),
    );
  assert.match(await open(good), /^HTTP\/1\.1 101 /);
  for (
    const wrong of ["Connection: close", "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: abc", ""]
  ) {
    for (const [i, line] of good.entries()) {
      const name = line.split(":")[0];
      if (wrong !== "" && !wrong.startsWith(`${name}:`)) continue;
      const lines = good.with(i, wrong === "" ? "X: y" : wrong);
      // The server keeps the connection open by default.
      const answer = await open([
        ...lines.filter((one) => one !== "X: y"),
        ...i > 0 ? ["Connection: close"] : [],
      ]);
      assert.match(answer, /^HTTP\/1\.1 400 /, lines.join());
      assert.match(answer, /"code":"malformed"/);
    }
  }
  assert.deepEqual(server.warnings, []);
});

Deno.test("a request's head that does not arrive times out, also the next one", async () => {
  const headMs = 1500;
  await using server = await startService({ models: ["gender"], headMs });
  assert.equal(await raw(server.url, "GET / HTTP/1.1\r\nHost: a\r\n"), "");
  const { host } = new URL(server.url);
  const first = `GET /health HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  assert.match(await raw(server.url, `${first}GET / HT`), /^HTTP\/1\.1 200 .*"ready"\}$/s);
  // A body may take longer than a head.
  const face = await drawnFace();
  const slow = new ReadableStream({
    async start(controller) {
      for (let at = 0; at < face.length; at += 10_000) {
        controller.enqueue(face.subarray(at, at + 10_000));
        await new Promise((resolve) => setTimeout(resolve, 20_000 * headMs / face.length));
      }
      controller.close();
    },
  });
  const response = await server.predict(slow, "image/png");
  assert.equal(response.status, 200, await response.text());
});

Deno.test("the port that requests are forwarded to answers no other process", async () => {
  await using server = await startService({ models: ["gender"] });
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `ls -l /proc/${Deno.pid}/fd; cat /proc/net/tcp`],
    stderr: "null",
  }).output();
  const { port } = new URL(server.url);
  const text = new TextDecoder().decode(stdout);
  // Other programs have servers, too.
  const own = new Set([...text.matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => inode));
  const sockets = text.matchAll(/ 0100007F:([\dA-F]{4}) \S+ 0A(?:\s+\S+){5}\s+(\d+)/g);
  const listening = [...sockets].filter(([, , inode]) => own.has(inode))
    .map(([, hex]) => String(parseInt(hex, 16)));
  assert.ok(Deno.build.os !== "linux" || listening.includes(port));
  for (const other of listening.filter((other) => other !== port)) {
    const answer = await fetch(`http://127.0.0.1:${other}/health`).catch(() => undefined);
    const text = await answer?.text();
    assert.ok(!text?.includes("ready"), `port ${other}: ${text}`);
  }
});

Deno.test("a server on the network accepts known names only", async () => {
  await using server = await startService({
    models: ["gender"],
    host: "0.0.0.0",
    names: ["Faces.example", "bücher.example"],
  });
  const wanted = ["10.1.2.3:80", "[fe80::1]", Deno.hostname(), "faces.EXAMPLE", "localhost"];
  wanted.push("xn--bcher-kva.example", "faces.example.:8000");
  for (const name of wanted) {
    assert.match(await raw(server.url, head(name)), /^HTTP\/1\.1 426 /, name);
  }
  for (const name of ["evil.example", "faces.example.evil.example", "1.2.3.4.evil.example"]) {
    const answer = await raw(server.url, head(name));
    assert.match(answer, /^HTTP\/1\.1 403 .*"code":"wrong_host".*webcamServe\.names/s, name);
  }
});

Deno.test("both sides of a connection send without delay: the end of a frame took 40 ms", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using known = await Deno.connect({ port: other.addr.port });
  const prototype = Object.getPrototypeOf(known), { setNoDelay } = prototype;
  const app = { fetch: () => new Response("here") };
  const server = listen(app, { host: "127.0.0.1", port: 0, connections: 1, warn: () => {} });
  const port = Number(new URL(server.urls[0]).port), sides: string[] = [];
  prototype.setNoDelay = function (this: Deno.TcpConn) {
    sides.push(this.localAddr.port === port ? "client" : "inner");
    return setNoDelay.call(this);
  };
  try {
    assert.equal(await (await fetch(server.urls[0])).text(), "here");
    assert.deepEqual(sides, ["client", "inner"]);
  } finally {
    prototype.setNoDelay = setNoDelay;
    await server.stop();
  }
});

Deno.test({
  name: "the URL of an IPv6 address has its brackets once",
  ignore: !Deno.networkInterfaces().some(({ address }) => address === "::1"),
  async fn() {
    for (const host of ["::1", "[::1]"]) {
      const app = { fetch: () => new Response("here") };
      const server = listen(app, { host, port: 0, connections: 1, warn: () => {} });
      try {
        assert.match(server.urls[0], /^http:\/\/\[::1\]:\d+$/);
        assert.equal(await (await fetch(server.urls[0])).text(), "here");
      } finally {
        await server.stop();
      }
    }
  },
});

Deno.test("a local server accepts listed names, as of a proxy, and no addresses", async () => {
  await using server = await startService({ models: ["gender"], names: ["faces.example"] });
  for (const name of ["faces.example", "localhost"]) {
    assert.match(await raw(server.url, head(name)), /^HTTP\/1\.1 426 /, name);
  }
  for (const name of ["evil.example", "10.1.2.3"]) {
    const answer = await raw(server.url, head(name));
    assert.match(answer, /^HTTP\/1\.1 403 .*local requests.*webcamServe\.names or deno/s, name);
  }
  // The page is opened elsewhere.
  assert.match(
    await (await server.get("/")).text(),
    /Photos are sent to the server, analyzed there/,
  );
});

/** Bodies of 20 MB that took seconds and gigabytes when they were parsed. */
Deno.test("a large body of many small things is refused without being parsed", async () => {
  await using server = await startService({ models: ["gender"], maxBodyMegabytes: 20 });
  const part = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n";
  const bodies: [string, string, RegExp][] = [
    ["[".repeat(19e6), "application/json", /not JSON as/],
    ['{"image":' + "[{},".repeat(4.5e6), "application/json", /not JSON as/],
    ['{"image":"x",' + '"a":1,'.repeat(3e6) + '"image":"x"}', "application/json", /not JSON as/],
    [part.repeat(380_000) + "--x--", "multipart/form-data; boundary=x", /more than 100 parts/],
    ["--x\r\n".repeat(3.9e6), "multipart/form-data; boundary=x", /cut short/],
    [" ".repeat(19e6), "text/plain", /Expected a data URL/],
  ];
  const before = Deno.memoryUsage().rss;
  let most = 0;
  const timer = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss - before), 5);
  for (const [body, type, message] of bodies) {
    const response = await server.predict(body, type);
    assert.match(await response.text(), message);
    assert.equal(response.status, 400);
  }
  clearInterval(timer);
  assert.ok(most < 500e6, `it took ${(most / 1e6).toFixed(0)} MB`);
});

// 7071 × 7071 pixels of one colour, an AVIF; padded, as one that is to look like a photo.
const flat = Uint8Array.fromBase64(
  "AAAAHGZ0eXBhdmlmAAAAAG1pZjFhdmlmbWlhZgAAANZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAA" +
    "AAAAAAAAAAACJpbG9jAAAAAERAAAEAAQAAAAAA+gABAAAAAAAAAvMAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAAB" +
    "AABhdjAxAAAAAA5waXRtAAAAAAABAAAAVmlwcnAAAAA4aXBjbwAAAAxhdjFDgT8CAAAAABRpc3BlAAAAAAAAG58AAB" +
    "ufAAAAEHBpeGkAAAAAAwgICAAAABZpcG1hAAAAAAAAAAEAAQOBAgMAAAL7bWRhdBIACgo/8zc9ueaQENBpMuIFERKE" +
    "xgmHnnnmgkAAAFjPzEUivi3WRIhWllKIgWCS1o1YtoUnli9sY44wKlFtdT8hSMsmXp9MhLWV5iaa1kztU3GNBJn4vE" +
    "uI8RsM1hOiDMpONWOXIlGT93s4w8CZ27+CuiIyyit+IFnPzFJekZ1/T11G2DHb3TPyZ9qssoR9t1GYkYLfdFUsZZcU" +
    "uITG5qcJHfo6XO1xZOwkykArMgw11UsnA5nqw4K0kIUBpkcEhDF+ZvTdZPlIr3Ikigbc6URPbZBaz8xSXpGdf09dRt" +
    "gx290z8mfarLKEfbdRmJGC33RVLGWXFLiExuanCR36OlztcWTsJMpAKunm8xVPahLnc55BLKBTZ16cF0oUXIdTFNuB" +
    "wkwEMEDqc9SxQpaTwFnPzFJekZ1/T11G2DHb3TPyZ9qssoR9t1GYkYLfdFUsZZcUuITG5qcJHfo6XO1xZOwkykArMg" +
    "w11UsnA5nqw4K0kIUBpkcEhDF+ZvTdZPlIr3Ikigbc6URPbZBaz8xSXpGdf09dRtgx290z8mfarLKEfbdRmJGC33RV" +
    "LGWXFLiExuanCR36OlztcWTsJMpAKunm8xVPahLnc55BLKBTZ16cF0oUXIdTFNuBwkwEMEDqc9SxQpaTwFnPzFJekZ" +
    "1/T11G2DHb3TPyZ9qssoR9t1GYkYLfdFUsZZcUuITG5qcJHfo6XO1xZOwkykArMgw11UsnA5nqw4K0kIUBpkcEhDF+" +
    "ZvTdZPlIr3Ikigbc6URPbZBYz8xSXpGdf09dRtgx290z8mfarLKEfbdRmJGC33RVLGWXFLiExuanCR36OlztcWTsJM" +
    "pAKunm8xVPahLnc55BLKBTZ16cF0oUXIdTFNuBwkwEMEDqc9SxQtDPzFJekZ1/T11G2DHb3TPyZ9qssoR9t1GYkYLf" +
    "dFUsZZcUuITG5qcJHfo6XO1xZOwkykArMgw11UsnA5nqw4K0kIUBpkcEhDF+ZvTdZPlIr3Ikigbc6URc",
);
const bomb = new Uint8Array(100_000);
bomb.set(flat);

Deno.test("too much memory or time kills the process, native code included", async () => {
  const face = await drawnFace();
  const cases: [number, number, RegExp][] = [
    [300, 400, /more than 600 MB/],
    [0.05, 504, /more than 0.05 s/], // too short for 600 MB
  ];
  for (const [timeout, status, message] of cases) {
    await using server = await startService({ models: ["gender"], timeoutSeconds: timeout });
    const [process] = await children();
    assert.ok(process);
    const response = await server.predict(bomb.slice(), "image/avif");
    assert.match(await response.text(), message);
    assert.equal(response.status, status);
    while ((await children()).includes(process)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // One that comes meanwhile waits for the next process.
    if (timeout < 1) continue;
    const next = await server.predict(face.slice(), "image/png");
    assert.equal(next.status, 200, await next.text());
  }
});
