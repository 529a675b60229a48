import { ok, rejects, strictEqual } from "node:assert/strict";
import { checkSpace, freeBytes } from "../../../packages/download/http.ts";

Deno.test("checkSpace() tells what is needed and what there is", async () => {
  const check = (bytes: number, free?: number) =>
    checkSpace("/results", bytes, "imdb_crop.tar", () => Promise.resolve(free));
  strictEqual(await check(7e9, 8e9), 8e9);
  strictEqual(await check(7e9, undefined), undefined, "a system that does not tell");
  await rejects(
    check(7.2e9, 3.1e9),
    /Cannot write imdb_crop.tar: 7.2 GB more are needed, and the disk of "\/results" has 3.1 GB left/,
  );
  ok((await freeBytes(Deno.cwd()))! > 0);
});
