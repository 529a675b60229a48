import { deepStrictEqual, match, ok, throws } from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { random } from "../../../packages/random/random.ts";
import { MatError, type MatValue, readMat } from "../../../packages/formats/mat.ts";
import { writeMat } from "../../../packages/formats/mat_write.ts";

const folder = new URL("./fixtures/", import.meta.url);
const read = (name: string) => Deno.readFileSync(new URL(name, folder));
const expected: Record<string, Record<string, unknown>> = JSON.parse(
  Deno.readTextFileSync(new URL("mat.json", folder)),
);

/** A value in the shape of mat.json. */
function plain(value: MatValue): unknown {
  const dims = [...value.dims];
  switch (value.kind) {
    case "numeric": {
      const numbers = (data: ArrayLike<number | bigint>) =>
        Array.from(data, (x) => {
          if (typeof x === "number" && !Number.isFinite(x)) return String(x);
          return Number.isSafeInteger(Number(x)) || typeof x === "number" ? Number(x) : String(x);
        });
      return {
        class: value.class,
        dims,
        data: numbers(value.data),
        ...(value.imaginary && { imaginary: numbers(value.imaginary) }),
      };
    }
    case "char":
      return { char: dims, rows: [...value.rows] };
    case "cell":
      return {
        cell: dims,
        parts: Array.from({ length: value.length }, (_, i) => plain(value.at(i))),
      };
    case "struct":
      return {
        struct: dims,
        fields: Object.fromEntries(value.fields.map((field) => [
          field,
          Array.from({ length: value.length }, (_, i) => plain(value.get(field, i))),
        ])),
      };
    case "unsupported":
      return { unsupported: value.class };
  }
}

for (const [name, variables] of Object.entries(expected)) {
  Deno.test(`readMat() reads ${name} as it was written`, () => {
    const found = readMat(read(name), { source: name });
    for (const variable of Object.keys(variables)) {
      deepStrictEqual(plain(found.get(variable)!), variables[variable], variable);
    }
    if (name.startsWith("scipy")) {
      deepStrictEqual(plain(found.get("sparse")!), { unsupported: "sparse matrix" });
    }
  });
}

Deno.test("MatCell.strings() and numbers() decode a column at once", () => {
  for (const name of ["little.mat", "big.mat", "big_compressed.mat"]) {
    const wiki = readMat(read(name), { source: name }).get("wiki");
    ok(wiki?.kind === "struct");
    deepStrictEqual(wiki.cell("name").strings(), ["x", ""]);
    deepStrictEqual([...wiki.cell("face_location").numbers(4)], [1, 2, 300, 400, 1, 2, 300, 400]);
    deepStrictEqual(wiki.numbers("dob"), Float64Array.of(711724, 712703));
    throws(() => wiki.cell("name").numbers(4), /part 0 of a cell, is not 4 numbers/);
    throws(() => wiki.cell("face_location").strings(), /part 0 of a cell, is not a row of text/);
    throws(() => wiki.cell("dob"), /field "dob" of kind numeric, expected a cell/);
    throws(() => wiki.get("age"), /no field "age", only dob, name, face_location/);
  }
});

Deno.test("writeMat() writes what readMat() reads", () => {
  const bytes = writeMat("sample", {
    dob: [711724, NaN, -Infinity],
    name: { cell: ["Ada", "", "Émile 名 😀"] },
    face_location: { cell: [[1, 2, 3, 4], [], new Float64Array([5, 6, 7, 8])] },
  });
  const sample = readMat(bytes, { source: "sample.mat" }).get("sample");
  ok(sample?.kind === "struct");
  deepStrictEqual([...sample.numbers("dob")], [711724, NaN, -Infinity]);
  deepStrictEqual(sample.cell("name").strings(), ["Ada", "", "Émile 名 😀"]);
  const four = [NaN, NaN, NaN, NaN];
  deepStrictEqual(
    [...sample.cell("face_location").numbers(4)],
    [1, 2, 3, 4, ...four, 5, 6, 7, 8],
  );
  deepStrictEqual(
    bytes,
    writeMat("sample", {
      dob: [711724, NaN, -Infinity],
      name: { cell: ["Ada", "", "Émile 名 😀"] },
      face_location: { cell: [[1, 2, 3, 4], [], [5, 6, 7, 8]] },
    }),
    "the same values give the same bytes",
  );
});

Deno.test("writeMat() refuses names that MATLAB does not know", () => {
  throws(() => writeMat("1st", {}), /variable or field "1st": names are a letter/);
  throws(() => writeMat("a", { ["x".repeat(32)]: [] }), /at most 31 in all/);
});

// Hostile and damaged files.

/** A little-endian file of the given top-level bytes. */
function file(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(128);
  header[125] = 1;
  header.set(new TextEncoder().encode("IM"), 126);
  return join(header, ...parts);
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function element(type: number, data: Uint8Array, claimed = data.length): Uint8Array {
  const result = new Uint8Array(8 + Math.ceil(data.length / 8) * 8);
  new DataView(result.buffer).setUint32(0, type, true);
  new DataView(result.buffer).setUint32(4, claimed, true);
  result.set(data, 8);
  return result;
}

function matrix(kind: number, dims: number[], ...parts: Uint8Array[]): Uint8Array {
  const int32 = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);
  return element(
    14,
    join(
      element(6, int32(kind, 0)),
      element(5, int32(...dims)),
      element(1, new TextEncoder().encode("x")),
      ...parts,
    ),
  );
}

/** A compressed element, which is not padded. */
function packed(data: Uint8Array): Uint8Array {
  const bytes = deflateSync(data);
  return element(15, bytes).slice(0, 8 + bytes.length);
}

