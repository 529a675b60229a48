/** Verdicts on labels, from the page of `auditLabels`. */
import { readCsv } from "../../packages/formats/csv.ts";
import { withoutGuard } from "../../packages/formats/csv_write.ts";
import { counted } from "../../packages/pipeline/causes.ts";
import { formatError, joinWords, quote } from "../../packages/pipeline/errors.ts";
import { sha256 } from "../../packages/pipeline/fingerprint.ts";
import { type Attribute, valueAt } from "./attributes.ts";
import type { Rows } from "./rows.ts";

const VERDICT_COLUMNS = ["dataset", "path", "column", "label", "verdict", "correction"];

type Verdict = Readonly<Record<string, string>>;

/** Identifies verdicts by their content. */
export async function verdictFacts(path: string): Promise<Record<string, string>> {
  return { verdicts: sha256(await read(path)) };
}

async function read(path: string): Promise<Uint8Array> {
  return await Deno.readFile(path).catch((cause) => {
    const what = `Cannot read matParse.verdicts "${path}": ${formatError(cause)}`;
    const wayOut = "Download verdicts.csv from judge.html of auditLabels";
    throw new Error(`${what}. ${wayOut}.`, { cause });
  });
}

/** Reads verdicts.csv. Warns of wrong labels in data sets that are not there. @throws if columns are missing */
export async function readVerdicts(
  path: string,
  datasets: readonly string[],
  { warn }: { warn(message: string): void },
): Promise<Verdict[]> {
  const { header, rows } = readCsv(await read(path), path);
  const missing = VERDICT_COLUMNS.filter((name) => !header.includes(name));
  if (missing.length > 0) {
    const needed = VERDICT_COLUMNS.join(", ");
    throw new Error(
      `Cannot use verdicts "${path}": it has no column ${missing.join(", ")}. It needs ${needed}.`,
    );
  }
  const verdicts = rows.map(({ values, line }): Verdict => {
    const verdict = Object.fromEntries(header.map((name, i) => [name, withoutGuard(values[i])]));
    const wrong = problemOf(verdict);
    if (wrong === undefined) return verdict;
    throw new Error(`Cannot use verdicts "${path}": line ${line} has the ${wrong}. Correct it.`);
  });
  const others = verdicts.filter(({ dataset, verdict }) =>
    verdict === "wrong" && !datasets.includes(dataset)
  );
  if (others.length > 0) {
    const names = joinWords([...new Set(others.map(({ dataset }) => dataset))]);
    warn(
      `${counted(others.length, "verdict")} of data sets that are not read: ${names}. There are ` +
        `${joinWords(datasets)}; correct the column dataset of the verdicts.`,
    );
  }
  return verdicts;
}

/** Returns what is wrong with a verdict: otherwise its row would lose its label, or keep it. */
function problemOf({ column, verdict, correction }: Verdict): string | undefined {
  if (!["right", "wrong", "skip", ""].includes(verdict)) {
    return `verdict "${verdict}", not right or wrong`;
  }
  if (correction === "") return undefined;
  if (column === "gender" && !["female", "male"].includes(correction)) {
    return `correction "${correction}" of a gender, not female or male`;
  }
  if (column === "age" && !/^\d{1,3}(\.\d+)?$/.test(correction)) {
    return `correction "${correction}" of an age, not a number of years`;
  }
}

/**
 * Applies verdicts to a data set's rows: a label judged wrong takes its correction. Without one, its
 * row is in `wrong`.
 */
export function judgeRows(
  dataset: string,
  rows: Rows,
  verdicts: readonly Verdict[],
  { warn }: { warn(message: string): void },
): { rows: Rows; wrong: Set<number>; corrected: number } {
  const own = verdicts.filter((one) => one.dataset === dataset && one.verdict === "wrong");
  const byPath = Map.groupBy(own, ({ path }) => path);
  const gender = rows.gender.slice(), age = rows.age.slice();
  const attributes = new Map<number, Record<string, Attribute>>();
  const wrong = new Set<number>(), used = new Set<Verdict>();
  const texts = new Map<string, Set<string>>();
  let corrected = 0;
  for (let i = 0; i < rows.length && own.length > 0; i++) {
    if (!rows.hasPath(i)) continue;
    for (const verdict of byPath.get(rows.path(i)) ?? []) {
      const { column, label, correction } = verdict;
      const now = column === "gender"
        ? ["female", "male"][gender[i]]
        : column === "age"
        ? String(age[i])
        : String(valueAt(rows.attributes?.(i), column) ?? "");
      if (now !== label) continue;
      used.add(verdict);
      if (correction === "") {
        wrong.add(i);
        continue;
      }
      corrected++;
      if (column === "gender") gender[i] = correction === "male" ? 1 : 0; // checked by problemOf
      else if (column === "age") age[i] = Math.floor(Number(correction));
      else {
        // A number stays one, as a single text would make text of its whole column.
        const number = typeof valueAt(rows.attributes?.(i), column) === "number" &&
          Number.isFinite(Number(correction));
        const value = number ? Number(correction) : correction;
        if (!number) texts.getOrInsertComputed(column, () => new Set()).add(correction);
        attributes.set(i, { ...attributes.get(i), [column]: value });
      }
    }
  }
  if (used.size < own.length) {
    const lost = counted(own.length - used.size, "verdict");
    warn(`${dataset}: ${lost} without a row of that path and label. Audit the labels again.`);
  }
  for (const [column, others] of texts) {
    for (let i = 0; i < rows.length && others.size > 0; i++) {
      others.delete(String(valueAt(rows.attributes?.(i), column) ?? ""));
    }
    if (others.size === 0) continue;
    const named = joinWords([...others].map(quote));
    warn(
      `${dataset}: corrections of ${column} to a value that no other row has: ${named}. ` +
        "Correct the verdicts, or keep it as a class of its own.",
    );
  }
  const judged: Rows = Object.create(rows, {
    gender: { value: gender },
    age: { value: age },
    attributes: { value: (i: number) => ({ ...rows.attributes?.(i), ...attributes.get(i) }) },
  });
  return { rows: judged, wrong, corrected };
}
