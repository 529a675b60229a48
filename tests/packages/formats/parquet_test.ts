import { deepStrictEqual, match, ok, rejects } from "node:assert/strict";
import type { SchemaElement } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "../../../packages/random/random.ts";
import { ParquetFile, readParquet, writeParquet } from "../../../packages/formats/parquet.ts";
import { rounds } from "../../rounds.ts";

const fixtureOf = (name: string) =>
  fileURLToPath(new URL(`./fixtures/${name}.parquet`, import.meta.url));
const fixture = fixtureOf("pyarrow");

async function inFolder(test: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(join(folder, "test.parquet"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readParquet() reads what PyArrow wrote", async () => {
  deepStrictEqual(await readParquet(fixture), {
    age: [46, 37, null],
    name: ["Ada", "Émile 名", ""],
    offset: [0, 1, 1e15],
    score: [0.5, NaN, -Infinity],
    box: [[1, 2.5], null, []],
  });
});

Deno.test("readParquet() reads fields, nested lists and dates of PyArrow, packed by each codec", async () => {
  deepStrictEqual(await readParquet(fixtureOf("codecs")), {
    zstd: [1, 2, null],
    split: [0.5, null, -2],
    gzip: ["a", "b", "c"],
    brotli: [new Date("1980-03-01"), null, new Date("2000-01-31")],
    none: ["\ufffd\0", "text", null],
    "objects.box": [[[1, 2], [3]], null, null],
    "objects.n": [3, null, null],
    "faces.x": [[{ x: 1n }, { x: 2n }], [], null],
  });
});

Deno.test("readParquet() reads decimals as the nearest numbers", async () => {
  deepStrictEqual(await readParquet(fixtureOf("decimals")), {
    bmi: [700.05, null, -0.3],
    age: [29, 30, 59], // 58.99999999999999 would be an age of 58
    long: [29, 29, 29],
    id: Array(3).fill(2 ** 60 + 2 ** 9),
    list: [[0.3], null, []],
  });
});

Deno.test("readParquet() names codecs and columns that it does not read, and the way out", async () => {
  await rejects(
    readParquet(fixtureOf("lz4")),
    /column "age" is packed by LZ4_RAW, which is not read\. Write it with ZSTD or SNAPPY\.$/,
  );
  await rejects(
    readParquet(fixtureOf("delta")),
    /encoded as DELTA_BINARY_PACKED, which is not read\. Write it with plain or dictionary encoding\.$/,
  );
  await rejects(
    readParquet(fixtureOf("map")),
    /"labels" is a map, or occurs twice\. Leave it out\.$/,
  );
});

Deno.test("readParquet() names a pointer of Git LFS", async () => {
  await inFolder(async (path) => {
    const text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 123\n";
    await Deno.writeTextFile(path, text);
    await rejects(readParquet(path), /it is a pointer of Git LFS\. Run git lfs pull beside it\.$/);
  });
});

Deno.test("ParquetFile reads row group by row group, bytes as they are, and texts of the writer", async () => {
  using file = new ParquetFile(fixtureOf("photos"));
  deepStrictEqual([...file.columns.keys()], ["image.bytes", "image.path", "label", "age", "id"]);
  match(file.notes.get("huggingface")!, /"names": \["female", "male"\]/);
  const groups = await Array.fromAsync(file.groups(["image.bytes", "id"], "image.bytes"));
  deepStrictEqual(groups.map(({ rows }) => rows), [3, 3, 1]);
  const [{ values }] = groups;
  deepStrictEqual(
    (values["image.bytes"][0] as Uint8Array).subarray(0, 2),
    new Uint8Array([255, 216]),
  );
  deepStrictEqual(values.id, [2n ** 60n, 2n ** 60n + 1n, 2n ** 60n + 2n]);
  deepStrictEqual(groups[2].values["image.bytes"], [null]);
});

Deno.test("readParquet() gives the columns asked for, in their types", async () => {
  const { name, box } = await readParquet(fixture, { name: "string", box: "float64[]?" });
  const lengths: number[] = name.map((text) => text.length); // the types are known
  deepStrictEqual(lengths, [3, 7, 0]);
  deepStrictEqual(box, [[1, 2.5], null, []]);
  const wanted = (name: string) => name.endsWith("e");
  deepStrictEqual(Object.keys(await readParquet(fixture, wanted)), ["age", "name", "score"]);
});

Deno.test("readParquet() says which column is not as expected", async () => {
  await rejects(readParquet(fixture, { ages: "int32" }), /no column "ages", only age, name/);
  await rejects(readParquet(fixture, { age: "int32" }), /row 2 of column "age" is null, not int32/);
  await rejects(
    readParquet(fixture, { name: "int32" }),
    /row 0 of column "name" is "Ada", not int32/,
  );
  await rejects(readParquet(`${fixture}.no`), /Cannot open ".*\.no"/);
});

Deno.test("writeParquet() leaves no file after an error", async () => {
  await inFolder(async (path) => {
    const values = Array.from({ length: 12_000 }, (_, i) => i < 11_000 ? i : 0.5);
    await rejects(writeParquet(path, { i: { type: "int32", values } }), /row 11000 .* is 0\.5/);
    await rejects(Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("writeParquet() writes what readParquet() reads, over several row groups", async () => {
  await inFolder(async (path) => {
    const rows = 120_000;
    const whole = Array.from({ length: rows }, (_, i) => i);
    const columns = {
      i: { type: "int32", values: Int32Array.from(whole) },
      big: { type: "int64", values: whole.map((i) => i * 1e10) },
      f: { type: "float32", values: Float32Array.from(whole, (i) => i / 8) },
      d: { type: "float64", values: whole.map((i) => i % 3 ? i / 3 : null), nullable: true },
      yes: { type: "boolean", values: whole.map((i) => i % 5 === 0) },
      s: { type: "string", values: whole.map((i) => `é${i}`) },
      maybe: {
        type: "string",
        values: whole.map((i) => i % 2 ? `${i % 7}` : null),
        nullable: true,
      },
      box: { type: "float64[]", values: whole.map((i) => [i, 0.5, NaN, -1]) },
      ragged: {
        type: "float64[]",
        values: whole.map((i) => i % 4 ? new Array<number>(i % 3).fill(i) : null),
        nullable: true,
      },
    } as const;
    await writeParquet(path, columns);
    const read = await readParquet(path);
    for (const [name, { values }] of Object.entries(columns)) {
      deepStrictEqual(read[name], Array.from<unknown>(values), name);
    }
  });
});

Deno.test("writeParquet() writes tables without rows", async () => {
  await inFolder(async (path) => {
    await writeParquet(path, {
      age: { type: "int32", values: [] },
      box: { type: "float64[]", values: [], nullable: true },
    });
    deepStrictEqual(await readParquet(path, { age: "int32", box: "float64[]?" }), {
      age: [],
      box: [],
    });
  });
});

Deno.test("writeParquet() refuses values that are not of the column's type", async () => {
  await inFolder(async (path) => {
    const write = (type: string, values: unknown[], nullable?: boolean) =>
      // What the types forbid is what is tested.
      writeParquet(path, { x: { type, values, nullable } as never });
    await rejects(write("int32", [1.5]), /row 0 of column "x" is 1.5, not int32/);
    await rejects(write("int32", [2 ** 31]), /2147483648, not int32/);
    await rejects(write("int64", [2 ** 60]), /not int64/);
    await rejects(write("string", ["a", null]), /row 1 of column "x" is null, not string/);
    await rejects(write("string", [undefined], true), /row 0/);
    await rejects(
      writeParquet(path, {
        x: { type: "int32", values: [1] },
        y: { type: "int32", values: [1, 2] },
      }),
      /column "y" has 2 rows, "x" 1/,
    );
  });
});

Deno.test("readParquet() meets thousands of mutated files with a table or a clear error", async () => {
  await inFolder(async (path) => {
    const rows = Array.from({ length: 40 }, (_, i) => i);
    await writeParquet(path, {
      age: { type: "int32", values: rows },
      offset: { type: "int64", values: rows.map((i) => i * 512) },
      known: { type: "boolean", values: rows.map((i) => i % 3 === 0) },
      name: { type: "string", values: rows.map((i) => i % 5 ? `${i % 7}` : null), nullable: true },
      dataset: { type: "string", values: rows.map(() => "imdb") },
      box: { type: "float64[]", values: rows.map((i) => i % 4 ? [i, 2.5] : null), nullable: true },
    });
    const wholes = [path, fixture, fixtureOf("codecs"), fixtureOf("photos")]
      .map((one) => Deno.readFileSync(one));
    const rng = random(33, "mutated tables");
    let refused = 0;
    for (let round = 0; round < rounds(4000); round++) {
      const whole = wholes[round % wholes.length];
      const bytes = whole.slice(0, rng.int(10) === 0 ? rng.int(whole.length) : undefined);
      for (let i = rng.int(8); i >= 0 && bytes.length > 0; i--) {
        // Half of it in the footer.
        const tail = rng.int(Math.min(1200, bytes.length));
        const at = rng.int(2) === 0 ? rng.int(bytes.length) : bytes.length - 1 - tail;
        if (rng.int(6) === 0) bytes.fill([0, 255, 128, 0x1c][rng.int(4)], at, at + rng.int(40));
        else bytes[at] = rng.int(3) === 0 ? bytes[at] ^ 1 << rng.int(8) : rng.int(256);
      }
      Deno.writeFileSync(path, bytes);
      await readParquet(path).catch(({ message }) => {
        match(message, /^Cannot read ".*test.parquet": (it is |it has no |its column |row \d)/);
        refused++;
      });
    }
    ok(refused > rounds(2000), `${refused} of ${rounds(4000)} were refused`);
  });
});

Deno.test("readParquet() refuses counts on which its decoder would loop or fill the memory", async () => {
  await inFolder(async (path) => {
    const values = Array.from({ length: 40 }, (_, i) => i % 5 ? "ab" : null);
    await writeParquet(path, { name: { type: "string", values, nullable: true } });
    const whole = Deno.readFileSync(path);
    // Every byte of the pages, of which each may be a length of a run or of a piece.
    const pages = whole.length - 8 - new DataView(whole.buffer).getUint32(whole.length - 8, true);
    for (let at = 4; at < pages; at++) {
      for (
        const bytes of [[0xfc, 255, 255, 255, 255], [254, 255, 255, 255, 15], [
          255,
          255,
          255,
          255,
          15,
        ]]
      ) {
        const mutated = whole.slice();
        mutated.set(bytes, at);
        Deno.writeFileSync(path, mutated);
        await readParquet(path).catch(({ message }) => match(message, /^Cannot read/));
      }
    }
  });
});

Deno.test("readParquet() gives lists of whole numbers as numbers", async () => {
  await inFolder(async (path) => {
    const schema: SchemaElement[] = [
      { name: "root", num_children: 1 },
      { name: "box", repetition_type: "OPTIONAL", converted_type: "LIST", num_children: 1 },
      { name: "list", repetition_type: "REPEATED", num_children: 1 },
      { name: "element", type: "INT64", repetition_type: "OPTIONAL" },
    ];
    const columnData = [{ name: "box", data: [[null, 2n, 3n], [], null] }];
    await Deno.writeFile(path, new Uint8Array(parquetWriteBuffer({ columnData, schema })));
    deepStrictEqual(await readParquet(path), { box: [[null, 2, 3], [], null] });
    deepStrictEqual((await readParquet(path, { box: "float64[]?" })).box[2], null);
  });
});
