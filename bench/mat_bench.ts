/**
 * The stage matParse beside SciPy's loadmat, on a MATLAB file with as many rows as IMDB's, which SciPy
 * writes. Each round starts both anew, in turns:
 *
 *     deno task bench mat [--rows 460723] [--rounds 3] [--python PATH] [--json]
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { machine, parseOptions, table, thousands } from "./machine_table.ts";
import { pythonFor } from "./python.ts";

const HELP = "deno task bench mat [--rows 460723] [--rounds 3] [--python PATH] [--json]";

/** Measurements of one process. */
interface Measured {
  /** Reading time in seconds. */
  seconds: number;
  /** Peak memory in bytes. */
  bytes: number;
  rows: number;
}

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, HELP, {
    rows: "460723",
    rounds: "3",
    python: undefined,
    json: false,
  });
  if (!values) return;
  const python = values.python ?? await pythonFor("scipy");
  const peer = fileURLToPath(new URL("./peers/mat_peer.py", import.meta.url));
  const ours = fileURLToPath(new URL("./peers/mat_parse_peer.ts", import.meta.url));
  const folder = await Deno.makeTempDir({ prefix: "bench-mat-" });
  try {
    const mat = join(folder, "imdb.mat");
    console.error(
      `SciPy writes ${thousands(Number(values.rows))} rows, which takes half a minute ...`,
    );
    await run(python, [peer, "write", mat, values.rows]);
    const found: Record<"matParse" | "scipy", Measured[]> = { matParse: [], scipy: [] };
    for (let round = 0; round < Number(values.rounds); round++) {
      found.scipy.push(JSON.parse(await run(python, [peer, "load", mat])));
      const options = ["run", "--quiet", "--no-prompt", "--allow-all", ours, mat];
      found.matParse.push(JSON.parse(await run(Deno.execPath(), options)));
    }
    const middle = (of: Measured[], key: "seconds" | "bytes") => median(of.map((m) => m[key]));
    const result = Object.entries(found).map(([reader, of]) => ({
      reader,
      rows: of[0].rows,
      seconds: middle(of, "seconds"),
      bytes: middle(of, "bytes"),
      timesSeconds: middle(of, "seconds") / middle(found.scipy, "seconds"),
      timesBytes: middle(of, "bytes") / middle(found.scipy, "bytes"),
    }));
    if (values.json) return console.log(JSON.stringify({ mat: result, machine: machine() }));
    console.log(table(
      ["reader", "rows", "s", "of SciPy", "MB", "of SciPy"],
      result.map(({ reader, rows, seconds, bytes, timesSeconds, timesBytes }) => [
        ...[reader, thousands(rows), seconds.toFixed(2), timesSeconds.toFixed(2)],
        ...[thousands(bytes / 1e6), timesBytes.toFixed(2)],
      ]),
    ));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a program to its end and returns what it printed. */
async function run(command: string, args: string[]): Promise<string> {
  const process = new Deno.Command(command, { args, stdout: "piped", stderr: "inherit" });
  const { success, stdout } = await process.output();
  if (!success) throw new Error(`Cannot measure: ${command} ${args.join(" ")} failed, see above.`);
  return new TextDecoder().decode(stdout);
}
