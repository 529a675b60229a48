/**
 * Writes cpu_reference.json: what TensorFlow.js's plain JavaScript makes of each of the report's
 * networks, which takes it minutes; or of those alone that are named. Then: deno fmt.
 *
 *     deno run --allow-read --allow-write --allow-env --allow-sys tests/faces/training/cpu_reference.ts
 */
import { type Account, account, cases } from "./one_truth.ts";

const path = new URL("./cpu_reference.json", import.meta.url);
const reference: Record<string, Account> = Deno.args.length === 0
  ? {}
  : JSON.parse(await Deno.readTextFile(path));
for (const [name, of] of Object.entries(cases)) {
  if (name === "best" || (Deno.args.length > 0 && !Deno.args.includes(name))) continue;
  const { outputs, gradients, losses } = await account("cpu", of);
  const round = (values: number[]) => values.map((value) => Number(value.toPrecision(7)));
  reference[name] = {
    outputs: round(outputs),
    gradients: Object.fromEntries(
      Object.entries(gradients).map(([weight, { length, some }]) => [
        weight,
        { length: Number(length.toPrecision(7)), some: round(some) },
      ]),
    ),
    losses: round(losses),
  };
  console.log(name, losses);
}
await Deno.writeTextFile(path, JSON.stringify(reference, null, 1) + "\n");
