/** Reading a struct field by field. */
import { deepStrictEqual, match, ok, rejects } from "node:assert/strict";
import { deflateSync, inflateSync } from "node:zlib";
import { random } from "../../../packages/random/random.ts";
import { MatError, type MatField, type MatFile, readMat } from "../../../packages/formats/mat.ts";
import { writeMat } from "../../../packages/formats/mat_write.ts";

const fixtures = new URL("./fixtures/", import.meta.url);
const fixture = (name: string) => Deno.readFileSync(new URL(name, fixtures));

/** Bytes as a file, which notes how much was read at once at most. */
function fileOf(bytes: Uint8Array<ArrayBuffer>): MatFile & { largest: number } {
  return {
    size: bytes.length,
    largest: 0,
    read(offset, length) {
      this.largest = Math.max(this.largest, length);
      ok(offset >= 0 && offset + length <= bytes.length, "reads inside the file");
      return bytes.slice(offset, offset + length);
    },
  };
}

/** All fields of IMDB-WIKI's struct. */
async function readAll(file: MatFile, limit?: number, variable = "wiki") {
  const found: Record<string, unknown> = {};
  const numbers = (name: string) => [name, (f: MatField) => found[name] = f.numbers()] as const;
  const texts = (name: string) =>
    [name, (f: MatField) => found[name] = f.cell().strings()] as const;
  const options = { source: "x.mat", variable, ...(limit ? { limit } : {}) };
  const names = await readMat(
    file,
    options,
    Object.fromEntries([
      ...["dob", "photo_taken", "gender", "face_score", "second_face_score"].map(numbers),
      ...["full_path", "name"].map(texts),
      ["face_location", (f: MatField) => found.face_location = f.cell().numbers(4)],
    ]),
  );
  return { names, found };
}

Deno.test("readMat() reads SciPy's files and others as they were written", async () => {
  const expected = JSON.parse(new TextDecoder().decode(fixture("mat.json")));
  for (const [name, variables] of Object.entries<Record<string, Variable>>(expected)) {
    const variable = name.startsWith("scipy") ? "record" : "wiki";
    const { fields } = variables[variable];
    const bytes = fixture(name);
    const { names, found } = await readAll(fileOf(bytes), undefined, variable);
    deepStrictEqual(names, Object.keys(fields!), name);
    deepStrictEqual(Array.from(found.dob as Float64Array), fields!.dob[0].data, name);
    const texts = fields!.name[0].parts!.map(({ rows }) => rows?.[0] ?? "");
    deepStrictEqual(found.name, texts, name);
    if (variable === "wiki") {
      const boxes = fields!.face_location[0].parts!.flatMap(({ data }) => data);
      deepStrictEqual(Array.from(found.face_location as Float64Array), boxes, name);
    }
    await rejects(
      readAll(fileOf(bytes), undefined, "x"),
      /it has no struct "x"; it holds .*\(struct\)/,
    );
    if (name.startsWith("scipy")) {
      await rejects(
        readAll(fileOf(bytes), undefined, "sparse"),
        /it holds .*sparse \(sparse matrix\)/,
      );
    }
  }
});

/** A value in mat.json. */
interface Variable {
  fields?: Record<string, Variable[]>;
  parts?: Variable[];
  data?: number[];
  rows?: string[];
}

const rows = 5_000;
const fields = {
  dob: Array.from({ length: rows }, (_, i) => 700_000 + i),
  full_path: { cell: Array.from({ length: rows }, (_, i) => `17/${i}_José_1981-05-05_2009.jpg`) },
  name: { cell: Array.from({ length: rows }, () => "Ada") },
};

/** A file of one compressed element, as `writeMat` writes it, uncompressed. */
function unpacked(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...bytes.subarray(0, 128), ...inflateSync(bytes.subarray(136))]);
}

/** And compressed again. */
function packed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const data = deflateSync(bytes.subarray(128));
  const tag = new Uint8Array(Uint32Array.of(15, data.length).buffer);
  return new Uint8Array([...bytes.subarray(0, 128), ...tag, ...data]);
}

Deno.test("readMat() reads in small pieces, compressed or not", async () => {
  const whole = writeMat("wiki", fields);
  for (const bytes of [whole, unpacked(whole)]) {
    const file = fileOf(bytes);
    const { found } = await readAll(file);
    deepStrictEqual(found.full_path, fields.full_path.cell);
    deepStrictEqual(found.dob, Float64Array.from(fields.dob));
    ok(file.largest <= 1 << 18, `${file.largest} bytes at once`);
  }
});

