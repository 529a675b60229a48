/** Columns of MATLAB files: what SciPy and others wrote, and what is damaged. */
import { deepStrictEqual, match, ok, rejects, throws } from "node:assert/strict";
import { deflateSync } from "node:zlib";
import { random } from "../../../packages/random/random.ts";
import {
  MatError,
  type MatField,
  type MatFile,
  readMatStruct,
} from "../../../packages/formats/mat.ts";
import { writeMat } from "../../../packages/formats/mat_write.ts";

const folder = new URL("./fixtures/", import.meta.url);
const read = (name: string) => Deno.readFileSync(new URL(name, folder));
const expected: Record<string, Record<string, Value>> = JSON.parse(
  Deno.readTextFileSync(new URL("mat.json", folder)),
);
/** A value in mat.json; infinite numbers and large integers are texts. */
interface Value {
  readonly class?: string;
  readonly data?: readonly (number | string)[];
  readonly imaginary?: unknown;
  readonly rows?: readonly string[];
  readonly cell?: unknown;
}

function fileOf(bytes: Uint8Array<ArrayBuffer>): MatFile {
  return { size: bytes.length, read: (at, length) => bytes.slice(at, at + length) };
}

/** Reads the struct `x`, each field by `decode`. */
async function columns(
  bytes: Uint8Array<ArrayBuffer>,
  decode: (field: MatField) => unknown,
  names: readonly string[] = ["a"],
  limit?: number,
): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const take = names.map((name) => [name, (field: MatField) => found[name] = decode(field)]);
  const options = { source: "x.mat", variable: "x", ...(limit && { limit }) };
  await readMatStruct(fileOf(bytes), options, Object.fromEntries(take));
  return found;
}

const strings = (field: MatField) => {
  const texts = field.cell().texts();
  return Array.from({ length: texts.length }, (_, i) => texts.at(i));
};

Deno.test("numbers(), texts() decode each storage type, in both byte orders", async () => {
  for (const [name, little] of [["little.mat", true], ["big.mat", false]] as const) {
    const bytes = read(name), view = new DataView(bytes.buffer);
    for (let at = 128, i = 0; at < bytes.length; i++) {
      const size = 8 + view.getUint32(at + 4, little);
      const [variable, value] = Object.entries(expected[name])[i];
      const array = bytes.slice(at, at + size);
      at += size;
      if (value.class) {
        const { a } = await columns(
          file(little, struct(little, array)),
          (field) => field.numbers(),
        );
        deepStrictEqual(Array.from(a as Float64Array), value.data!.map(Number), variable);
      } else if (value.rows?.length === 1) {
        const cell = matrix(little, 1, [1, 1], array);
        const { a } = await columns(file(little, struct(little, cell)), strings);
        deepStrictEqual(a, value.rows, variable);
      }
    }
  }
});

Deno.test("writeMat() writes what readMatStruct() reads", async () => {
  const fields = {
    dob: [711724, NaN, -Infinity],
    name: { cell: ["Ada", "", "Émile 名 😀"] },
    face_location: { cell: [[1, 2, 3, 4], [], new Float64Array([5, 6, 7, 8])] },
  };
  const bytes = writeMat("x", fields);
  const four = [NaN, NaN, NaN, NaN];
  deepStrictEqual(await columns(bytes, (field) => [...field.numbers()], ["dob"]), {
    dob: fields.dob,
  });
  deepStrictEqual(await columns(bytes, strings, ["name"]), { name: fields.name.cell });
  deepStrictEqual(
    await columns(bytes, (field) => [...field.cell().numbers(4)], ["face_location"]),
    { face_location: [1, 2, 3, 4, ...four, 5, 6, 7, 8] },
  );
  deepStrictEqual(bytes, writeMat("x", fields), "the same values give the same bytes");
});

Deno.test("writeMat() refuses names that MATLAB does not know", () => {
  throws(() => writeMat("1st", {}), /variable or field "1st": names are a letter/);
  throws(() => writeMat("a", { ["x".repeat(32)]: [] }), /at most 31 in all/);
});

// Hostile and damaged files.

/** A file of the given top-level bytes. */
function file(little: boolean, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(128);
  header[little ? 125 : 124] = 1;
  header.set(new TextEncoder().encode(little ? "IM" : "MI"), 126);
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

function element(little: boolean, type: number, data: Uint8Array, claimed = data.length) {
  const result = new Uint8Array(8 + Math.ceil(data.length / 8) * 8);
  new DataView(result.buffer).setUint32(0, type, little);
  new DataView(result.buffer).setUint32(4, claimed, little);
  result.set(data, 8);
  return result;
}

function int32(little: boolean, ...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, i) => new DataView(bytes.buffer).setInt32(4 * i, value, little));
  return bytes;
}

