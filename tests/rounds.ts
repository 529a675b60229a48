/** True in `deno task test:long`, which takes more cases of tests that `deno task test` runs as well. */
export const LONG = Deno.env.get("TESTS") === "long";

/** Returns the number of rounds of a test that draws its cases. */
export function rounds(all: number): number {
  return LONG ? all : all / 4;
}
