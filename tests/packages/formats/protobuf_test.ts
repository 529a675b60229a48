import { deepStrictEqual, throws } from "node:assert/strict";
import { integer, integers } from "../../../packages/formats/protobuf.ts";

Deno.test("integer() encodes negative ones too, as the axis of an operator may be", () => {
  deepStrictEqual([...integer(3, 300)], [24, 172, 2]);
  deepStrictEqual([...integer(3, -1)], [24, ...Array(9).fill(255), 1]);
  deepStrictEqual([...integers(8, [0, -2])], [66, 11, 0, 254, ...Array(8).fill(255), 1]);
  deepStrictEqual([...integer(1, 2 ** 53 - 1)], [8, ...Array(7).fill(255), 15]);
  for (const value of [0.5, NaN, 2 ** 53]) throws(() => integer(1, value), /no safe integer/);
});
