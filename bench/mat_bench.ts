/**
 * The stage matParse beside SciPy's loadmat, on a MATLAB file with as many rows as IMDB's, which SciPy
 * writes. Each round starts both anew, in turns.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { readOptions, table, thousands } from "./options_table.ts";
import { pythonFor } from "./python.ts";

/** Measurements of one process. */
interface Measured {
  /** Reading time in seconds. */
  seconds: number;
  /** Peak memory in bytes. */
  bytes: number;
  rows: number;
}

export async function bench(args: string[]): Promise<void> {
  const help = "deno task bench mat [--rows 460723] [--rounds 3] [--python PATH]";
  const options = readOptions(help, args, { rows: 460_723, rounds: 3, python: "" });
  if (!options) return;
  const python = options.python || await pythonFor("scipy");
  const peer = fileURLToPath(new URL("./peers/mat_peer.py", import.meta.url));
  const ours = fileURLToPath(new URL("./peers/mat_parse_peer.ts", import.meta.url));
  const folder = await Deno.makeTempDir({ prefix: "bench-mat-" });
  try {
    const mat = join(folder, "imdb.mat");
    console.error(`SciPy writes ${thousands(options.rows)} rows, which takes half a minute ...`);
    await run(python, [peer, "write", mat, String(options.rows)]);
    const found: Record<"matParse" | "scipy", Measured[]> = { matParse: [], scipy: [] };
    for (let round = 0; round < options.rounds; round++) {
      found.scipy.push(JSON.parse(await run(python, [peer, "load", mat])));
      const order = ["run", "--quiet", "--no-prompt", "--allow-all", ours, mat];
      found.matParse.push(JSON.parse(await run(Deno.execPath(), order)));
    }
    const middle = (of: Measured[], key: "seconds" | "bytes") => median(of.map((m) => m[key]));
    console.log(table(
      ["reader", "rows", "s", "of SciPy", "MB", "of SciPy"],
      Object.entries(found).map(([reader, of]) => {
        const [seconds, bytes] = [middle(of, "seconds"), middle(of, "bytes")];
        return [
          ...[reader, thousands(of[0].rows)],
          ...[seconds.toFixed(2), (seconds / middle(found.scipy, "seconds")).toFixed(2)],
          ...[thousands(bytes / 1e6), (bytes / middle(found.scipy, "bytes")).toFixed(2)],
        ];
      }),
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
