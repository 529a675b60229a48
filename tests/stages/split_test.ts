import assert from "node:assert/strict";
import { join } from "node:path";
import { random } from "../../packages/random/random.ts";
import { readNpy, writeNpy } from "../../packages/formats/npy.ts";
import { writeParquet } from "../../packages/formats/parquet.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { groupRows } from "../../faces/datasets/write_splits.ts";
import { selectRows } from "../../faces/datasets/select_rows.ts";
import split from "../../stages/split.ts";
import { testArtifact, testContext } from "../context.ts";
import { writeDataset } from "./training_data.ts";

type Parts = Record<"train" | "validation" | "test", number[]>;

/** Splits images of people with these identities. */
async function splitOf(
  identities: readonly (string | null)[],
  params: Record<string, unknown> = {},
  seed = 42,
): Promise<Parts & { infos: string[]; warnings?: string[] }> {
  using context = testContext(split, { seed });
  const people = identities.map((identity) => ({ age: 30, gender: 0, identity }));
  const dataset = await writeDataset(join(context.folder, "dataset"), people);
  await context.run({ dataset, archives: [] }, params);
  const read = (name: string) => {
    const { data, shape } = readNpy(join(context.outputs.splits, `${name}.npy`), "int32");
    assert.deepEqual(shape, [data.length]);
    return [...data];
  };
  const parts = { train: read("train"), validation: read("validation"), test: read("test") };
  const summary = JSON.parse(
    await Deno.readTextFile(join(context.outputs.splits, "summary.json")),
  );
  assert.deepEqual(
    [summary.train, summary.validation, summary.test],
    [parts.train.length, parts.validation.length, parts.test.length],
  );
  const { infos, warnings } = context;
  return { ...parts, infos, ...warnings.length > 0 && { warnings } };
}

const sizes = (
  { train, validation, test }: Parts,
) => [train.length, validation.length, test.length];
const nobody = (count: number) => new Array<null>(count).fill(null);

Deno.test("split divides as the report did: 20 % test, 20 % of the rest validation", async () => {
  const parts = await splitOf(nobody(100));
  assert.deepEqual(sizes(parts), [64, 16, 20]);
  const all = [...parts.train, ...parts.validation, ...parts.test];
  assert.deepEqual(all.sort((a, b) => a - b), Array.from({ length: 100 }, (_, row) => row));
  for (const rows of [parts.train, parts.validation, parts.test]) {
    assert.deepEqual(rows, [...rows].sort((a, b) => a - b), "ascending");
  }
  assert.deepEqual(parts.infos, ["train 64, validation 16, test 20"]);
});

Deno.test("split by identity refuses images of which none has one", async () => {
  await assert.rejects(
    splitOf(nobody(20), { by: "identity" }),
    /^Error: Cannot split by identity: none of 20 images has one\. Add .*, or set by: image\.$/,
  );
  // Nothing is divided.
  assert.deepEqual(sizes(await splitOf(nobody(20), { by: "identity", only: "all" })), [0, 0, 20]);
  const one = await splitOf([...nobody(20), "ada"], { by: "identity" });
  assert.equal(one.warnings, undefined);
});

Deno.test("split depends on the seed", async () => {
  assert.deepEqual(await splitOf(nobody(50)), await splitOf(nobody(50)));
  assert.notDeepEqual((await splitOf(nobody(50), {}, 1)).test, (await splitOf(nobody(50))).test);
});

Deno.test("split by identity keeps each person on one side, and the shares", async () => {
  for (const seed of [1, 2, 3]) {
    const rng = random(seed, "people");
    // 40 people with 1 to 12 pictures, and pictures of unknown people.
    const identities = Array.from(
      { length: 40 },
      (_, i) => new Array(1 + rng.int(12)).fill(`p${i}`),
    )
      .flat().concat(nobody(25));
    rng.shuffle(identities);
    const parts = await splitOf(identities, { by: "identity" }, seed);
    const sides = new Map<string, Set<string>>();
    for (const name of ["train", "validation", "test"] as const) {
      for (const row of parts[name]) {
        const identity = identities[row];
        if (identity === null) continue;
        sides.set(identity, (sides.get(identity) ?? new Set()).add(name));
      }
    }
    assert.ok([...sides.values()].every((names) => names.size === 1));
    const test = Math.round(identities.length * 0.2);
    const validation = Math.round((identities.length - test) * 0.2);
    assert.deepEqual(sizes(parts), [identities.length - test - validation, validation, test]);
  }
});