function matrix(little: boolean, kind: number, dims: number[], ...parts: Uint8Array[]) {
  return element(
    little,
    14,
    join(
      element(little, 6, int32(little, kind, 0)),
      element(little, 5, int32(little, ...dims)),
      element(little, 1, new TextEncoder().encode("x")),
      ...parts,
    ),
  );
}

/** A struct with the field `a`. */
function struct(little: boolean, value: Uint8Array): Uint8Array {
  const width = element(little, 5, int32(little, 32)), name = new Uint8Array(32);
  name[0] = "a".charCodeAt(0);
  return matrix(little, 2, [1, 1], width, element(little, 1, name), value);
}

/** A compressed element, which is not padded. */
function packed(data: Uint8Array): Uint8Array {
  const bytes = deflateSync(data);
  return element(true, 15, bytes).slice(0, 8 + bytes.length);
}

const refuse = (
  bytes: Uint8Array<ArrayBuffer>,
  message: RegExp,
  decode: (field: MatField) => unknown = (field) => field.numbers(),
) =>
  rejects(columns(bytes, decode), (error) => {
    ok(error instanceof MatError, String(error));
    match(error.message, message);
    return true;
  });

Deno.test("readMatStruct() says what a file is that it cannot read", async () => {
  const short = /"x.mat": a MATLAB level-5 file begins with 128 bytes.*it has 20/;
  await refuse(new Uint8Array(20), short);
  await refuse(new Uint8Array(200), /not a MATLAB level-5 file.*save it with -v7/);
  const hdf5 = file(true);
  hdf5.set([0, 2], 124);
  await refuse(hdf5, /version 7.3 \(HDF5\) file; in MATLAB, save it with -v7/);
});

Deno.test("readMatStruct() refuses lengths that lie, with place, claim and what remains", async () => {
  await refuse(
    file(true, element(true, 14, new Uint8Array(312), 9_000_000)),
    /element at byte 128 claims 9,000,000 bytes, 312 remain/,
  );
  const of = (kind: number, dims: number[], ...parts: Uint8Array[]) =>
    file(true, struct(true, matrix(true, kind, dims, ...parts)));
  await refuse(of(6, [-1, 2]), /element at byte \d+ claims a dimension of -1/);
  await refuse(of(6, Array(3).fill(2 ** 31 - 1)), /claims dimensions 2147483647 × 2147483647/);
  await refuse(
    of(6, [1000, 1000], element(true, 9, new Uint8Array(16))),
    /holds 16 bytes, 1,000,000 numbers of 8 bytes take 8,000,000/,
  );
  await refuse(
    of(1, [1, 2 ** 30]),
    /first of 1,073,741,824 arrays, which do not fit in the 0 bytes/,
    strings,
  );
  await refuse(of(4, [1, 1], element(true, 16, new Uint8Array(1))), /of kind char, expected real/);
  const cells = of(1, [1, 1], matrix(true, 6, [1, 1], element(true, 9, new Uint8Array(8))));
  await refuse(cells, /part 0 of a cell, is not 4 numbers/, (field) => field.cell().numbers(4));
  await refuse(cells, /part 0 of a cell, is not a row of text/, strings);
  await refuse(
    file(true, packed(element(true, 14, new Uint8Array(100), 2 ** 31))),
    /claim to unpack to 2,147,483,656, which cannot be/,
  );
  await refuse(
    file(true, packed(struct(true, matrix(true, 6, [-1, 2])))),
    /element at byte \d+ of the data unpacked from byte 128 claims a dimension of -1/,
  );
  const zip = packed(matrix(true, 6, [0, 0]));
  await refuse(file(true, zip.slice(0, -4)), /claims \d+ bytes, \d+ remain/);
});

Deno.test("readMatStruct() refuses zip bombs", async () => {
  const zeros = element(true, 2, new Uint8Array(4_000_000));
  const bomb = packed(matrix(true, 9, [1, 4_000_000], zeros));
  ok(bomb.length < 10_000);
  await rejects(
    columns(file(true, bomb), (field) => field.numbers(), ["a"], 1_000_000),
    /claims to unpack to 4,000,\d+ bytes, the limit leaves 1,000,000/,
  );
});

Deno.test("readMatStruct() meets thousands of mutated files with columns or a MatError", async () => {
  const rng = random(1, "mutated mat files");
  const files = ["little.mat", "big.mat", "big_compressed.mat"].map(read);
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
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
      await readMatStruct(fileOf(cut), { source: "x.mat", variable: "wiki", limit: 1 << 24 }, {
        dob: (field) => field.numbers(),
        name: strings,
        face_location: (field) => field.cell().numbers(4),
      });
    } catch (error) {
      match((error as Error).message, /^Cannot (read|use) "x.mat": .+\.$/s);
      refused++;
    }
  }
  ok(refused > 1000, `${refused} of 3000 were refused`);
});
