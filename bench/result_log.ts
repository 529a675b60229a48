/** Log of results, one per line, from which an interrupted benchmark resumes. */

/** Key of a result; the order of its fields matters. */
export type Key = Record<string, unknown>;

export class ResultLog<Result> {
  readonly #results = new Map<string, Result>();
  readonly #path: string | undefined;

  /**
   * @param path of the file; undefined: nothing is written
   * @throws if a line of the file is invalid
   */
  constructor(path: string | undefined) {
    this.#path = path;
    const text = path === undefined ? "" : readIfThere(path);
    // What stands behind the last line break was being written when the bench was killed.
    const lines = text.split("\n").slice(0, -1);
    lines.forEach((line, i) => {
      try {
        const { key, result } = JSON.parse(line) as { key: Key; result: Result };
        if (key === undefined || result === undefined) throw new Error("it lacks key or result");
        this.#results.set(JSON.stringify(key), result);
      } catch (cause) {
        throw new Error(
          `Cannot read "${path}", line ${i + 1}: ${(cause as Error).message}. ` +
            "Remove the file, or name another with --keep.",
          { cause },
        );
      }
    });
    // A broken last line goes, or the next one would be written behind it.
    if (path !== undefined && !text.endsWith("\n") && text !== "") {
      Deno.writeTextFileSync(path, lines.map((line) => `${line}\n`).join(""));
    }
  }

  get(key: Key): Result | undefined {
    return this.#results.get(JSON.stringify(key));
  }

  add(key: Key, result: Result): void {
    this.#results.set(JSON.stringify(key), result);
    if (this.#path === undefined) return;
    Deno.writeTextFileSync(this.#path, `${JSON.stringify({ key, result })}\n`, { append: true });
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