const refuse = (bytes: Uint8Array<ArrayBuffer>, message: RegExp, limit?: number) =>
  throws(() => readMat(bytes, { source: "x.mat", ...(limit && { limit }) }), (error) => {
    ok(error instanceof MatError, String(error));
    match(error.message, message);
    return true;
  });

Deno.test("readMat() says what a file is that it cannot read", () => {
  refuse(new Uint8Array(20), /"x.mat": a MATLAB level-5 file begins with 128 bytes.*it has 20/);
  refuse(new Uint8Array(200), /not a MATLAB level-5 file.*save it with -v7/);
  const hdf5 = file();
  hdf5.set([0, 2], 124);
  refuse(hdf5, /version 7.3 \(HDF5\) file; in MATLAB, save it with -v7/);
});

Deno.test("readMat() refuses lengths that lie, with the place, the claim and what remains", () => {
  refuse(
    file(element(14, new Uint8Array(312), 9_000_000)),
    /element at byte 128 claims 9,000,000 bytes, 312 remain/,
  );
  refuse(file(matrix(6, [-1, 2])), /element at byte 152 claims a dimension of -1/);
  refuse(
    file(matrix(6, [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1])),
    /claims dimensions 2147483647 × 2147483647/,
  );
  refuse(
    file(matrix(6, [1000, 1000], element(9, new Uint8Array(16)))),
    /holds 16 bytes, 1,000,000 numbers of double take 8,000,000/,
  );
  refuse(
    file(matrix(1, [1, 2 ** 30])),
    /first of 1,073,741,824 arrays, which do not fit in the 0 bytes/,
  );
  refuse(
    file(packed(element(14, new Uint8Array(100), 2 ** 31))),
    /claim to unpack to 2,147,483,656, which cannot be/,
  );
  refuse(
    file(packed(element(14, new Uint8Array(100), 90))),
    /cannot be unpacked|claims|unpacks to/,
  );
  const zip = packed(matrix(6, [0, 0]));
  refuse(file(zip.slice(0, -4)), /claims \d+ bytes, \d+ remain/);
});

Deno.test("readMat() names the place inside compressed data", () => {
  refuse(
    file(packed(matrix(6, [-1, 2]))),
    /element at byte 24 of the data unpacked from byte 128 claims a dimension of -1/,
  );
});

Deno.test("readMat() refuses zip bombs, one by one and all together", () => {
  const bomb = packed(matrix(9, [1, 4_000_000], element(2, new Uint8Array(4_000_000))));
  ok(bomb.length < 10_000);
  refuse(file(bomb), /claims to unpack to 4,000,\d+ bytes, the limit leaves 1,000,000/, 1_000_000);
  refuse(file(bomb, bomb, bomb), /the limit leaves 1,99\d,\d+/, 10_000_000);
});

Deno.test("MatValue ends deep nesting with an error", () => {
  let inner = matrix(6, [0, 0]);
  for (let i = 0; i < 300; i++) inner = matrix(1, [1, 1], inner);
  let value = readMat(file(inner), { source: "x.mat" }).get("x")!;
  throws(() => {
    while (value.kind === "cell") value = value.at(0);
  }, /nested more than 100 cells and structs deep/);
});

Deno.test("readMat() meets thousands of mutated files with values or a MatError", () => {
  const rng = random(1, "mutated mat files");
  const names = Object.keys(expected);
  const files = names.map(read);
  let refused = 0;
  for (let round = 0; round < 4000; round++) {
    const bytes = files[round % files.length].slice();
    const changes = 1 + rng.int(4);
    for (let i = 0; i < changes; i++) {
      const at = 128 + rng.int(bytes.length - 128);
      const kind = rng.int(4);
      if (kind === 0) bytes[at] ^= 1 << rng.int(8);
      else if (kind === 1) bytes[at] = rng.pick([0, 1, 14, 15, 127, 128, 255]);
      else if (kind === 2) bytes.fill(rng.int(256), at, at + rng.int(16));
      else bytes.copyWithin(at, 128 + rng.int(bytes.length - 128), bytes.length);
    }
    const cut = rng.int(4) === 0 ? bytes.slice(0, rng.int(bytes.length)) : bytes;
    try {
      for (const value of readMat(cut, { source: "x.mat", limit: 1 << 24 }).values()) plain(value);
    } catch (error) {
      if (!(error instanceof MatError)) throw error;
      match(error.message, /^Cannot read "x.mat": .+\.$/s);
      refused++;
    }
  }
  ok(refused > 1000, `${refused} of 4000 were refused`);
});

Deno.test("readMat() takes compressed data mutated after unpacking", () => {
  // Behind the checksum, where the mutations above hardly get.
  const rng = random(2, "mutated mat contents");
  const plainFile = read("little.mat");
  for (let round = 0; round < 2000; round++) {
    const bytes = plainFile.slice(128);
    for (let i = 0; i < 1 + rng.int(3); i++) bytes[rng.int(bytes.length)] = rng.int(256);
    const mutated = file(packed(bytes));
    try {
      for (const value of readMat(mutated, { source: "x.mat" }).values()) plain(value);
    } catch (error) {
      if (!(error instanceof MatError)) throw error;
    }
  }
});

Deno.test("readMat() and MatCell.strings() read a hundred thousand paths", () => {
  const paths = Array.from({ length: 100_000 }, (_, i) => `17/${i}_1981-05-05_2009.jpg`);
  const bytes = writeMat("wiki", { full_path: { cell: paths } });
  const wiki = readMat(bytes, { source: "x.mat" }).get("wiki");
  ok(wiki?.kind === "struct");
  deepStrictEqual(wiki.cell("full_path").strings(), paths);
});
