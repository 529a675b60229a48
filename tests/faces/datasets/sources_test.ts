import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { nameOf, parseMd5Sums } from "../../../faces/datasets/sources.ts";

Deno.test("parseMd5Sums() reads what the usual programs write", () => {
  const a = "60925d75367e5a56ebf4e5d6450524cf", b = "f536eb7f5eae229ae8f286184364b42b";
  const both = { "wiki.tar.gz": a, "imdb_0.tar": b };
  const cases: Record<string, string> = {
    "md5sum": `${a}  wiki.tar.gz\n${b} *./imdb_0.tar\n`,
    "md5": `MD5 (wiki.tar.gz) = ${a}\nMD5 (/data/x (old)/imdb_0.tar) = ${b}\n`,
    "md5 -r": `${a} wiki.tar.gz\n${b} imdb_0.tar\n`,
    "openssl": `MD5(wiki.tar.gz)= ${a}\nMD5(some/imdb_0.tar)= ${b}`,
    "PowerShell": `MD5             ${a.toUpperCase()}       C:\\data\\wiki.tar.gz   \r\n` +
      `MD5             ${b.toUpperCase()}       C:\\data\\imdb_0.tar`,
    "a mark, comments, CRLF":
      `\uFEFF# sums\r\n; of all\r\n\r\n${a}  wiki.tar.gz\r\n${b}\timdb_0.tar\r\n`,
    "UTF-16 taken for UTF-8": `\uFFFD\uFFFD${
      [...`${a}  wiki.tar.gz\r\n${b}  imdb_0.tar\r\n`].join("\0")
    }\0`,
    "md5sum's escapes": `\\${a}  wiki.tar.gz\n${b}  imdb_0.tar`,
    "folders":
      `${b}  old/wiki.tar.gz\n${a}  wiki.tar.gz\n${b}  old/wiki.tar.gz\n${b}  x/y/imdb_0.tar`,
  };
  for (const [name, text] of Object.entries(cases)) {
    const odd: string[] = [];
    const sums = parseMd5Sums(text, (line) => odd.push(line));
    deepStrictEqual([Object.fromEntries(sums), odd], [both, []], name);
  }
  const odd: string[] = [];
  const lines = [`SHA256 (x) = ${a}${b}`, `${a}${b}  x`, "<html>", a, `${a}  x`, `${b}  x`];
  parseMd5Sums(lines.join("\n"), (line) => odd.push(line));
  deepStrictEqual(odd, lines.filter((line) => line !== `${a}  x`));
});

Deno.test("nameOf() leaves room for endings of files of a data set", () => {
  strictEqual(nameOf({ folder: `../${"x".repeat(255)}` }), "x".repeat(230));
  strictEqual(nameOf({ folder: "../my faces.tar.gz" }), "my_faces");
});