Deno.test("readMat() refuses what lies, and says where", async () => {
  const bytes = writeMat("wiki", { dob: [1, 2, 3], name: { cell: ["a", "b", "c"] } });
  await rejects(readAll(fileOf(bytes), 100), /claims to unpack to \d+ bytes, the limit leaves 100/);
  await rejects(readAll(fileOf(bytes.slice(0, -9))), /"x.mat": .* claims \d+ bytes, \d+ remain/);
  await rejects(
    readAll(fileOf(bytes.slice(0, 100))),
    /begins with 128 bytes of header, it has 100/,
  );
  const broken = bytes.slice();
  broken.fill(0, 160, 170);
  await rejects(readAll(fileOf(broken)), /element at byte 128 cannot be unpacked/);
  const other = writeMat("imdb", { dob: [1] });
  await rejects(readAll(fileOf(other)), /it has no struct "wiki"; it holds imdb \(struct\)/);
  const wide = writeMat(
    "wiki",
    Object.fromEntries(Array.from("a".repeat(2100), (a, i) => [a + i, []])),
  );
  await rejects(readAll(fileOf(wide)), /has no complete header in its first 65,536 bytes/);
  const odd = writeMat("wiki", { dob: { cell: ["a"] } });
  await rejects(readAll(fileOf(odd)), /field "dob" of kind cell, expected real numbers/);
});

/** A file's bytes from its version on; the text before says nothing. */
function withHeader(rest: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(124 + rest.length).fill(0x20, 0, 116);
  bytes.set(rest, 124);
  return bytes;
}

Deno.test("readMat() says that a struct array is one, and how to make columns of it", async () => {
  // SciPy 1.17.1, savemat(do_compression=True): 1 × 3 structs of dob and gender.
  const array = withHeader(Uint8Array.fromBase64(
    "AAFJTQ8AAABWAAAAeJzjY2BgOMHIwMAGpDmAmIkBAlihfKAUAzOYZmEoz8zOZAXS7FBxPiBOyU8CKU9PzUtJLYKKWTAgzGPDY" +
      "h4MgwAnVBwGKNP/wX5o62dwoNR+AID9Dlk=",
  ));
  await rejects(
    readAll(fileOf(array)),
    /Cannot use "x.mat": its struct "wiki" is an array of 1 × 3 structs; one struct of columns was expected. In MATLAB: wiki = table2struct\(struct2table\(wiki\), 'ToScalar', true\)/,
  );
});

Deno.test("readMat() takes dimensions that are stored unsigned, as SciPy does", async () => {
  // SciPy 1.17.1's struct of dob [1, 2] and gender [0, 1], every miINT32 made miUINT32; its own
  // loadmat() gives the same of it.
  const unsigned = withHeader(inflateSync(Uint8Array.fromBase64(
    "eNpjYPT05WNgYLgBxGxAzAHETAwQAOMzwjELQ3lmdiYbkGaHioH0puQngZSnp+alpBZBxRyQ9LNhMY8JSoMAJxALMMDAB3sow4" +
      "EycxDmAQC6hArZ",
  )));
  const { found } = await readAll(fileOf(unsigned));
  deepStrictEqual(found, { dob: Float64Array.of(1, 2), gender: Float64Array.of(0, 1) });
});

Deno.test("readMat() meets thousands of mutated files with fields or an error of ours", async () => {
  const rng = random(3, "mutated structs");
  const small = unpacked(
    writeMat("wiki", { dob: [1, 2], full_path: { cell: ["x", "yé"] }, gender: [0, 1] }),
  );
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    let bytes = small.slice();
    for (let i = 0; i < 1 + rng.int(3); i++) {
      bytes[128 + rng.int(bytes.length - 128)] = rng.pick([0, 1, 14, 15, 127, 128, 255]);
    }
    if (round % 2 === 0) bytes = packed(bytes); // behind the checksum
    else if (round % 3 === 0) bytes = bytes.slice(0, rng.int(bytes.length));
    try {
      await readAll(fileOf(bytes), 1 << 24);
    } catch (error) {
      const known = error instanceof MatError ||
        /^Cannot use "x.mat": (it has no|its struct "wiki" is an array)/.test(
          String((error as Error).message),
        );
      if (!known) throw error;
      match((error as Error).message, /^Cannot (read|use) "x.mat": .+\.$/s);
      refused++;
    }
  }
  ok(refused > 500, `${refused} of 3000 were refused`);
});