Deno.test("people and photos are one in any Unicode form", () => {
  const forms = ["José", "José".normalize("NFD"), "Ana"];
  const none = { dataset: forms.map(() => "d"), path: ["a", "b", "c"] };
  assert.deepEqual(groupRows([0, 1, 2], { ...none, identity: forms }, []), [[0, 1], [2]]);
  const path = ["é.jpg", "e\u0301.jpg#face2", "f.jpg"];
  assert.deepEqual(groupRows([0, 1, 2], { ...none, path }, []), [[0, 1], [2]]);
});

Deno.test("split by identity comes as near to the shares as people allow", async () => {
  const people = [["a", 3], ["b", 3], ["c", 3], ["d", 4], ["e", 7]].flatMap(([name, count]) =>
    new Array(count as number).fill(name)
  ); // 20 images: 4 for the test set, 3 of 16 for validation
  for (const seed of [1, 2, 3, 4, 5]) {
    assert.deepEqual(sizes(await splitOf(people, { by: "identity" }, seed)), [13, 3, 4]);
  }
});

Deno.test("split takes a sample, and says when there were fewer", async () => {
  const parts = await splitOf(nobody(100), { sample: 50, test: 0.5, validation: 0.4 });
  assert.deepEqual(sizes(parts), [15, 10, 25]);
  const all = await splitOf(nobody(20), { sample: 50 });
  assert.deepEqual(sizes(all), [13, 3, 4]);
  assert.equal(all.infos[0], "sample: 50 images requested, 20 available");
});

Deno.test("split says when a side stays empty", async () => {
  await assert.rejects(
    splitOf(new Array(30).fill("one"), { by: "identity" }),
    /Cannot split 30 images in 1 group of people: the \w+ set is empty\..*, or split by image\.$/,
  );
  await assert.rejects(
    splitOf(nobody(3), { test: 0.01 }),
    /Cannot split 3 images: the test set is empty. Add data, or change the shares/,
  );
  await assert.rejects(
    splitOf(nobody(30), { calibration: 0.99 }),
    /the train set is empty\. .*\(test 0\.2, validation 0\.2, calibration 0\.99\)/,
  );
});

/** Splits rows of these columns; a dataset's images are not read. */
async function splitBy(
  columns: Readonly<Record<string, readonly (string | number | null)[]>>,
  params: Record<string, unknown>,
): Promise<Parts & { infos: string[] }> {
  using context = testContext(split);
  const folder = join(context.folder, "dataset");
  await Deno.mkdir(folder);
  const count = Object.values(columns)[0].length;
  const all: typeof columns = {
    identity: nobody(count),
    dataset: Array(count).fill("test"),
    path: Array.from({ length: count }, (_, i) => `${i}.jpg`),
    ...columns,
  };
  await writeParquet(
    join(folder, "table.parquet"),
    Object.fromEntries(
      Object.entries(all).map(([name, values]) => [
        name,
        typeof values[0] === "number"
          ? { type: "float64" as const, values: values as number[] }
          : { type: "string" as const, values: values as string[], nullable: true },
      ]),
    ),
  );
  await context.run({ dataset: testArtifact(folder, "dataset"), archives: [] }, {
    copies: "ignore",
    ...params,
  });
  const read = (name: string) => [
    ...readNpy(join(context.outputs.splits, `${name}.npy`), "int32").data,
  ];
  return {
    train: read("train"),
    validation: read("validation"),
    test: read("test"),
    infos: context.infos,
  };
}

