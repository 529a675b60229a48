import { deepStrictEqual, match, ok, rejects, throws } from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { random } from "../../../packages/random/random.ts";
import { MatError, type MatField, readMat } from "../../../packages/formats/mat.ts";
import { writeMat } from "../../../packages/formats/mat_write.ts";

const folder = new URL("./fixtures/", import.meta.url);
const names = ["scipy.mat", "scipy_compressed.mat", "little.mat", "big.mat", "big_compressed.mat"];
const read = (name: string) => Deno.readFileSync(new URL(name, folder));

/** Calls `take` with fields of a struct. */
async function struct(
  bytes: Uint8Array<ArrayBuffer>,
  variable: string,
  take: Record<string, (field: MatField) => void>,
  limit?: number,
): Promise<void> {
  const file = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
  };
  await readMat(file, { source: "x.mat", variable, ...limit && { limit } }, take);
}

Deno.test("MatCell.strings() and numbers() decode a column at once", async () => {
  for (const name of names.slice(2)) {
    await struct(read(name), "wiki", {
      name(field) {
        deepStrictEqual(field.cell().strings(), ["x", ""]);
        throws(() => field.cell().numbers(4), /\(part 0 of a cell\) is not 4 numbers/);
      },
      face_location(field) {
        deepStrictEqual([...field.cell().numbers(4)], [1, 2, 300, 400, 1, 2, 300, 400]);
        throws(() => field.cell().strings(), /\(part 0 of a cell\) is not a row of text/);
      },
      dob(field) {
        deepStrictEqual(field.numbers(), Float64Array.of(711724, 712703));
        throws(() => field.cell(), /field "dob" of kind numeric, expected a cell/);
      },
    });
  }
});

