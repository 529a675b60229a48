import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { random } from "../../../packages/random/random.ts";
import { RandomAccessFile } from "../../../packages/formats/random_access_file.ts";
import { scanTar, TarError, TarWriter } from "../../../packages/formats/tar.ts";
import { rounds } from "../../rounds.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Calls with a path in a folder that goes afterwards. */
function inFolder(test: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    test(join(folder, "test.tar"));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** All entries with their contents, read by offset. */
function contents(path: string): [string, string][] {
  using archive = new RandomAccessFile(path);
  return Array.from(
    scanTar(archive),
    ({ path, offset, size }) => [path, new TextDecoder().decode(archive.read(offset, size))],
  );
}

interface Header {
  name: string;
  type?: string;
  data?: string;
  /** In place of the true size. */
  size?: string | Uint8Array;
  magic?: string;
  prefix?: string;
  link?: string;
  sum?: (bytes: Uint8Array) => number;
}

/** An entry of any kind, its checksum right unless told otherwise. */
function entry(
  { name, type = "0", data = "", size, magic, prefix = "", link = "", sum }: Header,
): Uint8Array {
  const content = bytes(data);
  const header = new Uint8Array(512);
  header.set(bytes(name));
  header.set(bytes("0000644\0"), 100);
  const length = size ?? content.length.toString(8).padStart(11, "0");
  header.set(typeof length === "string" ? bytes(length) : length, 124);
  header.set(bytes("        "), 148);
  header.set(bytes(type), 156);
  header.set(bytes(magic ?? "ustar\x0000"), 257);
  header.set(bytes(link), 157);
  header.set(bytes(prefix), 345);
  const total = sum?.(header) ?? header.reduce((a, b) => a + b, 0);
  header.set(bytes(total.toString(8).padStart(6, "0") + "\0 "), 148);
  const padded = new Uint8Array(Math.ceil(content.length / 512) * 512);
  padded.set(content);
  return new Uint8Array([...header, ...padded]);
}

function write(path: string, ...entries: (Header | Uint8Array)[]): void {
  const parts = entries.map((part) => part instanceof Uint8Array ? part : entry(part));
  Deno.writeFileSync(path, new Uint8Array(parts.flatMap((part) => [...part])));
}

/** A PAX header of one record; these are all shorter than 98 bytes. */
function pax(key: string, value: string, type = "x"): Header {
  const record = ` ${key}=${value}\n`;
  return { name: "pax", type, data: `${bytes(record).length + 2}${record}` };
}

const end = new Uint8Array(1024);

Deno.test("TarWriter writes what scanTar() reads, with long and foreign names", () => {
  inFolder((path) => {
    const files: [string, string][] = [
      ["a.txt", "hello"],
      ["folder/empty", ""],
      [`${"long/".repeat(60)}name.jpg`, "x".repeat(512)],
      ["Émile/名前.jpg", "y".repeat(513)],
    ];
    using tar = new TarWriter(path);
    const entries = files.map(([name, text]) => tar.add(name, bytes(text)));
    tar.close();
    deepStrictEqual(contents(path), files);
    using archive = new RandomAccessFile(path);
    deepStrictEqual([...scanTar(archive)], entries);
    strictEqual(tar.size, archive.size);
  });
});

Deno.test("TarWriter gives the same bytes for the same entries", () => {
  inFolder((path) => {
    const write = () => {
      using tar = new TarWriter(path);
      tar.add("名.jpg", bytes("x"));
      tar.close();
      return Deno.readFileSync(path);
    };
    deepStrictEqual(write(), write());
  });
});

Deno.test("TarWriter refuses paths that do not stay inside", () => {
  inFolder((path) => {
    using tar = new TarWriter(path);
    for (const name of ["", "../x", "/x", "a/../../x", "./x", "folder/", "a\0b"]) {
      throws(() => tar.add(name, bytes("")), /Cannot add/, name);
    }
  });
});

Deno.test("scanTar() knows GNU long names, PAX headers, prefixes and plain old headers", () => {
  inFolder((path) => {
    const long = "n".repeat(150);
    write(
      path,
      { name: "label of the archive", type: "V" },
      { name: "folder/", type: "5" },
      { name: "incremental/", type: "D", data: "Yname\0\0" },
      { name: "././@LongLink", type: "L", data: `${long}\0` },
      { name: long.slice(0, 100), data: "gnu" },
      pax("path", "päx.jpg"),
      { name: "cut", data: "pax" },
      pax("comment", "global", "g"),
      { name: "name.jpg", prefix: "some/prefix", data: "ustar" },
      { name: "old.jpg", type: "\0", magic: "\0\0\0\0\0\0", data: "v7" },
      { name: "./here.jpg", data: "dot" },
      end,
    );
    deepStrictEqual(contents(path), [
      [long, "gnu"],
      ["päx.jpg", "pax"],
      ["some/prefix/name.jpg", "ustar"],
      ["old.jpg", "v7"],
      ["here.jpg", "dot"],
    ]);
  });
});

/**
 * `tar --format=posix --xattrs -c wiki_crop` of GNU tar 1.34, gzipped: 17/b.jpg has an attribute of the
 * bytes 01 02 00 cf 24 37, and 17/a.jpg is a hard link to it.
 */
const linked = Uint8Array.fromBase64(
  "H4sIAAAAAAACA+3VMQ7CIBgF4F9HT8HgXKGAnZxcNHFzcjLVqKkONZSmvaVXsjqYiFGnUm3ft0ACCSEvD4rk" +
    "lKy3Jj2PqDa8Eml9Hyvu+DoXknNJTJMHeWZjUx1v0tR+2vdt3b3cnyge+Yto9Dv5hzJE/t7zL+vLf6zU+/yV" +
    "mz9Xekys9Jk/dZMM2XI6my9WQRlba4I825nAxMWk16fLMBoQtNpT/zfB8XxooP9cO/1XQnNi3Gf/O/r+7xOT" +
    "WdQA/b/1P26q/+7/H0kuiAkfj1PH+w8AAAAAAAAAAAAAAADtcgXAQp0gACgAAA==",
);

Deno.test("scanTar() passes over binary attributes and takes a hard link for its file", () => {
  inFolder((path) => {
    Deno.writeFileSync(path, gunzipSync(linked));
    deepStrictEqual(contents(path), [
      ["wiki_crop/17/b.jpg", "first"],
      ["wiki_crop/17/a.jpg", "first"],
    ]);
    const attribute = entry(pax("SCHILY.xattr.com.apple.quarantine", "??"));
    attribute.set([0xff, 0xcf], attribute.indexOf(0x3d, 512) + 1);
    const long = `${"long/".repeat(30)}file`;
    write(
      path,
      { name: "first", data: "one" },
      { name: "./@LongLink", type: "L", data: `${long}\0` },
      { name: "cut", data: "two" },
      attribute,
      { name: "third", type: "1", link: "./first" },
      { name: "./@LongLink", type: "K", data: `${long}\0` },
      { name: "fourth", type: "1", link: "cut" },
      pax("linkpath", "fourth"),
      { name: "fifth", type: "1", link: "cut" },
      end,
    );
    deepStrictEqual(contents(path).slice(2), [["third", "one"], ["fourth", "two"], [
      "fifth",
      "two",
    ]]);
  });
});

Deno.test("scanTar() reads sizes in base 256 and in PAX headers", () => {
  inFolder((path) => {
    const size = new Uint8Array(12);
    size.set([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    write(
      path,
      { name: "big", data: "hello", size },
      pax("size", "00005"),
      { name: "paxed", data: "world", size: "00000000000" },
      end,
    );
    deepStrictEqual(contents(path), [["big", "hello"], ["paxed", "world"]]);
  });
});

Deno.test("scanTar() refuses what leads outside or is no plain file", () => {
  const cases: [string, (Header | Uint8Array)[], RegExp][] = [
    ["absolute", [{ name: "/etc/passwd" }], /path "\/etc\/passwd" leads outside the archive/],
    ["parent", [{ name: "a/../../x" }], /"a\/..\/..\/x" leads outside/],
    ["backslash", [{ name: "..\\x" }], /leads outside/],
    ["drive", [{ name: "C:/x" }], /leads outside/],
    ["macOS", [{ name: "a/Icon\r" }], /"a\/Icon\\r" has a control character; rename or remove/],
    [
      "PAX",
      [pax("path", "../x"), { name: "x" }],
      /"..\/x" leads outside/,
    ],
    ["GNU", [{ name: "l", type: "L", data: "/x\0" }, { name: "x" }], /"\/x" leads outside/],
    [
      "symbolic link",
      [{ name: "x", type: "2" }],
      /"x" is a symbolic link; only files and folders are supported; pack it again/,
    ],
    [
      "hard link to nothing",
      [{ name: "x", type: "1", link: "y" }, { name: "y" }],
      /"x" is a hard link to "y", which is not an earlier file; pack it again .*--hard-dereference/,
    ],
    ["hard link outside", [{ name: "x", type: "1", link: "../y" }], /"..\/y" leads outside/],
    [
      "hard link with data",
      [{ name: "y" }, { name: "x", type: "1", link: "y", data: "z" }],
      /"x" is a hard link to "y"/,
    ],
    ["long link", [{ name: "l", type: "K", data: "/y\0" }, { name: "x", type: "2" }], /symbolic/],
    ["device", [{ name: "x", type: "3" }], /a character device/],
    ["pipe", [{ name: "x", type: "6" }], /a named pipe/],
    ["sparse", [{ name: "x", type: "S" }], /"x" is a sparse file; .*-S/],
    [
      "PAX sparse",
      [pax("GNU.sparse.major", "1"), { name: "x" }],
      /"x" is a sparse file; .*--no-read-sparse/,
    ],
    [
      "PAX sparse of a name",
      [pax("GNU.sparse.name", "x"), { name: "GNUSparseFile.1/x" }],
      /"x" is a sparse file/,
    ],
    ["unknown", [{ name: "x", type: "Z" }], /an entry of type "Z"/],
    ["nameless", [{ name: "", data: "x" }], /no name/],
    ["not UTF-8", [{ name: "ä".repeat(50) + "x" }], /not UTF-8: "aÿc"; rename/],
  ];
  for (const [name, entries, message] of cases) {
    inFolder((path) => {
      if (name === "not UTF-8") {
        const broken = entry({ name: "abc", sum: () => 0 });
        broken[1] = 0xff;
        const sum = broken.reduce((a, b, i) => a + (i >= 148 && i < 156 ? 32 : b), 0);
        broken.set(bytes(sum.toString(8).padStart(6, "0") + "\0 "), 148);
        write(path, broken, end);
      } else write(path, ...entries, end);
      throws(() => contents(path), (error) => {
        ok(error instanceof TarError, String(error));
        match(error.message, message, name);
        match(error.message, /Cannot read the archive ".*test.tar" at byte [\d,]+: /);
        return true;
      }, name);
    });
  }
});

Deno.test("scanTar() refuses damaged and shortened archives", () => {
  const cases: [string, (Header | Uint8Array)[], RegExp][] = [
    [
      "no end",
      [{ name: "x", data: "hello" }],
      /truncated at byte 1,024 \(no end marker\); download it again/,
    ],
    ["cut in a header", [{ name: "x" }, new Uint8Array(100).fill(1)], /truncated at byte/],
    [
      "cut in a file",
      [{ name: "x", size: "00000017777" }, end],
      /claims 8,191 bytes, 1,024 remain/,
    ],
    ["checksum", [{ name: "x", sum: () => 7 }, end], /checksum is 7, its bytes sum to [\d]+/],
    [
      "gzip",
      [gzipSync(new Uint8Array(9)), new Uint8Array(512)],
      /is packed by gzip; name it \.tar\.gz/,
    ],
    ["page", [bytes("<html>".repeat(99))], /it is no tar; it begins with "<html><html><htm"\.$/],
    ["octal", [{ name: "x", size: "0000000009x" }, end], /is not an octal number/],
    [
      "absurd size",
      [{ name: "x", size: new Uint8Array([0x80, ...new Uint8Array(11).fill(255)]) }, end],
      /is not possible/,
    ],
    [
      "huge PAX header",
      [{ name: "p", type: "x", size: "00010000000" }, new Uint8Array(1 << 21), end],
      /a header of 2,097,152 bytes is too large/,
    ],
    ["malformed PAX header", [{ name: "p", type: "x", data: "99 path=x\n" }, end], /malformed/],
    ["endless PAX header", [{ name: "p", type: "x", data: "0 path=x\n" }, end], /malformed/],
    ["PAX size", [pax("size", "-00005"), {
      name: "x",
    }], /is not possible/],
  ];
  for (const [name, entries, message] of cases) {
    inFolder((path) => {
      write(path, ...entries);
      throws(() => contents(path), message, name);
    });
  }
});

Deno.test("scanTar() meets thousands of mutated archives with entries or a TarError", () => {
  inFolder((path) => {
    {
      using tar = new TarWriter(path);
      tar.add("a/first.jpg", bytes("hello"));
      tar.add(`${"long/".repeat(40)}名.jpg`, bytes("x".repeat(600)));
      tar.close();
    }
    const whole = Deno.readFileSync(path);
    const rng = random(3, "mutated tars");
    let refused = 0;
    for (let round = 0; round < rounds(2000); round++) {
      const mutated = whole.slice(0, rng.int(4) === 0 ? rng.int(whole.length) : whole.length);
      for (let i = 0; i < 3 && mutated.length > 0; i++) {
        // Mostly in headers.
        const at = Math.min(rng.int(8) * 512 + rng.int(512), mutated.length - 1);
        mutated[at] = rng.int(256);
      }
      Deno.writeFileSync(path, mutated);
      try {
        contents(path);
      } catch (error) {
        if (!(error instanceof TarError)) throw error;
        refused++;
      }
    }
    ok(refused > rounds(1000), `${refused} of ${rounds(2000)} were refused`);
  });
});

Deno.test("RandomAccess checks a length before it takes memory", () => {
  inFolder((path) => {
    Deno.writeFileSync(path, bytes("0123456789"));
    using file = new RandomAccessFile(path);
    strictEqual(new TextDecoder().decode(file.read(3, 4)), "3456");
    throws(
      () => file.read(8, 2 ** 45),
      /Cannot read 35,184,372,088,832 bytes at byte 8 .* ends at 10/,
    );
    throws(() => new RandomAccessFile(join(path, "..")), /Cannot open .*: it is not a file/);
    throws(() => new RandomAccessFile(`${path}.no`), /Cannot open/);
  });
});
