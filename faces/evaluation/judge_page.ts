/** The page of `auditLabels`: shows one image after the other and downloads verdicts.csv. */
import { document, html, trusted } from "./html.ts";
import { press, type Suspect, verdictsCsv } from "./judging.ts";
import { style } from "./report_style.ts";

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
          ? "With matParse.verdicts, a wrong label becomes the suggested one."
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
