import { rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { readMetrics } from "../../faces/evaluation/score_model.ts";
import { readRecord } from "../../faces/training/training_record.ts";

Deno.test("damaged metrics.json and training.json are errors with file and way out", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (
      const [name, read, way] of [
        ["metrics.json", readMetrics, /Evaluate again: .*verify/],
        ["training.json", readRecord, /Train the model again: .*verify/],
      ] as const
    ) {
      const path = join(folder, name);
      const whole = '{"models": {"a": {"task": "age", "metric": "mae", "test": {}}}';
      for (const text of ["", "null", "[]", "{}", "5", whole, '{"models": {"a": null}}', "\0\0"]) {
        await Deno.writeTextFile(path, text);
        await rejects(read(folder), ({ message }: Error) => {
          strictEqual(
            message.startsWith(`Cannot read ${JSON.stringify(path)}: it is damaged`),
            true,
          );
          return way.test(message);
        }, text);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
