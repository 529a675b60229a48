import type { z } from "zod";

/**
 * Reads a JSON file and checks its shape.
 * @param wayOut ends the error message: a sentence without its full stop
 * @example
 * ```ts
 * import { z } from "zod";
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, '{"epochs": 3}');
 * const { epochs } = await readJson(path, z.looseObject({ epochs: z.number() }), "Make it again");
 * ```
 */
export async function readJson<T>(path: string, shape: z.ZodType<T>, wayOut: string): Promise<T> {
  const fail = (why: string, cause?: unknown) =>
    new Error(`Cannot read ${JSON.stringify(path)}: ${why}. ${wayOut}.`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw fail("it is damaged (not valid JSON)", cause);
    throw fail((cause as Error).message, cause);
  }
  const { data, error } = shape.safeParse(value);
  if (!error) return data;
  throw fail(`it is damaged at "${error.issues[0]!.path.join(".")}"`);
}
