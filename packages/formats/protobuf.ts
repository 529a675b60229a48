/**
 * Protocol buffers, as far as the formats here need them: messages are written as their fields, one
 * after the other. https://protobuf.dev/programming-guides/encoding/
 */

/** A whole number, at least 0 (int32, int64, enum, bool). */
export function integer(field: number, value: number): Uint8Array {
  return concat(key(field, 0), varint(value));
}

/** Several of them in one field (packed). */
export function integers(field: number, values: readonly number[]): Uint8Array {
  return message(field, concat(...values.map(varint)));
}

/** A float64 (double). */
export function double(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return concat(key(field, 1), bytes);
}

/** A float32 (float). */
export function float(field: number, value: number): Uint8Array {
  return concat(key(field, 5), float32(value));
}

/** A message inside a message, or bytes. */
export function message(field: number, bytes: Uint8Array): Uint8Array {
  return concat(key(field, 2), varint(bytes.length), bytes);
}

/** A text (string). */
export function text(field: number, value: string): Uint8Array {
  return message(field, new TextEncoder().encode(value));
}

/** The four bytes of a float32. */
export function float32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return bytes;
}

/** Bytes one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** A field's number and how its value is written. */
function key(field: number, wireType: number): Uint8Array {
  return varint((field << 3) | wireType);
}

function varint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Cannot write ${value} as a protocol buffer's whole number.`);
  }
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.of(...bytes, rest);
}
