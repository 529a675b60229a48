import { join } from "node:path";
import { z } from "zod";
import { defineStage } from "../packages/pipeline/stage.ts";
import { random } from "../packages/random/random.ts";
import { writeNpy } from "../packages/formats/npy.ts";
import { dataset, splits } from "./kinds.ts";
import { counted } from "../packages/pipeline/causes.ts";

const share = z.number().gt(0).lt(1);

export default defineStage({
  name: "split",
  summary: "Divide the dataset into train, validation and test sets",
  inputs: { dataset },
  outputs: { splits },
  params: z.strictObject({
    test: share.default(0.2).describe("Share of all images kept for the test set"),
    validation: share.default(0.2).describe("Share of the rest kept for the validation set"),
    by: z.enum(["image", "identity"]).default("image").describe(
      "What never lies in two of the sets: an image, as in the report, or all images of a person. " +
        "Images without a known identity are taken for different people",
    ),
    sample: z.int().min(3).optional().describe(
      "Use at most so many images, drawn at random, to try things. Left out: all",
    ),
  }),
  seeded: true,
  async run({ dataset }, params, context) {
    const { readParquet } = await import("../packages/formats/parquet.ts");
    const { identity } = await readParquet(join(dataset.path, "table.parquet"), {
      identity: "string?",
    });
    let rows = Int32Array.from(identity, (_, row) => row);
    if (params.sample !== undefined) {
      if (params.sample > rows.length) {
        context.info(`sample: ${counted(params.sample, "image")} asked for, ${rows.length} there`);
      }
      random(context.seed, "sample").shuffle(rows);
      rows = rows.slice(0, params.sample).sort();
    }

    const byPerson = params.by === "identity";
    const groups = byPerson ? people(rows, identity) : [...rows].map((row) => [row]);
    random(context.seed, "split").shuffle(groups);
    const [test, rest] = take(groups, Math.round(rows.length * params.test));
    const left = rest.reduce((sum, group) => sum + group.length, 0);
    const [validation, train] = take(rest, Math.round(left * params.validation));

    const counts: Record<string, number> = {};
    for (const [name, part] of Object.entries({ train, validation, test })) {
      const members = Int32Array.from(part.flat()).sort();
      if (members.length === 0) {
        throw new Error(
          `Cannot split ${counted(rows.length, "image")}${
            byPerson ? ` of ${groups.length} people` : ""
          }: ` +
            `nothing is left for the ${name} set. Get more data, or change the shares (test ` +
            `${params.test}, validation ${params.validation})${
              byPerson ? ", or split by image" : ""
            }.`,
        );
      }
      writeNpy(join(context.outputs.splits, `${name}.npy`), members, [members.length]);
      counts[name] = members.length;
    }
    await Deno.writeTextFile(
      join(context.outputs.splits, "summary.json"),
      JSON.stringify({ by: params.by, images: rows.length, ...counts }, null, 2) + "\n",
    );
    context.info(`train ${counts.train}, validation ${counts.validation}, test ${counts.test}`);
  },
});

/** The rows of each person; a row without an identity is a person of its own. */
function people(rows: Int32Array, identity: (string | null)[]): number[][] {
  const known = new Map<string, number[]>();
  const groups: number[][] = [];
  for (const row of rows) {
    const name = identity[row];
    const group = name === null ? undefined : known.get(name);
    if (group !== undefined) {
      group.push(row);
      continue;
    }
    groups.push([row]);
    if (name !== null) known.set(name, groups.at(-1)!);
  }
  return groups;
}

/**
 * Takes whole groups that together have as near to `target` rows as can be, and returns them and
 * the others. Most are the first of the list; the last of them are chosen to fit.
 */
function take(groups: number[][], target: number): [taken: number[][], rest: number[][]] {
  const largest = groups.reduce((size, group) => Math.max(size, group.length), 0);
  // Choosing from the start would be exact too, but slow for many groups, and no nearer.
  const choice = 16 * largest;
  let first = 0;
  let remaining = target;
  while (remaining > choice) remaining -= groups[first++].length;
  const chosen = nearestSum(groups.slice(first).map((group) => group.length), remaining);
  const taken = (i: number) => i < first || chosen.has(i - first);
  return [groups.filter((_, i) => taken(i)), groups.filter((_, i) => !taken(i))];
}

/**
 * The positions of some of the sizes whose sum is as near to `target` as any can be. A subset sum by
 * dynamic programming: for each sum, the position of the size by which it was first reached.
 */
function nearestSum(sizes: number[], target: number): Set<number> {
  const limit = target + sizes.reduce((largest, size) => Math.max(largest, size), 0);
  const reachedBy = new Int32Array(limit + 1).fill(-1);
  reachedBy[0] = sizes.length; // by none of them
  for (let i = 0; i < sizes.length && reachedBy[target] === -1; i++) {
    // Downwards, so that no size counts twice.
    for (let sum = limit; sum >= sizes[i]; sum--) {
      if (reachedBy[sum] === -1 && reachedBy[sum - sizes[i]] !== -1) reachedBy[sum] = i;
    }
  }
  let nearest = 0;
  for (let sum = 0; sum <= limit; sum++) {
    if (reachedBy[sum] !== -1 && Math.abs(sum - target) < Math.abs(nearest - target)) nearest = sum;
  }
  const chosen = new Set<number>();
  for (let sum = nearest; sum > 0; sum -= sizes[reachedBy[sum]]) chosen.add(reachedBy[sum]);
  return chosen;
}