Deno.test("writeMat() writes what readMat() reads", async () => {
  const columns = {
    dob: [711724, NaN, -Infinity],
    name: { cell: ["Ada", "", "Émile 名 😀"] },
    face_location: { cell: [[1, 2, 3, 4], [], new Float64Array([5, 6, 7, 8])] },
  };
  const bytes = writeMat("sample", columns);
  const four = [NaN, NaN, NaN, NaN];
  let taken = 0;
  await struct(bytes, "sample", {
    dob: (field) => deepStrictEqual([...field.numbers()], columns.dob, `${taken++}`),
    name: (field) => deepStrictEqual(field.cell().strings(), columns.name.cell, `${taken++}`),
    face_location(field) {
      taken++;
      deepStrictEqual([...field.cell().numbers(4)], [1, 2, 3, 4, ...four, 5, 6, 7, 8]);
    },
  });
  deepStrictEqual(taken, 3);
  const same = { ...columns, face_location: { cell: [[1, 2, 3, 4], [], [5, 6, 7, 8]] } };
  deepStrictEqual(bytes, writeMat("sample", same), "the same values give the same bytes");
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

const ascii = (text: string) => new TextEncoder().encode(text);
const int32 = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);

function matrix(kind: number, dims: number[], ...parts: Uint8Array[]): Uint8Array {
  return element(
    14,
    join(element(6, int32(kind, 0)), element(5, int32(...dims)), element(1, ascii("x")), ...parts),
  );
}

/** A struct "x" with one field "f". */
function structOf(value: Uint8Array): Uint8Array {
  const width = new Uint8Array(Int32Array.of(5 | 4 << 16, 8).buffer);
  return matrix(2, [1, 1], width, element(1, ascii("f\0\0\0\0\0\0\0")), value);
}

/** A compressed element, which is not padded. */
function packed(data: Uint8Array): Uint8Array {
  const bytes = deflateSync(data);
  return element(15, bytes).slice(0, 8 + bytes.length);
}

const use = (bytes: Uint8Array<ArrayBuffer>, limit?: number) =>
  struct(bytes, "x", {
    f(field) {
      try {
        field.numbers();
      } catch {
        field.cell().strings();
      }
    },
  }, limit);

const refuse = (bytes: Uint8Array<ArrayBuffer>, message: RegExp, limit?: number) =>
  rejects(use(bytes, limit), (error: Error) => {
    ok(error instanceof MatError, String(error));
    match(error.message, message);
    return true;
  });

Deno.test("readMat() says what a file is that it cannot read", async () => {
  await refuse(
    new Uint8Array(20),
    /"x.mat": a MATLAB level-5 file begins with 128 bytes.*it has 20/,
  );
  await refuse(new Uint8Array(200), /not a MATLAB level-5 file.*save it with -v7/);
  const hdf5 = file();
  hdf5.set([0, 2], 124);
  await refuse(hdf5, /version 7.3 \(HDF5\) file; in MATLAB, save it with -v7/);
  await refuse(file(element(9, new Uint8Array(8))), /is of type 9; a variable was expected/);
});

Deno.test("readMat() reads numbers and text of every storage type", async () => {
  const numbers = new Map<number, Uint8Array>([
    [1, Uint8Array.of(255, 7)],
    [3, new Uint8Array(Int16Array.of(-1, 7).buffer)],
    [5, int32(-1, 7)],
    [7, new Uint8Array(Float32Array.of(-1, 7).buffer)],
    [9, new Uint8Array(Float64Array.of(-1, 7).buffer)],
    [12, new Uint8Array(BigInt64Array.of(-1n, 7n).buffer)],
  ]);
  for (const [type, data] of numbers) {
    const value = matrix(6, [1, 2], element(type, data));
    await struct(file(structOf(value)), "x", {
      f: (field) => deepStrictEqual([...field.numbers()], [-1, 7], `${type}`),
    });
  }
  const texts = new Map<number, Uint8Array>([
    [2, Uint8Array.of(0xe9, 0x61)],
    [4, new Uint8Array(Uint16Array.of(0xe9, 0x61).buffer)],
    [16, new TextEncoder().encode("éa")],
    [18, int32(0xe9, 0x61)],
  ]);
  for (const [type, data] of texts) {
    const cell = matrix(1, [1, 1], matrix(4, [1, 2], element(type, data)));
    await struct(file(structOf(cell)), "x", {
      f: (field) => deepStrictEqual(field.cell().strings(), ["éa"], `${type}`),
    });
  }
});

Deno.test("readMat() refuses lengths that lie, with the place, the claim and what remains", async () => {
  await refuse(
    file(element(14, new Uint8Array(312), 9_000_000)),
    /element at byte 128 claims 9,000,000 bytes, 312 remain/,
  );
  await refuse(file(matrix(6, [-1, 2])), /element at byte 152 claims a dimension of -1/);
  await refuse(
    file(matrix(6, [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1])),
    /claims dimensions 2147483647 × 2147483647/,
  );
  const numbers = matrix(6, [1000, 1000], element(9, new Uint8Array(16)));
  await struct(file(structOf(numbers)), "x", {
    f: (field) =>
      throws(
        () => field.numbers(),
        /element at byte 2\d\d holds 16 bytes, 1,000,000 numbers of double take 8,000,000/,
      ),
  });
  await refuse(
    file(structOf(matrix(1, [1, 2 ** 30]))),
    /first of 1,073,741,824 arrays, which do not fit in the 0 bytes/,
  );
  await refuse(
    file(packed(element(14, new Uint8Array(100), 2 ** 31))),
    /claim to unpack to 2,147,483,656, which cannot be/,
  );
  const lying = structOf(matrix(6, [0, 0]));
  new DataView(lying.buffer).setUint32(4, lying.length - 16, true);
  await refuse(file(packed(lying)), /claims|unpacks to more than/);
  const zip = packed(matrix(6, [0, 0]));
  await refuse(file(zip.slice(0, -4)), /claims \d+ bytes, \d+ remain/);
});

Deno.test("readMat() names the place inside compressed data", async () => {
  await refuse(
    file(packed(matrix(6, [-1, 2]))),
    /element at byte 24 of the data unpacked from byte 128 claims a dimension of -1/,
  );
});

Deno.test("readMat() refuses a zip bomb", async () => {
  const bomb = packed(matrix(9, [1, 4_000_000], element(2, new Uint8Array(4_000_000))));
  ok(bomb.length < 10_000);
  await refuse(
    file(bomb),
    /claims to unpack to 4,000,\d+ bytes, the limit leaves 1,000,000/,
    1_000_000,
  );
});

const isOurs = (error: Error) =>
  error instanceof MatError || /^Cannot use "x.mat": /.test(error.message);

/** Reads both structs of the fixtures as far as they go. */
async function readBoth(bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const some = (field: MatField) => {
    try {
      field.numbers();
    } catch (error) {
      if (!isOurs(error as Error)) throw error;
      try {
        field.cell().strings();
      } catch (error) {
        if (!isOurs(error as Error)) throw error;
        field.cell().numbers(4);
      }
    }
  };
  try {
    for (const variable of ["wiki", "record"]) {
      await struct(bytes, variable, {
        dob: some,
        name: some,
        face_location: some,
      }, 1 << 24).catch((error) => {
        if (!/it has no struct/.test(error.message)) throw error;
      });
    }
    return true;
  } catch (error) {
    if (!isOurs(error as Error)) throw error;
    match((error as Error).message, /^Cannot (read|use) "x.mat": .+\.$/s);
    return false;
  }
}

Deno.test("readMat() meets thousands of mutated files with values or an error of ours", async () => {
  const rng = random(1, "mutated mat files");
  const files = names.map(read);
  let refused = 0;
  for (let round = 0; round < 2000; round++) {
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
    if (!await readBoth(cut)) refused++;
  }
  ok(refused > 500, `${refused} of 2000 were refused`);
});

Deno.test("readMat() takes compressed data mutated after unpacking", async () => {
  // Behind the checksum, where the mutations above hardly get.
  const rng = random(2, "mutated mat contents");
  const whole = read("little.mat");
  const tags: number[] = [];
  for (
    let at = 128;
    at < whole.length;
    at += 8 + new DataView(whole.buffer).getUint32(at + 4, true)
  ) {
    tags.push(at);
  }
  for (let round = 0; round < 1000; round++) {
    const bytes = whole.slice(tags.at(-1)); // the struct
    for (let i = 0; i < 1 + rng.int(3); i++) bytes[8 + rng.int(bytes.length - 8)] = rng.int(256);
    await readBoth(file(packed(bytes)));
  }
});

Deno.test("MatCell.strings() reads a hundred thousand paths", async () => {
  const paths = Array.from({ length: 100_000 }, (_, i) => `17/${i}_1981-05-05_2009.jpg`);
  const bytes = writeMat("wiki", { full_path: { cell: paths } });
  await struct(bytes, "wiki", {
    full_path: (field) => deepStrictEqual(field.cell().strings(), paths),
  });
});
