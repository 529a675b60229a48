import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { concatAll } from "../../../packages/formats/protobuf.ts";
import { crc32c } from "../../../packages/formats/tfevents.ts";
import type { EpochRecord } from "../../../faces/training/training_record.ts";
import { history, writeCase } from "./tensorboard_case.ts";
import read from "./tensorboard_read.json" with { type: "json" };

/** The command of a Python that has TensorBoard, if there is one. */
const python = await findPython();

Deno.test("crc32c() agrees with the examples of RFC 3720", () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
});

Deno.test("concatAll() takes more parts than a call may have arguments", () => {
  assert.equal(concatAll(new Array(300_000).fill(Uint8Array.of(1, 2))).length, 600_000);
});

Deno.test("writeTensorboard() writes the bytes that TensorBoard was seen to read", async () => {
  await withCase(async (folder) => {
    for (const [run, { file, bytes }] of Object.entries(read.runs)) {
      const written = await Deno.readFile(join(folder, "tensorboard", run, file));
      assert.equal(written.toBase64(), bytes, run);
    }
  });
  checkRead(read);
});

Deno.test({
  name: "TensorBoard reads what writeTensorboard() writes" +
    (python ? "" : " (skipped: no Python here has the package tensorboard)"),
  ignore: python === undefined,
  fn: () =>
    withCase(async (folder) => {
      const script = fileURLToPath(new URL("./tensorboard_read.py", import.meta.url));
      const { success, stdout, stderr } = await new Deno.Command(python!, {
        args: [script, folder],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      checkRead(JSON.parse(new TextDecoder().decode(stdout)));
    }),
});

/** What TensorBoard read is the history, in the places where Keras puts it. */
function checkRead({ runs }: Pick<typeof read, "runs">): void {
  assert.deepEqual(Object.keys(runs), ["train", "validation"]);
  const expect = (
    scalars: Record<string, unknown>,
    expected: Record<string, keyof EpochRecord>,
  ) => {
    assert.deepEqual(Object.keys(scalars).sort(), Object.keys(expected).sort());
    for (const [tag, column] of Object.entries(expected)) {
      assert.deepEqual(scalars[tag], {
        plugin: "scalars",
        steps: history.map(({ epoch }) => epoch - 1),
        times: history.map(({ epoch }) => epoch),
        values: history.map((record) => Math.fround(record[column])),
      });
    }
  };
  expect(runs.train.scalars, {
    epoch_loss: "loss",
    epoch_accuracy: "metric",
    epoch_learning_rate: "learning_rate",
  });
  expect(runs.validation.scalars, { epoch_loss: "val_loss", epoch_accuracy: "val_metric" });
}

async function withCase(check: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tensorboard-" });
  try {
    await writeCase(folder);
    await check(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function findPython(): Promise<string | undefined> {
  for (const command of [Deno.env.get("PYTHON"), "python3", "python"]) {
    if (!command) continue;
    const args = ["-c", "import tensorboard.backend.event_processing.event_accumulator"];
    try {
      const options = { args, stdout: "null", stderr: "null" } as const;
      if ((await new Deno.Command(command, options).output()).success) return command;
    } catch { // there is no such command
      continue;
    }
  }
  return undefined;
}