Deno.test("split takes the data set's own parts and whole data sets", async () => {
  const part = ["train", "val", "test", "test"].flatMap((name) => new Array(5).fill(name));
  const parts = await splitBy({ part }, {
    test: { part: "test" },
    validation: { part: ["val"] },
  });
  const rows = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  assert.deepEqual(
    [parts.train, parts.validation, parts.test],
    [rows(0, 5), rows(5, 10), rows(10, 20)],
  );
  const dataset = [...new Array(12).fill("wiki"), ...new Array(8).fill("imdb")];
  const sets = await splitBy({ dataset }, { test: { dataset: "imdb" }, validation: 0.25 });
  assert.deepEqual([sizes(sets), sets.test], [[9, 3, 8], rows(12, 20)]);
  await assert.rejects(
    splitBy({ dataset }, { test: { dataset: "wikki" } }),
    /Cannot select the test set: no image has dataset "wikki"\. There are imdb and wiki\./,
  );
  await assert.rejects(
    splitBy({ dataset }, { test: { part: "test" } }),
    /Cannot select the test set by part: the data set has no column "part"/,
  );
});

Deno.test("split leaves out what belongs to people of a given test set", async () => {
  const identity = ["a", "a", "b", "b", "c", "c", "d", "e", "f", "g"];
  const part = ["train", "test", ...new Array(7).fill("train"), "test"];
  const parts = await splitBy({ identity, part }, { by: "identity", test: { part: "test" } });
  assert.deepEqual(parts.test, [1, 9]);
  assert.ok(![...parts.train, ...parts.validation].includes(0));
  assert.equal(parts.train.length + parts.validation.length, 7);
  assert.equal(
    parts.infos[0],
    "1 image of people or copies in the test or validation set is in no set",
  );
});

Deno.test("split's folds hold each image once, people whole, strata in proportion", async () => {
  const rng = random(5, "folds");
  const identity = Array.from({ length: 90 }, (_, i) => new Array(1 + rng.int(3)).fill(`p${i}`))
    .flat();
  const gender = identity.map((name) => Number(name.slice(1)) % 3 === 0 ? 1 : 0);
  const seen = new Map<number, number>();
  const shares: number[] = [];
  for (const fold of [1, 2, 3]) {
    const { test, train } = await splitBy({ identity, gender }, {
      by: "identity",
      stratify: ["gender"],
      test: { fold, of: 3 },
    });
    for (const row of test) seen.set(row, (seen.get(row) ?? 0) + 1);
    const inTrain = new Set(train.map((row) => identity[row]));
    assert.ok(test.every((row) => !inTrain.has(identity[row])));
    shares.push(test.filter((row) => gender[row] === 1).length / test.length);
    assert.ok(Math.abs(test.length - identity.length / 3) <= 3, `${test.length} images`);
  }
  assert.deepEqual([seen.size, new Set(seen.values())], [identity.length, new Set([1])]);
  const share = gender.filter((one) => one === 1).length / gender.length;
  assert.ok(shares.every((one) => Math.abs(one - share) < 0.05), shares.join(", "));
  assert.throws(
    () => split.params.parse({ test: { fold: 4, of: 3 } }),
    /expected at most 3, the number of folds/,
  );
});

Deno.test("split's folds keep strata in proportion where people have one image or many", () => {
  const rng = random(8, "people");
  const sizes = Array.from({ length: 200 }, () => Math.ceil(Math.exp(2.5 + 0.9 * rng.normal())));
  const gender = sizes.flatMap((size, i) => Array<number>(size).fill(i % 2));
  let next = 0;
  const groups = rng.shuffle(sizes.map((size) => Array.from({ length: size }, () => next++)));
  const women = (rows: readonly number[]) => rows.filter((row) => gender[row] === 0).length;
  const share = women([...gender.keys()]) / gender.length;
  for (const fold of [1, 2, 3, 4, 5]) {
    const strata = ([row]: readonly number[]) => String(gender[row]);
    const rows = selectRows("test", { fold, of: 5 }, groups, { gender }, strata).taken.flat();
    assert.ok(Math.abs(women(rows) / rows.length - share) < 0.01, `${women(rows)} ${rows.length}`);
    assert.ok(Math.abs(rows.length - gender.length / 5) < 5, `${rows.length}`);
  }
});

