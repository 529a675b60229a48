import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { random } from "../../../packages/random/random.ts";
import { DamagedEntry, ZipFile } from "../../../packages/formats/zip.ts";
import { rounds } from "../../rounds.ts";

const fixtures = fileURLToPath(new URL("./fixtures/", import.meta.url));
const text = Array.from({ length: 2000 }, (_, n) => `line ${n}\n`).join("");

/** The files of an archive, unpacked. */
async function contents(path: string): Promise<Record<string, string>> {
  using archive = new ZipFile(path);
  const files: Record<string, string> = {};
  for (const entry of archive.entries) {
    files[entry.name] = new TextDecoder().decode(await archive.read(entry));
  }
  return files;
}

Deno.test("ZipFile reads what Python's zipfile wrote: streamed, stored, deflated, zip64", async () => {
  for (const name of ["archive.zip", "archive64.zip"]) {
    assert.deepEqual(await contents(join(fixtures, name)), {
      "folder/packed.txt": text,
      "stored.txt": "stored.txt",
      "grüße.txt": "grüße.txt",
      empty: "",
    }, name);
  }
});

Deno.test("ZipFile reads names as Windows and Linux write them", async () => {
  /** An archive of empty files. @param host 0: DOS and Windows, 3: Unix */
  const write = (host: number, flags: number, names: readonly number[][]) => {
    const entry = (name: readonly number[], directory: boolean) => [
      ...directory ? [0x50, 0x4b, 1, 2, 20, host] : [0x50, 0x4b, 3, 4],
      ...[20, 0, flags & 255, flags >> 8, ...new Array(18).fill(0), name.length, 0, 0, 0],
      ...directory ? new Array(14).fill(0) : [],
      ...name,
    ];
    const locals = names.map((name) => entry(name, false));
    const starts = locals.map((_, i) => locals.slice(0, i).flat().length);
    const directory = names.flatMap((name, i) => {
      const bytes = entry(name, true);
      bytes[42] = starts[i];
      return bytes;
    });
    const [size, start] = [directory.length, locals.flat().length];
    const end = [0x50, 0x4b, 5, 6, 0, 0, 0, 0, names.length, 0, names.length, 0];
    Deno.writeFileSync(
      path,
      Uint8Array.from([
        ...[...locals.flat(), ...directory, ...end],
        ...[size & 255, size >> 8, 0, 0, start & 255, start >> 8, 0, 0, 0, 0],
      ]),
    );
  };
  const path = await Deno.makeTempFile();
  const ascii = (text: string) => [...text].map((one) => one.charCodeAt(0));
  // Code page 437, as of Windows Explorer: both were "M\ufffdller.jpg", one of which was lost.
  write(0, 0, [[77, 0x81, ...ascii("ller.jpg")], [77, 0x94, ...ascii("ller.jpg")], [0xe1, 0xff]]);
  assert.deepEqual(Object.keys(await contents(path)), ["Müller.jpg", "Möller.jpg", "ß\u00a0"]);
  // UTF-8 without its flag, as of macOS.
  write(3, 0, [[...new TextEncoder().encode("Müller.jpg")]]);
  assert.deepEqual(Object.keys(await contents(path)), ["Müller.jpg"]);
  // Backslashes, as of PowerShell 5; on Unix, they are part of a name.
  const names = [ascii("a\\"), ascii("a\\b.jpg")];
  write(0, 0, names);
  assert.deepEqual(Object.keys(await contents(path)), ["a/b.jpg"]);
  write(3, 0x800, [ascii("./"), ascii("././/c.jpg")]);
  assert.deepEqual(Object.keys(await contents(path)), ["c.jpg"]);
  write(3, 0x800, names);
  assert.deepEqual(Object.keys(await contents(path)), ["a\\", "a\\b.jpg"]);
  await Deno.remove(path);
});

