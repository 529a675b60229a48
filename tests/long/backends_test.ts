/**
 * One truth: whatever computes, a network gives the same outputs, gradients and steps, up to the
 * rounding of 32 bit floats. What TensorFlow.js's plain JavaScript gives is the reference. That is
 * kept in a file for the report's networks, which do not change any more; of the best network it is
 * computed, for one step, and the steps after it are compared with those of wasm.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Backend } from "../../packages/compute/backends.ts";
import { machine } from "../backends.ts";
import {
  type Account,
  account,
  cases,
  checkAccount,
  kept,
  tolerances,
  within,
} from "../faces/training/one_truth.ts";
import type { Testimony } from "../faces/training/one_truth_on.ts";

let best: Promise<Account> | undefined;
const references = async (): Promise<Record<string, Account>> => ({
  ...kept,
  best: await (best ??= account("cpu", cases.best, 1)),
});

async function testimony(backend: Backend, ours: string, theirs: string[]): Promise<Testimony> {
  await Deno.mkdir(ours, { recursive: true });
  const script = fileURLToPath(new URL("../faces/training/one_truth_on.ts", import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script, backend, ours, ...theirs],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

async function checkAccounts({ accounts, leaked }: Testimony, wasm: Testimony): Promise<void> {
  const reference = await references();
  assert.deepEqual(Object.keys(accounts), Object.keys(reference));
  for (const [name, told] of Object.entries(accounts)) {
    checkAccount(name, told, reference[name], wasm.accounts[name].losses);
  }
  assert.equal(leaked, 0, "tensors are left behind");
}

Deno.test("the reference is what cpu gives, and covers each network", async () => {
  assert.deepEqual([...Object.keys(kept), "best"], Object.keys(cases));
  const name = "age regression"; // the one with fewest operations
  const actual = await account("cpu", cases[name], 1);
  within(1e-6, actual.outputs, kept[name].outputs, "outputs");
  within(1e-6, actual.losses, kept[name].losses.slice(0, 1), "loss");
});

const folder = await Deno.makeTempDir({ prefix: "one-truth-" });
let first: Promise<Testimony> | undefined;
/** What wasm says, which every machine has, and what it began for the others. */
const wasm = () => first ??= testimony("wasm", join(folder, "wasm"), []);

for (const { backend, lack } of machine) {
  if (backend === "cpu") continue; // it would take minutes
  Deno.test({
    name: `${backend} agrees with cpu, and goes on with what wasm began and the reverse` +
      (lack === undefined ? "" : ` (not here: ${lack})`),
    ignore: lack !== undefined,
    async fn() {
      const base = await wasm();
      const ours = join(folder, backend);
      const said = backend === "wasm"
        ? base
        : await testimony(backend, ours, [join(folder, "wasm")]);
      await checkAccounts(said, base);
      const [theirs] = (await testimony("wasm", join(folder, `from ${backend}`), [ours])).theirs;
      const pairs = [
        [theirs, said],
        ...said.theirs.map((heard) => [heard, base] as const),
      ] as const;
      for (const [reader, writer] of pairs) {
        within(1e-4, reader.predictions, writer.predictions, "predictions of the other's model");
        // One epoch is the writer's own; the second was computed by the reader.
        within(1e-9, reader.resumed.slice(0, 2), writer.whole.slice(0, 2), "the first epoch");
        within(tolerances.losses, reader.resumed.slice(2), writer.whole.slice(2), "second epoch");
      }
    },
  });
}

globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