Deno.test("a stratum can have any number of groups", () => {
  const groups = Array.from({ length: 300_000 }, (_, row) => [row]);
  const { taken, rest } = selectRows("test", 0.5, groups, {}, ([row]) => String(row % 2));
  assert.deepEqual([taken.length, rest.length], [150_000, 150_000]);
});

Deno.test("split stratifies shares, numbers by deciles", async () => {
  const rng = random(6, "ages");
  const age = Array.from({ length: 400 }, () => rng.int(80));
  const gender = age.map((_, i) => i % 4 === 0 ? "f" : "m");
  const { test, train, validation } = await splitBy({ age, gender }, {
    stratify: ["age", "gender"],
  });
  assert.deepEqual([test.length, validation.length, train.length], [80, 64, 256]);
  assert.ok(Math.abs(test.filter((row) => gender[row] === "f").length - 20) <= 1);
  const young = (rows: number[]) => rows.filter((row) => age[row] < 8).length / rows.length;
  assert.ok(Math.abs(young(test) - young(train)) < 0.03, `${young(test)}, ${young(train)}`);
  await assert.rejects(
    splitBy({ age }, { stratify: ["ethnicity"] }),
    /Cannot stratify by "ethnicity": the data set has no such column\. It has identity, dataset, path and age\./,
  );
});

Deno.test("split takes many people in its stride", async () => {
  using context = testContext(split);
  const folder = join(context.folder, "dataset");
  await Deno.mkdir(folder);
  const identities = Array.from({ length: 60_000 }, (_, i) => `p${Math.floor(i / 20)}`);
  await writeParquet(join(folder, "table.parquet"), {
    identity: { type: "string", values: identities, nullable: true },
    dataset: { type: "string", values: identities },
    path: { type: "string", values: identities.map((_, i) => `${i}.jpg`) },
  });
  for (const by of ["identity", "image"]) {
    await context.run({ dataset: testArtifact(folder, "dataset"), archives: [] }, {
      by,
      copies: "ignore",
    });
    const { shape } = readNpy(join(context.outputs.splits, "test.npy"), "int32");
    assert.deepEqual(shape, [12_000]);
  }
});

/** A smooth image of some waves, [size, size, 3]; other numbers give others. */
function waves(number: number, size = 32, { mirror = false, brighter = 0 } = {}): Uint8Array {
  const rng = random(3, "waves", number);
  const all = Array.from(
    { length: 12 },
    () => [5 * rng.next(), 5 * rng.next(), 6 * rng.next()],
  );
  return Uint8Array.from({ length: size * size * 3 }, (_, i) => {
    const column = Math.floor(i / 3) % size, y = Math.floor(i / 3 / size) / size;
    const x = (mirror ? size - 1 - column : column) / size;
    return 128 + brighter +
      all.reduce((sum, [u, v, at]) => sum + 9 * Math.sin(u * x + v * y + at), 0);
  });
}

