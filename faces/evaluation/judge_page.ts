/** The page of `auditLabels`: shows one image after the other and downloads verdicts.csv. */
import { document, html, trusted } from "./html.ts";
import { style } from "./report_style.ts";

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
 * Returns verdicts.csv, for `matParse.verdicts`. It runs in the page, as `press`: both use nothing else.
 * @param correct true if a wrong label becomes the suggested one; otherwise its row is dropped, as where
 *   the network predicts the same label
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
    const correction = verdict === "wrong" && correct && suggested !== label ? suggested : "";
    return [[dataset, path, column, label, verdict, correction].map(field).join(",")];
  });
  return ["dataset,path,column,label,verdict,correction", ...lines].join("\n") + "\n";
}

/** Renders the page. All text from data is escaped. */
export function judgePage(
  { column, correct, suspects, title }: {
    column: string;
    /** True if a wrong label becomes the suggested one. */
    correct: boolean;
    suspects: readonly (Suspect & { image: string })[];
    title: string;
  },
): string {
  const data = JSON.stringify({ column, correct, suspects }).replaceAll("<", "\\u003c");
  return document(
    title,
    html`<style>${style}
#image { width: min(70vw, 320px); aspect-ratio: 1; border-radius: 10px; }
button { font: inherit; padding: 8px 14px; margin: 0 8px 8px 0; }</style>`,
    html`
      <header>
        <h1>${title}</h1>
        <p class="lead">Is the label right? Keys: y right, n wrong, s skip, ← back.</p>
      </header>
      <main>
        <p id="place" aria-live="polite"></p>
        <img id="image" alt="Face to judge">
        <p><b id="label"></b> <span id="suggested" class="note"></span></p>
        <p><button data-key="y">Label is right (y)</button><button data-key="n">Label is wrong (n)</button><button
          data-key="s">Skip (s)</button><button data-key="ArrowLeft">Back (←)</button></p>
        <p><button id="download">Download verdicts.csv</button></p>
        <p class="note">${correct
          ? "With matParse.verdicts, a wrong label becomes the suggested one; if the network predicts the " +
            "same label, the row is dropped."
          : "With matParse.verdicts, rows with a wrong label are dropped; write a value into the column " +
            "correction to keep one."}</p>
      </main>
      <script type="application/json" id="data">${trusted(data)}</script>
      <script>${trusted(`${press}\n${verdictsCsv}\n${glue}`)}</script>
    `,
  );
}

const source = await Deno.readTextFile(new URL("./judge_glue.js", import.meta.url));

/** Connects the functions with the page; verdicts survive a reload. Without the first two lines. */
const glue = source.slice(source.indexOf("\nconst")).trimEnd();
