import assert from "node:assert/strict";
import { join } from "node:path";
import { writeNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import shuffleLabels from "../../plugins/shuffleLabels.ts";
import { testArtifact, testContext } from "../context.ts";

async function dataset(folder: string, rows: number): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const index = Array.from({ length: rows }, (_, i) => i);
  writeNpy(join(folder, "images.npy"), new Uint8Array(index), [rows, 1, 1, 1]);
  await writeParquet(join(folder, "table.parquet"), {
    name: {
      type: "string",
      values: index.map((i) => i % 5 === 0 ? null : `n${i}`),
      nullable: true,
    },
    age: { type: "int32", values: index },
    gender: { type: "int32", values: index.map((i) => i % 2) },
    identity: { type: "string", values: index.map((i) => `p${i}`), nullable: true },
    dataset: { type: "string", values: index.map(() => "d") },
    path: { type: "string", values: index.map((i) => `${i}.jpg`) },
  });
  await Deno.writeTextFile(join(folder, "preprocessing.json"), "{}");
}

Deno.test("shuffleLabels deals ages and genders out anew, together, the same for a seed", async () => {
  const ages: unknown[][] = [];
  for (const seed of [1, 1, 2]) {
    using context = testContext(shuffleLabels, { seed });
    const input = join(context.folder, "in");
    await dataset(input, 200);
    await context.run({ dataset: testArtifact(input, "dataset") });
    const before = await readParquet(join(input, "table.parquet"));
    const after = await readParquet(join(context.outputs.dataset, "table.parquet"));
    for (const column of ["name", "identity", "dataset", "path"]) {
      assert.deepEqual(after[column], before[column], column);
    }
    const age = after.age as number[], gender = after.gender as number[];
    assert.deepEqual(age.toSorted((a, b) => a - b), before.age);
    assert.ok(age.every((value, row) => gender[row] === value % 2));
    assert.ok(age.filter((value, row) => value === row).length < 10);
    ages.push(age);
    for (const file of ["images.npy", "preprocessing.json"]) {
      assert.deepEqual(
        await Deno.readFile(join(context.outputs.dataset, file)),
        await Deno.readFile(join(input, file)),
      );
    }
  }
  assert.deepEqual(ages[0], ages[1]);
  assert.notDeepEqual(ages[0], ages[2]);
});

Deno.test("shuffleLabels depends on the seed", () => {
  assert.equal(shuffleLabels.seeded({}), true);
});
