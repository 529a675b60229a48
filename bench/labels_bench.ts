/** Labels flipped on purpose, and how many of them the audit ranks first, beside Cleanlab. */
import { join, resolve } from "node:path";
import { readCsv } from "../packages/formats/csv.ts";
import { csvLine } from "../packages/formats/csv_write.ts";
import { readParquet } from "../packages/formats/parquet.ts";
import { random } from "../packages/random/random.ts";
import { defineBench, outputOf, runPipeline } from "./harness.ts";
import { inPeers, pythonFor } from "./peer.ts";

const help = `deno task bench labels --faces DIR [options]

Flips gender labels of experiments/audit_labels on purpose, runs it, and prints the precision of the
most suspicious labels, beside Cleanlab's on the same probabilities.

  --faces DIR      the archives wiki_crop.tar and imdb_crop.tar
  --share S        share of the labels that are flipped (0.05)
  --first N        labels whose precision counts (200)
  --python PATH    a Python that has Cleanlab`;

const defaults = { faces: "", share: "0.05", first: 200, python: undefined };
export const bench = defineBench(help, defaults, async ({ faces, first, ...values }, folder) => {
  if (faces === "") throw new Error("Cannot measure without --faces DIR.");
  const run = async (stage: string, artifact: string, more: string[] = []) => {
    const mirror = ["--set", `download.mirror=${resolve(faces)}`];
    return (await runPipeline("experiments/audit_labels", [...mirror, "--until", stage, ...more]))
      .artifact(stage, artifact);
  };
  const table = await readParquet(join(await run("matParse", "table"), "table.parquet"), {
    full_path: "string",
    dataset: "string",
    gender: "int32",
  });
  const rows = [...table.gender.keys()];
  random(42, "flips").shuffle(rows);
  const flips = rows.slice(0, Math.round(rows.length * Number(values.share))).map((row) => [
    ...[table.dataset[row], table.full_path[row], "gender"],
    ...[table.gender[row] === 1 ? "male" : "female", "wrong"],
    table.gender[row] === 1 ? "female" : "male",
  ]);
  const file = join(folder, "flips.csv");
  const header = ["dataset", "path", "column", "label", "verdict", "correction"];
  await Deno.writeTextFile(file, [header, ...flips].map(csvLine).join(""));
  const audit = await run("auditLabels", "audit", ["--set", `matParse.verdicts=${file}`]);
  const flipped = new Set(flips.map(([dataset, path]) => `${dataset} ${path}`));
  const labels = join(audit, "labels.csv");
  const ranked = readCsv(await Deno.readFile(labels), labels).rows.map(({ values }) => values);
  const wrong = new Map(ranked.map(([row, dataset, path]) => [
    Number(row),
    flipped.has(`${dataset} ${path}`),
  ]));
  const { row, truth, probabilities } = await readParquet(join(audit, "predictions.parquet"), {
    row: "int32",
    truth: "float64",
    probabilities: "float64[]",
  });
  const python = await pythonFor("cleanlab", values.python);
  const input = JSON.stringify([Array.from(truth), probabilities]);
  const theirs: number[] = JSON.parse(
    await outputOf(python, [inPeers("cleanlab_peer.py")], { input }),
  );
  const precision = (order: readonly number[]) =>
    order.slice(0, first).filter((row) => wrong.get(row)).length / Math.min(first, order.length);
  const { accuracy, suspect } = JSON.parse(await Deno.readTextFile(join(audit, "summary.json")));
  const all = [...wrong.values()].filter(Boolean).length;
  const found = {
    labels: ranked.length,
    flipped: all,
    accuracy,
    suspect,
    issues: theirs.length,
    first,
    chance: all / ranked.length,
    auditLabels: precision(ranked.map(([row]) => Number(row))),
    cleanlab: precision(theirs.map((i) => row[i])),
  };
  const text = `${found.labels} labels, ${all} of them flipped; out-of-fold accuracy ${accuracy}
${suspect} suspect here, ${found.issues} issues of Cleanlab
precision of the first ${first}: by chance ${found.chance.toFixed(3)}
  auditLabels ${found.auditLabels.toFixed(3)}
  Cleanlab    ${found.cleanlab.toFixed(3)}`;
  return { text, json: { labels: found } };
});
