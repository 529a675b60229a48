import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "../../../packages/random/random.ts";
import { NpyFile, NpyWriter, readNpy, writeNpy } from "../../../packages/formats/npy.ts";
import { rounds } from "../../rounds.ts";

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

function inFolder(test: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    test(join(folder, "test.npy"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("readNpy() reads what NumPy wrote", () => {
  const { data, shape } = readNpy(fixture("float32.npy"), "float32");
  deepStrictEqual(data, Float32Array.of(0, 0.5, 1, 1.5, 2, 2.5));
  deepStrictEqual(shape, [2, 3]);
});

Deno.test("writeNpy() writes the very bytes that NumPy writes", () => {
  inFolder((path) => {
    writeNpy(path, Float32Array.of(0, 0.5, 1, 1.5, 2, 2.5), [2, 3]);
    deepStrictEqual(Deno.readFileSync(path), Deno.readFileSync(fixture("float32.npy")));
  });
});

Deno.test("readNpy() gives back every type and shape that writeNpy() takes", () => {
  inFolder((path) => {
    for (
      const [data, shape] of [
        [Uint8Array.of(0, 255), [2]],
        [Int8Array.of(-128), [1, 1]],
        [Uint16Array.of(65535, 1), [1, 2]],
        [Int16Array.of(-1, 1), [2, 1]],
        [Uint32Array.of(2 ** 32 - 1), [1]],
        [Int32Array.of(-7), []],
        [BigInt64Array.of(-(2n ** 62n)), [1]],
        [BigUint64Array.of(2n ** 63n), [1]],
        [Float32Array.of(0.5, NaN), [2]],
        [Float64Array.of(), [0, 3]],
        [Float32Array.of(), [2, 0]],
      ] as const
    ) {
      writeNpy(path, data, shape);
      const read = readNpy(path);
      deepStrictEqual(read.data, data);
      deepStrictEqual(read.shape, shape);
    }
  });
});

Deno.test("NpyWriter grows by rows that NpyFile reads one by one", () => {
  inFolder((path) => {
    using writer = new NpyWriter(path, "uint8", [2, 2]);
    writer.write(Uint8Array.of(1, 2, 3, 4));
    writer.write(Uint8Array.of(5, 6, 7, 8, 9, 10, 11, 12));
    throws(
      () => writer.write(Uint8Array.of(1)),
      /Cannot append 1 numbers of uint8 to rows of \[2, 2\]/,
    );
    throws(() => writer.write(Int8Array.of(1, 2, 3, 4)), /4 numbers of int8/);
    throws(() => readNpy(path), /not a .npy file/, "not valid before it is closed");
    strictEqual(writer.rows, 3);
    writer.close();

    using file = new NpyFile(path, "uint8");
    deepStrictEqual(file.shape, [3, 2, 2]);
    deepStrictEqual(file.read(1, 1), Uint8Array.of(5, 6, 7, 8));
    deepStrictEqual(file.read(1), Uint8Array.of(5, 6, 7, 8, 9, 10, 11, 12));
    throws(() => file.read(2, 2), /rows 2 to 4 of .* it has 3/);
  });
});

Deno.test("readNpy() says what it cannot read", () => {
  throws(() => readNpy(fixture("float32.npy"), "int32"), /it holds float32, not int32/);
  throws(() => readNpy(fixture("fortran.npy")), /column-major order.*ascontiguousarray/);
  throws(
    () => readNpy(fixture("big_endian.npy")),
    /element type is '>i4', known are little-endian/,
  );
  throws(() => readNpy(fixture("mat.json")), /not a .npy file/);
  inFolder((path) => {
    const whole = Deno.readFileSync(fixture("float32.npy"));
    Deno.writeFileSync(path, whole.slice(0, -4));
    throws(() => readNpy(path), /shape \[2, 3\] of float32 needs 24 bytes, it has 20/);
    whole[9] = 0xff; // a header of 65 thousand bytes
    Deno.writeFileSync(path, whole);
    throws(() => readNpy(path), /its header claims 65,\d+ bytes/);
    throws(() => writeNpy(path, Uint8Array.of(1), [2]), /shape \[2\] does not fit 1 elements/);
  });
});

Deno.test("readNpy() meets thousands of mutated files with an array or a clear error", () => {
  inFolder((path) => {
    writeNpy(path, Float32Array.from({ length: 24 }, (_, i) => i), [2, 3, 4]);
    const whole = Deno.readFileSync(path);
    const rng = random(4, "mutated arrays");
    let refused = 0;
    for (let round = 0; round < rounds(3000); round++) {
      const bytes = whole.slice(0, rng.int(10) === 0 ? rng.int(whole.length) : undefined);
      for (let i = rng.int(4); i >= 0 && bytes.length > 0; i--) {
        bytes[rng.int(Math.min(75, bytes.length))] = rng.int(2) === 0
          ? 48 + rng.int(10)
          : rng.int(256);
      }
      Deno.writeFileSync(path, bytes);
      try {
        readNpy(path);
      } catch (error) {
        strictEqual((error as Error).constructor, Error);
        match((error as Error).message, /^Cannot read ".*test.npy": .*\.$/s);
        refused++;
      }
    }
    ok(refused > rounds(2000), `${refused} of ${rounds(3000)} were refused`);
  });
});

Deno.test("writeNpy() refuses negative sizes, whatever their product", () => {
  inFolder((path) => {
    throws(() => writeNpy(path, new Float32Array(6), [-2, -3]), /\[-2, -3\] does not fit 6/);
  });
});

Deno.test("readNpy() reads single bytes with an order, as cnpy writes them", () => {
  inFolder((path) => {
    writeNpy(path, Uint8Array.of(1, 2), [2]);
    const bytes = Deno.readFileSync(path);
    bytes[bytes.indexOf(0x7c)] = 0x3c; // |u1 to <u1
    Deno.writeFileSync(path, bytes);
    deepStrictEqual(readNpy(path, "uint8").data, Uint8Array.of(1, 2));
  });
});
