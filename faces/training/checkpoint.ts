/**
 * Checkpoint of a training after an epoch, in one file: a JSON header followed by the arrays, in
 * the safetensors format (https://huggingface.co/docs/safetensors).
 *
 * The header begins with a SHA-256 of the whole file, taken with 64 zeros in its own place.
 */
import { disk, moveDurably } from "../../packages/pipeline/durable.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { ignoreNotFound } from "../../packages/pipeline/paths.ts";
import { removeDamaged } from "../../packages/pipeline/state.ts";

/** Header bytes before the checksum. */
const BEFORE = '{"__metadata__":{"sha256":"';
const CHECKSUM = { from: 8 + BEFORE.length, to: 8 + BEFORE.length + 64 };

/** Named arrays and JSON state. */
export interface Checkpoint<State> {
  state: State;
  arrays: Record<string, Float32Array>;
}

/** Writes a checkpoint, replacing the previous one atomically. */
export async function writeCheckpoint<State>(path: string, { state, arrays }: Checkpoint<State>) {
  let end = 0;
  const header: Record<string, unknown> = {
    __metadata__: { sha256: "0".repeat(64), state: JSON.stringify(state, nanToText) },
  };
  for (const [name, { length, byteLength }] of Object.entries(arrays)) {
    header[name] = { dtype: "F32", shape: [length], data_offsets: [end, end += byteLength] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(text.length / 8) * 8; // aligns the arrays
  const bytes = new Uint8Array(start + end).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(text, 8);
  const numbers = new Float32Array(bytes.buffer, start);
  let at = 0;
  for (const array of Object.values(arrays)) {
    numbers.set(array, at);
    at += array.length;
  }
  const sum = sha256(bytes);
  bytes.set(new TextEncoder().encode(sum), CHECKSUM.from);
  const aside = `${path}.part`;
  await disk.write(aside, bytes);
  await moveDurably(aside, path);
}

/**
 * Reads a checkpoint.
 * @param info logs the removal of a damaged checkpoint
 * @returns undefined if there is none
 */
export async function readCheckpoint<State>(
  path: string,
  info: (message: string) => void = () => {},
): Promise<Checkpoint<State> | undefined> {
  const bytes = await Deno.readFile(path).catch(ignoreNotFound);
  if (bytes === undefined) return undefined;
  const { from, to } = CHECKSUM;
  const sum = new TextDecoder().decode(bytes.subarray(from, to));
  bytes.fill(0x30, from, to);
  if (sha256(bytes) !== sum) {
    await removeDamaged(path, info);
    return undefined;
  }
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const { __metadata__, ...tensors } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, start)),
  );
  const arrays: Record<string, Float32Array> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    const [from, to] = (tensor as { data_offsets: [number, number] }).data_offsets;
    arrays[name] = new Float32Array(bytes.buffer, start + from, (to - from) / 4);
  }
  return { state: JSON.parse(__metadata__.state, textToNan), arrays };
}

/** JSON has no NaN, which a metric without labels is. */
const nanToText = (_: string, value: unknown) => Number.isNaN(value) ? "NaN" : value;
const textToNan = (_: string, value: unknown) => value === "NaN" ? NaN : value;
