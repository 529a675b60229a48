/** The stage matParse beside SciPy's loadmat. */
import { join } from "node:path";
import { defineBench, DENO, medianOf, outputOf, table, takeTurns, thousands } from "./harness.ts";
import { inPeers, pythonFor } from "./peer.ts";

const help = `deno task bench mat [options]

Runs matParse and SciPy's loadmat on a MATLAB file that SciPy writes, each anew, in turns.

  --rows N        rows of the file; IMDB has 460723 (460723)
  --rounds N      rounds (3)
  --python PATH   a Python that has SciPy`;

interface Measured {
  /** Reading time in seconds. */
  seconds: number;
  /** Peak memory in bytes. */
  bytes: number;
  rows: number;
}

const defaults = { rows: 460_723, rounds: 3, python: undefined };
export const bench = defineBench(help, defaults, async ({ rows, rounds, ...values }, folder) => {
  const python = await pythonFor("scipy", values.python), peer = inPeers("mat_peer.py");
  const mat = join(folder, "imdb.mat");
  console.error(`SciPy writes ${thousands(rows)} rows, which takes half a minute ...`);
  await outputOf(python, [peer, "write", mat, String(rows)]);
  const measured = async (command: string, args: string[]): Promise<Measured> =>
    JSON.parse(await outputOf(command, [...args, mat]));
  const found = await takeTurns(rounds, {
    scipy: () => measured(python, [peer, "load"]),
    matParse: () => measured(Deno.execPath(), [...DENO, inPeers("mat_parse_peer.ts")]),
  });
  const result = (["matParse", "scipy"] as const).map((reader) => {
    const of = (key: "seconds" | "bytes", name: keyof typeof found = reader) =>
      medianOf(found[name], (one) => one[key]);
    return {
      reader,
      rows: found[reader][0].rows,
      seconds: of("seconds"),
      bytes: of("bytes"),
      timesSeconds: of("seconds") / of("seconds", "scipy"),
      timesBytes: of("bytes") / of("bytes", "scipy"),
    };
  });
  const text = table(
    ["reader", "rows", "s", "of SciPy", "MB", "of SciPy"],
    result.map(({ reader, rows, seconds, bytes, timesSeconds, timesBytes }) => [
      ...[reader, thousands(rows), seconds.toFixed(2), timesSeconds.toFixed(2)],
      ...[thousands(bytes / 1e6), timesBytes.toFixed(2)],
    ]),
  );
  return { text, json: { mat: result } };
});
