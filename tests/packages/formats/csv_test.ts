import { deepStrictEqual, rejects, throws } from "node:assert/strict";
import { checkFile } from "../../../packages/formats/check_file.ts";
import { readCsv } from "../../../packages/formats/csv.ts";

const fixtures = new URL("./fixtures/", import.meta.url);
const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("readCsv() reads what Python's csv writes, in each dialect and encoding", async (t) => {
  const [header, ...rows]: string[][] = JSON.parse(
    await Deno.readTextFile(new URL("table.json", fixtures)),
  );
  for (const name of ["table_unix.csv", "table_excel.csv", "table_unicode.txt"]) {
    await t.step(name, async () => {
      const table = readCsv(await Deno.readFile(new URL(name, fixtures)), name);
      deepStrictEqual(table.header, header);
      deepStrictEqual(table.rows.map(({ values }) => values), rows);
      deepStrictEqual(table.rows.map(({ line }) => line), [2, 4, 5], "one value has two lines");
    });
  }
});

Deno.test("readCsv() passes over empty lines, and trims what is not quoted", () => {
  const { rows } = readCsv(bytes('a, b\n\n1 , x\n\n2,"y "\n'), "t.csv");
  deepStrictEqual(rows, [{ values: ["1", "x"], line: 3 }, { values: ["2", "y "], line: 5 }]);
});

Deno.test("readCsv() takes no commas of names or numbers for separators, nor empty rows for rows", () => {
  for (
    const [text, values] of [
      ["a;b (in h, per night, all)\n1;7\n;\n ; \n", ["1", "7"]],
      ["a;b, c\r\n1,5;2,5\r\n;;;;\r\n", ["1,5", "2,5"]],
      ["a,b; c; d\n1,2\n,\n", ["1", "2"]],
      ["a,b\n1;2,3\n", ["1;2", "3"]],
    ] as const
  ) {
    deepStrictEqual(readCsv(bytes(text), "t.csv").rows, [{ values, line: 2 }], text);
  }
});

Deno.test("readCsv() takes tabs before a column without a name for separators", () => {
  for (const blank of ["", "\n", "  \r\n\r\n"]) {
    const { header, rows } = readCsv(bytes(`${blank}\tage\na.jpg\t31\n`), "t.csv");
    deepStrictEqual([header, rows[0].values], [["", "age"], ["a.jpg", "31"]], blank);
  }
});

Deno.test("checkFile() takes a large CSV with a name on two lines", async () => {
  const path = await Deno.makeTempFile({ suffix: ".csv" });
  for (const [header, end] of [['"a ""x""\nb",c', "\n"], ['"ü\r\nb",c', "\r\n"]]) {
    await Deno.writeTextFile(path, `${header}${end}` + `1,"ü\n${end}"${end}`.repeat(20_000));
    await checkFile(path);
  }
  await Deno.writeTextFile(path, `a,"b\n` + "1,2\n".repeat(20_000));
  await rejects(checkFile(path), /a quote is opened and never closed/);
  await Deno.remove(path);
});

Deno.test("readCsv() takes line ends of all kinds, mixed as well", () => {
  const rows = [{ values: ["1", "x\r\ny"], line: 3 }, { values: ["2", "z"], line: 4 }];
  for (
    const text of ['a,b\r\n1,"x\r\ny"\n2,z\n', 'a,b\n1,"x\r\ny"\r\n2,z', 'a,b\r1,"x\r\ny"\r2,z\r']
  ) {
    deepStrictEqual(readCsv(bytes(text), "t.csv").rows, rows, JSON.stringify(text));
  }
});

Deno.test("readCsv() takes Excel's line that names the separator, and its empty columns", () => {
  for (const text of ["sep=;\r\na;b,c\r\n1;2\r\n", '\ufeff"sep=;"\na;b,c\n1;2;;\n']) {
    const { header, rows } = readCsv(bytes(text), "t.csv");
    deepStrictEqual([header, rows], [["a", "b,c"], [{ values: ["1", "2"], line: 3 }]]);
  }
});

Deno.test("readCsv() says on which line a table is broken", async () => {
  const read = (text: string) => Promise.try(() => readCsv(bytes(text), "t.csv"));
  await rejects(
    read("a,b\n1,2\n1,2,3\n"),
    /Cannot read "t.csv": line 3 has 3 values, the header 2/,
  );
  await rejects(read("a,b\n1\n1,2\n1,2,3\n"), /2 errors:\n {2}line 2 has 1 .*\n {2}line 4 has 3 /);
  await rejects(read('a,b\n1,"2\n3,4\n'), /a quote is opened and never closed/);
  for (const value of ['x"y', '"x"y']) {
    await rejects(read(`a,b\n1,${value}\n`), /"t.csv": line 2 has a quote within .* "x ""y"""\.$/);
  }
  for (const end of ["\n", "\r\n", "\r"]) {
    const head = `"a${end}x",b${end}"1${end}2",3${end}`;
    deepStrictEqual((await read(head)).rows[0].line, 4, "of a header on two lines");
    await rejects(read(`${head}1,2"x${end}`), /line 5 has a quote within/);
    await rejects(read(`${head}"1,2${end}`), /never closed; the file ends on line 5/);
  }
  await rejects(read(""), /"t.csv": it is empty; its first line must name the columns/);
  throws(() => readCsv(new Uint8Array([0x61, 0xe9, 0x0a]), "t.csv"), /it is not UTF-8/);
  throws(() => readCsv(bytes("a\0,\0b\0\n\0"), "t.csv"), /it is not UTF-8/, "UTF-16, no mark");
});
