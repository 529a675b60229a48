/**
 * One truth: whatever computes, a network gives the same outputs, gradients and steps, up to the
 * rounding of 32 bit floats. What TensorFlow.js's plain JavaScript gives is the reference. That is
 * kept in a file for the report's networks, which do not change any more; of the best network it is
 * computed, for one step, and the steps after it are compared with those of wasm.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Backend } from "../../../packages/compute/backends.ts";
import { machine } from "../../backends.ts";
import file from "./cpu_reference.json" with { type: "json" };
import { type Account, account, cases } from "./one_truth.ts";
import type { Testimony } from "./one_truth_on.ts";

const kept = file as unknown as Record<string, Account>;
let best: Promise<Account> | undefined;
const references = async (): Promise<Record<string, Account>> => ({
  ...kept,
  best: await (best ??= account("cpu", cases.best, 1)),
});

/**
 * What counts as rounding, as a share of the largest number. Batch normalisation over eight images
 * magnifies it, in the gradients and from step to step, the more so the deeper the network.
 */
const tolerances = { outputs: 1e-5, gradients: 2e-3, losses: 2e-3, later: 1e-2 };

function within(
  tolerance: number,
  actual: readonly number[],
  expected: readonly number[],
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  const largest = Math.max(...expected.map(Math.abs)) || 1;
  for (const [i, value] of actual.entries()) {
    const far = Math.abs(value - expected[i]) / largest;
    assert.ok(far <= tolerance, `${what}: ${value} at ${i}, expected ${expected[i]} (${far})`);
  }
}

async function testimony(backend: Backend, ours: string, theirs: string[]): Promise<Testimony> {
  await Deno.mkdir(ours, { recursive: true });
  const script = fileURLToPath(new URL("./one_truth_on.ts", import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", script, backend, ours, ...theirs],
    cwd: fileURLToPath(new URL("../../../", import.meta.url)),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

async function checkAccounts({ accounts, leaked }: Testimony, wasm: Testimony): Promise<void> {
  const reference = await references();
  assert.deepEqual(Object.keys(accounts), Object.keys(reference));
  for (const [name, { outputs, gradients, losses }] of Object.entries(accounts)) {
    const expected = reference[name];
    within(tolerances.outputs, outputs, expected.outputs, `${name}: outputs`);
    assert.deepEqual(Object.keys(gradients).sort(), Object.keys(expected.gradients).sort(), name);
    for (const [weight, { length, some }] of Object.entries(expected.gradients)) {
      const actual = gradients[weight], what = `${name}: gradient of ${weight}`;
      within(tolerances.gradients, actual.some, some, what);
      within(tolerances.gradients, [actual.length], [length], `${what}, length`);
    }
    assert.equal(losses.length, 10);
    for (const [step, loss] of losses.entries()) {
      const what = `${name}: loss of step ${step + 1}`;
      const truth = expected.losses[step] ?? wasm.accounts[name].losses[step];
      within(step < 5 ? tolerances.losses : tolerances.later, [loss], [truth], what);
    }
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