Deno.test("split keeps copies in one set, lists them, and changes nothing without any", async () => {
  const count = 60;
  const splits = async (copied: boolean, params: Record<string, unknown> = {}) => {
    using context = testContext(split);
    const people = Array.from(
      { length: count },
      (_, i) => ({ age: 30, gender: 0, identity: `p${i}` }),
    );
    const dataset = await writeDataset(join(context.folder, "dataset"), people);
    const images = Array.from({ length: count }, (_, i) => {
      const of = copied && i >= 40 ? i - 40 : i;
      const how = { mirror: of === 1, brighter: of === 2 ? 10 : 0 };
      return waves(of, 32, of === i ? {} : how);
    });
    writeNpy(
      join(dataset.path, "images.npy"),
      Uint8Array.from(images.flatMap((image) => [...image])),
      [count, 32, 32, 3],
    );
    await context.run({ dataset, archives: [] }, params);
    const names = ["train", "validation", "test"];
    const sets = names.map((
      name,
    ) => [...readNpy(join(context.outputs.splits, `${name}.npy`), "int32").data]);
    const listed = await Deno.readTextFile(join(context.outputs.splits, "copies.csv")).catch(() =>
      ""
    );
    return { sets, listed, infos: context.infos, done: context.done };
  };
  const plain = await splits(false);
  assert.equal(plain.listed, "", "different images are no copies");
  assert.deepEqual(plain.done, { total: count, unit: "comparisons", items: count });
  assert.deepEqual((await splits(false, { copies: "ignore" })).sets, plain.sets);

  for (const by of ["image", "identity"]) {
    const { sets, listed, infos } = await splits(true, { by });
    for (let i = 0; i < 20; i++) {
      const set = sets.findIndex((rows) => rows.includes(i));
      assert.ok(sets[set].includes(i + 40), `images ${i} and ${i + 40} are in one set, by ${by}`);
    }
    const lines = listed.trim().split("\n");
    assert.equal(lines.length, 21);
    assert.deepEqual(lines.slice(1, 3), ["40,0,1.0000,false", "41,1,1.0000,true"]);
    assert.match(lines[3], /^42,2,(0.99|1.00)\d\d,false$/);
    assert.match(infos.join(), /copies of other images, exact or near: 20 of 60/);
  }
  await assert.rejects(
    splits(true, { test: 0.001 }),
    /60 images in 40 groups of copies: the test set is empty\..*, or set copies: ignore\.$/,
  );
  const ignored = await splits(true, { copies: "ignore" });
  assert.deepEqual([ignored.sets, ignored.listed], [plain.sets, ""]);
});

Deno.test("split takes the copies of an earlier result of the same images, and of no other", async () => {
  using context = testContext(split);
  const people = Array.from({ length: 20 }, () => ({ age: 30, gender: 0, identity: null }));
  const dataset = await writeDataset(join(context.folder, "dataset"), people);
  // No search would find this pair.
  const listed = "row,of,correlation,mirrored\n7,3,0.9912,true\n";
  await Deno.writeTextFile(join(context.outputs.splits, "copies.csv"), listed);
  const copiesWith = async (
    differences: string[],
    params: Record<string, unknown> = {},
    digest: string | undefined = sha256(listed),
  ) => {
    const files: Record<string, { size: number; sha256: string }> = digest === undefined
      ? {}
      : { "copies.csv": { size: listed.length, sha256: digest } };
    const earlier = {
      path: join(context.outputs.splits, ".."),
      outputs: { splits: { files } },
      observed: {},
    };
    using now = testContext(split, { earlierResults: [{ ...earlier, differences }] });
    await now.run({ dataset, archives: [] }, params);
    const file = join(now.outputs.splits, "copies.csv");
    return await Deno.readTextFile(file).catch(() => undefined);
  };
  const fold = ["seed", "params.test", "params.stratify"];
  assert.equal(await copiesWith(fold), listed);
  assert.equal(await copiesWith(["params.by"], { sample: 20 }), listed);
  const found = await copiesWith(["inputs"]);
  assert.notEqual(found, listed);
  assert.equal(await copiesWith([]), found, "forced");
  for (const part of ["modules", "packages", "params.copies", "params.sample"]) {
    assert.equal(await copiesWith([part]), found);
  }
  assert.equal(await copiesWith(["seed"], { sample: 20 }), found, "another sample");
  assert.equal(await copiesWith(fold, {}, "0".repeat(64)), found, "damaged");
  assert.equal(await copiesWith(fold, { copies: "ignore" }), undefined);
});

Deno.test("split stops in the middle of its search for copies", async () => {
  const people = Array.from({ length: 60 }, () => ({ age: 30, gender: 0, identity: null }));
  for (const unit of ["images", "comparisons"]) {
    const abort = new AbortController();
    using context = testContext(split, {
      signal: abort.signal,
      onAdvance: () => context.done.unit === unit && context.done.items === 7 && abort.abort(),
    });
    const dataset = await writeDataset(join(context.folder, "dataset"), people);
    await assert.rejects(context.run({ dataset, archives: [] }), { name: "AbortError" });
    assert.deepEqual(context.done, { total: 60, unit, items: 7 });
  }
});
