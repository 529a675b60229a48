/** Files that are damaged in every way that a power cut, a full disk or a bad sector damages them. */
import assert from "node:assert/strict";
import { join } from "node:path";

/** How it is damaged → the damaged bytes. */
export function damagesOf(bytes: Uint8Array): Record<string, Uint8Array> {
  const changed = (at: number) => bytes.map((byte, i) => i === at ? byte ^ 4 : byte);
  return {
    empty: new Uint8Array(),
    cut: bytes.slice(0, bytes.length / 2),
    "without its last byte": bytes.slice(0, -1),
    longer: Uint8Array.from({ length: bytes.length + 1 }, (_, i) => bytes[i] ?? 0),
    zeros: new Uint8Array(bytes.length),
    "zeros at the end": bytes.map((byte, i) => i > bytes.length / 2 ? 0 : byte),
    "a header that is flipped": changed(3),
    "a number that is changed": changed(bytes.length - 2),
    "its middle flipped": changed(bytes.length >> 1),
  };
}

/**
 * Damages every file that an interrupted attempt left, in every way, and goes on each time.
 * @param folder what it left
 * @param resume goes on; what it returns must be `whole`, and tell of what was removed
 */
export async function damageEach<T>(
  folder: string,
  whole: T,
  resume: () => Promise<{ made: T; infos: readonly string[] }>,
): Promise<void> {
  const files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (isFile) files.set(name, Deno.readFileSync(join(folder, name)));
  }
  assert.ok(files.size > 0);
  for (const [damaged, bytes] of files) {
    for (const [how, written] of Object.entries(damagesOf(bytes))) {
      for (const { name } of [...Deno.readDirSync(folder)]) {
        await Deno.remove(join(folder, name), { recursive: true });
      }
      for (const [name, text] of files) {
        await Deno.writeFile(join(folder, name), name === damaged ? written : text);
      }
      const { made, infos } = await resume();
      assert.deepEqual(made, whole, `${damaged}, ${how}`);
      assert.ok(
        infos.some((line) => / of an interrupted attempt is damaged; it is removed/.test(line)),
        `${damaged}, ${how}: ${infos.join()}`,
      );
    }
  }
}
