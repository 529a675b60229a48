import assert from "node:assert/strict";
import { decodeFrames, encodeFrame } from "../../../packages/workers/framing.ts";

async function* cut(bytes: Uint8Array<ArrayBuffer>, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

Deno.test("decodeFrames() gives what encodeFrame() was given, however the stream is cut", async () => {
  const sent = [
    { message: { ö: [1, null, "x"] }, bytes: new Uint8Array([1, 2, 3]) },
    { message: null, bytes: new Uint8Array() },
    { message: "a".repeat(300), bytes: new Uint8Array(1000).fill(7) },
  ];
  const parts = sent.map(({ message, bytes }) => [...encodeFrame(message, bytes)]);
  const stream = Uint8Array.from(parts.flat());
  for (const size of [1, 2, 7, 8, 9, 100, 1200, 10_000]) {
    assert.deepEqual(await Array.fromAsync(decodeFrames(cut(stream, size))), sent, `by ${size}`);
  }
  const cutShort = decodeFrames(cut(stream.slice(0, -1), 50));
  assert.deepEqual(await Array.fromAsync(cutShort), sent.slice(0, -1));
});

Deno.test("decodeFrames() refuses a length that is none of ours", async () => {
  const wild = new Uint8Array(16).fill(0xff);
  await assert.rejects(Array.fromAsync(decodeFrames(cut(wild, 16))), /claims 4294967295/);
});
