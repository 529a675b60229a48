/**
 * The state of a training after an epoch, in one file: a header in JSON and the numbers after it,
 * in the layout of safetensors (https://huggingface.co/docs/safetensors), which Python reads too.
 */

/** Named arrays, and what else there is to remember. */
export interface Checkpoint<State> {
  state: State;
  arrays: Record<string, Float32Array>;
}

/** The file is there as a whole or not at all: it is written aside, then renamed. */
export async function writeCheckpoint<State>(
  path: string,
  { state, arrays }: Checkpoint<State>,
): Promise<void> {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { state: JSON.stringify(state) } };
  for (const [name, { length, byteLength }] of Object.entries(arrays)) {
    header[name] = { dtype: "F32", shape: [length], data_offsets: [end, end += byteLength] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(text.length / 8) * 8; // keeps the numbers aligned
  const bytes = new Uint8Array(start + end).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(text, 8);
  const numbers = new Float32Array(bytes.buffer, start);
  let at = 0;
  for (const array of Object.values(arrays)) {
    numbers.set(array, at);
    at += array.length;
  }
  const aside = `${path}.part`;
  await Deno.writeFile(aside, bytes);
  await Deno.rename(aside, path);
}

/** The checkpoint, or undefined if there is none. */
export async function readCheckpoint<State>(path: string): Promise<Checkpoint<State> | undefined> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
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
  return { state: JSON.parse(__metadata__.state), arrays };
}
