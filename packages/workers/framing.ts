/**
 * Frames between processes: JSON, and bytes beside it.
 *
 *     4 bytes  length of the JSON, little-endian
 *     4 bytes  length of the bytes
 *     the JSON, in UTF-8; the bytes
 */
import { Buffer } from "node:buffer";

export interface Frame {
  readonly message: unknown;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const HEADER = 8;
/** Maximum length of a part; a larger one means a corrupt stream. */
const MAX_LENGTH = 2 ** 30;
/** Number of bytes of a corrupt stream that its error shows. */
const SHOWN = 40;
const none = new Uint8Array();

export function encodeFrame(message: unknown, bytes: Uint8Array = none): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(message));
  const frame = new Uint8Array(HEADER + json.length + bytes.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, json.length, true);
  view.setUint32(4, bytes.length, true);
  frame.set(json, HEADER);
  frame.set(bytes, HEADER + json.length);
  return frame;
}

/** Decodes the frames of a stream, independent of its chunks. Drops an incomplete last frame. */
export async function* decodeFrames(
  stream: AsyncIterable<Uint8Array<ArrayBuffer>>,
  maxLength = MAX_LENGTH,
): AsyncGenerator<Frame> {
  const decoder = new TextDecoder();
  /** Chunks of an incomplete frame; joined once when it is complete, which keeps large ones cheap. */
  let parts: Uint8Array<ArrayBuffer>[] = [], there = 0, wanted = HEADER;
  for await (const part of stream) {
    parts.push(part);
    there += part.length;
    if (there < wanted) continue;
    const data = parts.length === 1 ? parts[0] : Buffer.concat(parts, there);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    let at = 0;
    wanted = HEADER;
    while (data.length - at >= HEADER) {
      const json = view.getUint32(at, true), bytes = view.getUint32(at + 4, true);
      if (json > maxLength || bytes > maxLength) {
        const claims = `it claims ${json} and ${bytes} bytes, at most ${maxLength} are read`;
        const start = JSON.stringify(decoder.decode(data.subarray(at, at + SHOWN)));
        throw new Error(
          `Cannot read a message: ${claims}. Standard output is for messages alone, and has ${start}.`,
        );
      }
      wanted = HEADER + json + bytes;
      if (data.length - at < wanted) break;
      const body = at + HEADER, end = at + wanted;
      yield {
        message: JSON.parse(decoder.decode(data.subarray(body, body + json))),
        bytes: new Uint8Array(data.subarray(body + json, end)),
      };
      at = end;
      wanted = HEADER;
    }
    parts = at < data.length ? [data.subarray(at)] : [];
    there = data.length - at;
  }
}
