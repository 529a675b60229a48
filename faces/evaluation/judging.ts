/** State of the page that judges labels. Its functions run in the page: they use nothing from outside. */

export interface Suspect {
  readonly dataset: string;
  readonly path: string;
  readonly label: string;
  /** Prediction of the network. */
  readonly suggested: string;
}

export type Verdict = "right" | "wrong" | "skip";

export interface Judging {
  /** Index of the label at hand; their number once all are judged. */
  readonly at: number;
  readonly verdicts: readonly (Verdict | undefined)[];
}

/** Returns the state after a key: y, n, s or blank (skip), ArrowLeft or Backspace (back). */
export function press(state: Judging, key: string, count: number): Judging {
  if (key === "ArrowLeft" || key === "Backspace") {
    return { ...state, at: Math.max(0, state.at - 1) };
  }
  const verdict = ({ y: "right", n: "wrong", s: "skip", " ": "skip" } as const)[key.toLowerCase()];
  if (!verdict || state.at >= count) return state;
  const verdicts = [...state.verdicts];
  verdicts[state.at] = verdict;
  return { at: state.at + 1, verdicts };
}

/**
 * Returns verdicts.csv, for `matParse.verdicts`.
 * @param correct true if a wrong label becomes the suggested one; otherwise its row is dropped
 */
export function verdictsCsv(
  suspects: readonly Suspect[],
  verdicts: Judging["verdicts"],
  column: string,
  correct: boolean,
): string {
  // As csvField(): a spreadsheet does not run a value as a formula.
  const field = (text: string) => {
    const safe = /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = suspects.flatMap(({ dataset, path, label, suggested }, i) => {
    const verdict = verdicts[i];
    if (!verdict || verdict === "skip") return [];
    const correction = verdict === "wrong" && correct ? suggested : "";
    return [[dataset, path, column, label, verdict, correction].map(field).join(",")];
  });
  return ["dataset,path,column,label,verdict,correction", ...lines].join("\n") + "\n";
}
