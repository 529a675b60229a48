/** Labels flipped on purpose, and how many of them the audit ranks first, beside Cleanlab. */
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readCsv } from "../packages/formats/csv.ts";
import { csvLine } from "../packages/formats/csv_write.ts";
import { readParquet } from "../packages/formats/parquet.ts";
import { random } from "../packages/random/random.ts";
import { parseOptions } from "./machine_table.ts";
import { pythonFor } from "./python.ts";

const help = `deno task bench labels --faces DIR [options]

Flips gender labels of experiments/audit_labels on purpose, runs it, and prints the precision of the
most suspicious labels, beside Cleanlab's on the same probabilities.

  --faces DIR      the archives wiki_crop.tar and imdb_crop.tar
  --share S        share of the labels that are flipped (0.05)
  --first N        labels whose precision counts (200)
  --python PATH    a Python that has Cleanlab
`;

const ROOT = new URL("../", import.meta.url);

const CLEANLAB = `
import json, sys
import numpy as np
from cleanlab.filter import find_label_issues
labels, probabilities = (np.array(one) for one in json.load(sys.stdin))
print(json.dumps(find_label_issues(
    labels, probabilities, return_indices_ranked_by="normalized_margin").tolist()))
`;

/** Runs a command in the project's root and returns its output. @throws if it fails */
async function output(command: string, args: string[], input = ""): Promise<string> {
  const child = new Deno.Command(command, {
    ...{ args, cwd: ROOT, stdin: "piped", stdout: "piped", stderr: "inherit" } as const,
  }).spawn();
  const written = child.stdin.getWriter();
  await written.write(new TextEncoder().encode(input));
  await written.close();
  const { success, stdout } = await child.output();
  if (!success) {
    throw new Error(`Cannot measure: "${command} ${args.join(" ")}" failed, see above.`);
  }
  return new TextDecoder().decode(stdout);
}

/** Runs the experiment and returns the folder of an artifact. */
async function run(mirror: string, stage: string, artifact: string, more: string[] = []) {
  const text = await output(Deno.execPath(), [
    ...["task", "-q", "run", "experiments/audit_labels", "--set", `download.mirror=${mirror}`],
    ...["--until", stage, "--json", ...more],
  ]);
  const { stages } = JSON.parse(text) as {
    stages: { id: string; outputs: Record<string, string> }[];
  };
  return resolve(fileURLToPath(ROOT), stages.find(({ id }) => id === stage)!.outputs[artifact]);
}

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, help, {
    ...{ faces: undefined, share: "0.05", first: "200", python: undefined },
  });
  if (!values) return;
  if (values.faces === undefined) return console.log(help);
  const mirror = resolve(values.faces), first = Number(values.first);
  const table = await readParquet(join(await run(mirror, "matParse", "table"), "table.parquet"), {
    ...{ full_path: "string", dataset: "string", gender: "int32" },
  });
  const rows = [...table.gender.keys()];
  random(42, "flips").shuffle(rows);
  const flips = rows.slice(0, Math.round(rows.length * Number(values.share))).map((row) => [
    ...[table.dataset[row], table.full_path[row], "gender"],
    ...[table.gender[row] === 1 ? "male" : "female", "wrong"],
    table.gender[row] === 1 ? "female" : "male",
  ]);
  const file = await Deno.makeTempFile({ suffix: ".csv" });
  try {
    const header = ["dataset", "path", "column", "label", "verdict", "correction"];
    await Deno.writeTextFile(file, [header, ...flips].map(csvLine).join(""));
    const audit = await run(mirror, "auditLabels", "audit", ["--set", `matParse.verdicts=${file}`]);
    const flipped = new Set(flips.map(([dataset, path]) => `${dataset} ${path}`));
    const labels = join(audit, "labels.csv");
    const ranked = readCsv(await Deno.readFile(labels), labels).rows.map(({ values }) => values);
    const wrong = new Map(ranked.map(([row, dataset, path]) => [
      Number(row),
      flipped.has(`${dataset} ${path}`),
    ]));
    const { row, truth, probabilities } = await readParquet(join(audit, "predictions.parquet"), {
      ...{ row: "int32", truth: "float64", probabilities: "float64[]" },
    });
    const python = values.python ?? await pythonFor("cleanlab");
    const theirs: number[] = JSON.parse(
      await output(python, ["-c", CLEANLAB], JSON.stringify([Array.from(truth), probabilities])),
    );
    const precision = (order: readonly number[]) =>
      order.slice(0, first).filter((row) => wrong.get(row)).length / Math.min(first, order.length);
    const { accuracy, suspect } = JSON.parse(await Deno.readTextFile(join(audit, "summary.json")));
    const all = [...wrong.values()].filter(Boolean).length;
    console.log(
      `${ranked.length} labels, ${all} of them flipped; out-of-fold accuracy ${accuracy}`,
    );
    console.log(`${suspect} suspect here, ${theirs.length} issues of Cleanlab`);
    console.log(`precision of the first ${first}: by chance ${(all / ranked.length).toFixed(3)}`);
    console.log(`  auditLabels ${precision(ranked.map(([row]) => Number(row))).toFixed(3)}`);
    console.log(`  Cleanlab    ${precision(theirs.map((i) => row[i])).toFixed(3)}`);
  } finally {
    await Deno.remove(file);
  }
}
