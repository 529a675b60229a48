/**
 * Writes protocol buffers: a message is the concatenation of its fields.
 * https://protobuf.dev/programming-guides/encoding/
 */
/** Encodes an integer (int32, int64, enum, bool). */
export function integer(field: number, value: number): Uint8Array {
  return concat(key(field, 0), varint(value));
}

/** Encodes several in one field (packed). */
export function integers(field: number, values: readonly number[]): Uint8Array {
  return message(field, concat(...values.map(varint)));
}

/** Encodes a float64 (double). */
export function double(field: number, value: number): Uint8Array {
  return concat(key(field, 1), bytesOf(Float64Array.of(value)));
}

/** Encodes a float32 (float). */
export function float(field: number, value: number): Uint8Array {
  return concat(key(field, 5), bytesOf(Float32Array.of(value)));
}

/** Encodes an embedded message, or bytes. */
export function message(field: number, bytes: Uint8Array): Uint8Array {
  return concat(key(field, 2), varint(bytes.length), bytes);
}

/** Encodes a string. */
export function text(field: number, value: string): Uint8Array {
  return message(field, new TextEncoder().encode(value));
}

/** Returns the bytes of numbers, little-endian as all processors that Deno and browsers run on. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Concatenates bytes, in browsers as well. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concatAll(parts);
}

/** As `concat`, of more parts than a call may have arguments. */
export function concatAll(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => (bytes.set(part, offset), offset + part.length), 0);
  return bytes;
}

function key(field: number, wireType: number): Uint8Array {
  return varint((field << 3) | wireType);
}

function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`Cannot encode ${value} in a protocol buffer: it is no safe integer.`);
  }
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value)); // negative ones take ten bytes
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}
