import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { analysis } from "../../../faces/serving/api.ts";
import { MAX_FRAME_BYTES } from "../../../faces/serving/live.ts";
import { children, drawnFace, startService } from "./fixture.ts";

type Answer = { frame: number; faces?: unknown[]; error?: { code: string } };

/** A client of the live view. */
async function connect(url: string) {
  const socket = new WebSocket(new URL("/live", url.replace("http", "ws")));
  socket.binaryType = "arraybuffer";
  const answers: Answer[] = [];
  let arrived = Promise.withResolvers<void>();
  socket.addEventListener("message", ({ data }) => {
    answers.push(JSON.parse(data));
    arrived.resolve();
    arrived = Promise.withResolvers();
  });
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("the live view does not open")));
  });
  return {
    socket,
    answers,
    closed,
    send(frame: number, picture: Uint8Array) {
      const message = new Uint8Array(4 + picture.length);
      new DataView(message.buffer).setUint32(0, frame);
      message.set(picture, 4);
      socket.send(message);
    },
    async answer(frame: number): Promise<Answer> {
      for (;;) {
        const found = answers.find((answer) => answer.frame === frame);
        if (found) return found;
        await arrived.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      if (socket.readyState === WebSocket.OPEN) socket.close();
      await closed;
    },
  };
}

/** A request for a WebSocket, as bytes. */
function handshake(host: string, ...headers: string[]): Uint8Array {
  return new TextEncoder().encode([
    "GET /live HTTP/1.1",
    `Host: ${host}`,
    ...headers,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\n",
  ].join("\r\n"));
}

Deno.test("the live view", async (t) => {
  await using server = await startService({ viewers: 2, timeoutSeconds: 600 });
  const face = await drawnFace();
  /** Waits until the metrics have a line. */
  const until = async (line: string) => {
    const metrics = async () => await (await server.get("/metrics")).text();
    while (!(await metrics()).includes(`\n${line}\n`)) await delay(20);
  };

  await t.step("answers a frame with its faces", async () => {
    await using client = await connect(server.url);
    client.send(7, face);
    const answer = await client.answer(7);
    const { faces, width } = analysis.parse(answer);
    assert.equal(faces.length, 1);
    assert.equal(width, 256);
  });

  await t.step({
    name: "a newer frame replaces one that waits",
    ignore: Deno.build.os === "windows",
    async fn() {
      await using client = await connect(server.url);
      const replaced = async () => {
        const metrics = await (await server.get("/metrics")).text();
        return Number(
          /faces_live_frames_total\{outcome="replaced"\} (\d+)/.exec(metrics)?.[1] ?? 0,
        );
      };
      const [worker] = await children();
      Deno.kill(worker, "SIGSTOP"); // with the first frame
      for (let frame = 1; frame <= 40; frame++) client.send(frame, face);
      while (await replaced() < 38) await delay(20);
      Deno.kill(worker, "SIGCONT");
      await client.answer(40);
      assert.deepEqual(client.answers.map(({ frame }) => frame), [1, 40]);
    },
  });

  await t.step("reports what is no image, and continues", async () => {
    await using client = await connect(server.url);
    client.send(1, new TextEncoder().encode("nothing to see"));
    assert.equal((await client.answer(1)).error?.code, "unreadable");
    client.send(2, face.subarray(0, 500));
    assert.equal((await client.answer(2)).error?.code, "unreadable");
    client.send(3, face);
    assert.equal((await client.answer(3)).faces?.length, 1);
  });

  await t.step("disconnects a client that sends anything else, or too much", async () => {
    const cases: [string | Uint8Array<ArrayBuffer>, number][] = [
      ["hello", 1003],
      [new Uint8Array(3), 1003],
      [new Uint8Array(MAX_FRAME_BYTES + 1), 1009],
    ];
    for (const [message, code] of cases) {
      await using client = await connect(server.url);
      client.socket.send(message);
      assert.equal((await client.closed).code, code);
    }
  });

  await t.step("disconnects a client that does not answer the close of its view", async () => {
    const { host, port } = new URL(server.url);
    using connection = await Deno.connect({ port: Number(port) });
    await connection.write(handshake(host));
    const buffer = new Uint8Array(1024);
    await connection.read(buffer);
    await until("faces_live_viewers 1");
    const hello = [104, 101, 108, 108, 111];
    await connection.write(Uint8Array.of(0x81, 0x85, 0, 0, 0, 0, ...hello)); // a text, masked by 0
    await until("faces_live_viewers 0");
  });

  await t.step({
    name: "the waiting frame of a client that left is not analyzed",
    ignore: Deno.build.os === "windows",
    async fn() {
      await using first = await connect(server.url);
      const [worker] = await children();
      Deno.kill(worker, "SIGSTOP");
      first.send(1, face);
      await until("faces_queue_running 1");
      {
        await using second = await connect(server.url);
        second.send(2, face);
        await until("faces_queue_waiting 1");
      }
      await until("faces_queue_waiting 0");
      Deno.kill(worker, "SIGCONT");
      assert.equal((await first.answer(1)).faces?.length, 1);
      assert.deepEqual(server.warnings, []);
    },
  });

  await t.step("limits the number of viewers", async () => {
    await using _first = await connect(server.url);
    await using _second = await connect(server.url);
    await assert.rejects(connect(server.url), /does not open/);
    assert.match(await (await server.get("/metrics")).text(), /^faces_live_viewers 2$/m);
  });

  await t.step("426 without WebSocket, 403 from another page", async () => {
    const plain = await server.get("/live");
    assert.equal(plain.status, 426);
    assert.match(await plain.text(), /WebSockets only\. Send a photo to \/predict\./);
    const port = Number(new URL(server.url).port);
    using connection = await Deno.connect({ port });
    await connection.write(handshake(`127.0.0.1:${port}`, "Origin: http://evil.example"));
    const buffer = new Uint8Array(1024);
    const count = await connection.read(buffer) ?? 0;
    assert.match(new TextDecoder().decode(buffer.subarray(0, count)), /^HTTP\/1\.1 403/);
  });

  await t.step("stopping closes it with a code", async () => {
    const stopping = await startService({ models: ["gender"] });
    const client = await connect(stopping.url);
    client.send(1, face);
    await client.answer(1);
    await stopping[Symbol.asyncDispose]();
    assert.equal((await client.closed).code, 1001);
  });
});
