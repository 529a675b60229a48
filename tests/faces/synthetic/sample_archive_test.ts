import { deepStrictEqual, equal, ok, rejects } from "node:assert/strict";
import sharp from "sharp";
import { type MatField, readMat } from "../../../packages/formats/mat.ts";
import { RandomAccessFile } from "../../../packages/formats/random_access_file.ts";
import { scanTar } from "../../../packages/formats/tar.ts";
import { drawSample, sampleArchive } from "../../../faces/synthetic/sample_archive.ts";
import { planSample } from "../../../faces/synthetic/sample_archive.ts";

/** What sharp says of each kind of picture that is damaged on purpose. */
const damaged: Record<string, RegExp> = {
  truncated: /premature end of JPEG image/,
  empty: /is empty/,
  notImage: /unsupported image format/,
};

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const quiet = { signal: new AbortController().signal, progress: { start() {}, advance() {} } };

Deno.test("drawSample() writes IMDB-WIKI's layout, the flaws where the plan has them", async () => {
  await withFolder(async (folder) => {
    let left = NaN;
    const start = (total: number) => void (left = total);
    const advance = (items = 1) => void (left -= items);
    await drawSample(folder, 9, { ...quiet, seed: 7, progress: { start, advance } });
    const rows = planSample(7, 9);
    equal(left, 0);

    using tar = new RandomAccessFile(`${folder}/${sampleArchive}`);
    const files = new Map([...scanTar(tar)].map((entry) => [entry.path, entry]));
    const bytes = (path: string) => {
      const { offset, size } = files.get(`sample_crop/${path}`)!;
      return tar.read(offset, size);
    };
    const mat = bytes("sample.mat");
    const numbers = (expected: (row: typeof rows[number]) => number) => (field: MatField) =>
      deepStrictEqual([...field.numbers()], rows.map(expected));
    const file = {
      size: mat.length,
      read: (offset: number, length: number) => mat.slice(offset, offset + length),
    };
    const fields = await readMat(file, { source: "sample.mat", variable: "sample" }, {
      full_path: (field) => deepStrictEqual(field.cell().strings(), rows.map(({ path }) => path)),
      name: (field) => deepStrictEqual(field.cell().strings(), rows.map(({ name }) => name)),
      dob: numbers(({ dob }) => dob),
      gender: numbers(({ gender }) => gender),
      face_score: numbers(({ score }) => score),
      face_location: (field) => equal(field.cell().numbers(4).length, 4 * rows.length),
    });
    deepStrictEqual([...fields], [
      "dob",
      "photo_taken",
      "full_path",
      "gender",
      "name",
      "face_location",
      "face_score",
      "second_face_score",
    ]);

    equal(files.size, 1 + rows.length - 1); // the .mat, and all rows but the missing one
    for (const { kind, path } of rows) {
      const there = files.has(`sample_crop/${path}`);
      equal(there, kind !== "missing");
      if (!there) continue;
      const decode = async () =>
        await sharp(bytes(path), { failOn: "truncated" }).raw().toBuffer({
          resolveWithObject: true,
        });
      if (kind in damaged) {
        await rejects(decode, { message: damaged[kind] });
      } else {
        const { info } = await decode();
        deepStrictEqual([info.width, info.height, info.channels], [256, 256, 3]);
      }
    }
  });
});

Deno.test("drawSample() gives the same bytes for the same seed, others for another", async () => {
  await withFolder(async (folder) => {
    const draw = async (seed: number) => {
      await drawSample(folder, 2, { ...quiet, seed });
      return await Deno.readFile(`${folder}/${sampleArchive}`);
    };
    const [one, again, other] = [await draw(1), await draw(1), await draw(2)];
    ok(one.every((byte, i) => byte === again[i]) && one.length === again.length);
    ok(one.length !== other.length || one.some((byte, i) => byte !== other[i]));
  });
});

Deno.test("drawSample() leaves nothing behind when it is interrupted", async () => {
  await withFolder(async (folder) => {
    const controller = new AbortController();
    const progress = { start() {}, advance: () => controller.abort() };
    await rejects(
      drawSample(folder, 30, { seed: 1, signal: controller.signal, progress }),
      { name: "AbortError" },
    );
    deepStrictEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("drawSample() refuses a number of faces that is none", async () => {
  await rejects(drawSample(".", 0, { ...quiet, seed: 1 }), {
    name: "RangeError",
    message: "Cannot draw 0 synthetic faces: the minimum is 1.",
  });
});