Deno.test("ZipFile reads archives behind a program, and large ones of macOS", async () => {
  const path = await Deno.makeTempFile();
  const whole = join(fixtures, "archive.zip"), program = new TextEncoder().encode("#!/bin/sh\n");
  await Deno.writeFile(path, Buffer.concat([program, await Deno.readFile(whole)]));
  assert.deepEqual(await contents(path), await contents(whole));
  /** Writes empty files whose local headers are at `starts`, without zip64. */
  const write = (starts: readonly number[]) => {
    using file = Deno.openSync(path, { write: true, truncate: true });
    const directory = Buffer.alloc(starts.length * 51);
    const local = Buffer.alloc(35);
    for (const [i, start] of starts.entries()) {
      const name = String(i).padStart(5, "0");
      local.writeUInt32LE(0x04034b50, 0);
      local.writeUInt16LE(5, 26);
      local.write(name, 30);
      file.seekSync(start, Deno.SeekMode.Start);
      file.writeSync(local);
      const at = i * 51;
      directory.writeUInt32LE(0x02014b50, at);
      directory.writeUInt16LE(5, at + 28);
      directory.writeUInt32LE(start % 2 ** 32, at + 42);
      directory.write(name, at + 46);
    }
    const end = Buffer.alloc(22), offset = starts.at(-1)! + 35;
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(starts.length % 2 ** 16, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(offset % 2 ** 32, 16);
    file.writeSync(directory);
    file.writeSync(end);
  };
  const many = Array.from({ length: 2 ** 16 + 3 }, (_, i) => 35 * i);
  write(many);
  using archive = new ZipFile(path);
  assert.equal(archive.entries.length, many.length);
  const large = [0, 35, 2 ** 32 + 7, 2 ** 32 + 60, 2 ** 33 + 10];
  write(large); // a sparse file
  using wide = new ZipFile(path);
  assert.deepEqual(wide.entries.map(({ offset }) => offset), large);
  assert.equal(Object.values(await contents(path)).join(), ",,,,");
  await Deno.remove(path);
});

Deno.test("ZipFile says what it cannot read", async () => {
  assert.throws(
    () => new ZipFile(join(fixtures, "bzip2.zip")),
    /Cannot read ".*bzip2\.zip" as a zip archive: "a\.txt" is packed by method 12/,
  );
  assert.throws(() => new ZipFile(join(fixtures, "bzip2.zip")), /; pack it again with deflate\.$/);
  const good = await Deno.readFile(join(fixtures, "archive64.zip"));
  const path = await Deno.makeTempFile();
  const damage = async (change: (bytes: Uint8Array) => Uint8Array, message: RegExp) => {
    await Deno.writeFile(path, change(good.slice()));
    await assert.rejects(contents(path), message);
  };
  await damage((bytes) => bytes.subarray(0, bytes.length - 40), /no directory at its end/);
  await damage((bytes) => bytes.subarray(0, 10), /no directory at its end/);
  const middle = (bytes: Uint8Array) => {
    bytes[200] ^= 0xff;
    return bytes;
  };
  await damage(middle, /Cannot unpack "folder\/packed\.txt" of ".*": .*The archive is damaged/);
  const stored = (bytes: Uint8Array) => {
    const at = new TextDecoder("latin1").decode(bytes).indexOf("stored.txt", 300);
    const data = new TextDecoder("latin1").decode(bytes).indexOf("stored.txt", at + 10);
    bytes[data] ^= 1;
    return bytes;
  };
  const encrypted = (bytes: Uint8Array) => {
    bytes[new TextDecoder("latin1").decode(bytes).lastIndexOf("PK\x01\x02") + 8] |= 1;
    return bytes;
  };
  const part = (bytes: Uint8Array) => {
    const end = new TextDecoder("latin1").decode(bytes).lastIndexOf("PK\x05\x06");
    bytes[end + 4] = 2;
    return bytes;
  };
  await damage(part, /as a zip archive: it is part 3 of a split archive; join all: zip -s 0 /);
  await damage(encrypted, /Cannot unpack ".+" of ".*": it is encrypted\. Unpack/);
  await damage(stored, /Cannot unpack "stored\.txt" of ".*": its checksum is wrong/);
  await Deno.remove(path);
});

Deno.test("ZipFile meets thousands of mutated archives with files or a clear error", async () => {
  const path = await Deno.makeTempFile();
  const wholes = ["archive.zip", "archive64.zip"].map((name) =>
    Deno.readFileSync(join(fixtures, name))
  );
  const rng = random(35, "mutated zips");
  let refused = 0;
  for (let round = 0; round < rounds(3000); round++) {
    const whole = wholes[round % 2];
    const bytes = whole.slice(0, rng.int(10) === 0 ? rng.int(whole.length) : undefined);
    for (let i = rng.int(6); i >= 0 && bytes.length > 0; i--) {
      // Half of it in the directory.
      const tail = rng.int(Math.min(500, bytes.length));
      const at = rng.int(2) === 0 ? rng.int(bytes.length) : bytes.length - 1 - tail;
      bytes.fill(rng.pick([0, 1, 127, 128, 255, rng.int(256)]), at, at + 1 + rng.int(4));
    }
    Deno.writeFileSync(path, bytes);
    await contents(path).catch((error: Error) => {
      assert.ok(error.constructor === Error || error instanceof DamagedEntry, error.stack);
      assert.match(
        error.message,
        /^Cannot (read ".*" as a zip archive|unpack ".*" of ".*"): .*\.$/s,
      );
      refused++;
    });
  }
  await Deno.remove(path);
  assert.ok(refused > rounds(1000), `${refused} of ${rounds(3000)} were refused`);
});
