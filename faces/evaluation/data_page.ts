/** Renders what a data set holds as one self-contained HTML page. */
import { stringify } from "yaml";
import { counted } from "../../packages/pipeline/causes.ts";
import { ageHistogram, genderShares, numberHistogram } from "./charts/data_charts.ts";
import { count } from "./format_result.ts";
import { document, type Html, html } from "./html.ts";
import type { NamedImage } from "./report_data.ts";
import { style } from "./report_style.ts";
import { sheet } from "./sections/data_section.ts";
import { figure, table } from "./tables.ts";
import { INTERVAL } from "../datasets/attributes.ts";
import { isPlausible, type Label, type Labels } from "../datasets/labels.ts";
import type { Preset } from "../datasets/presets.ts";

/** Findings on a data set's files and labels. */
export interface DataFound {
  readonly folder: string;
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Sentences on what the proposal leaves out. */
  readonly hints: readonly string[];
  readonly files: number;
  /** Paths of all images. */
  readonly photos: readonly string[];
  /** Name or fields of the preset; undefined if a CSV has the project's columns. */
  readonly preset?: string | Preset;
  /** Undefined if none were found. */
  readonly labels?: Labels;
  /** Rows whose photo is there. */
  readonly present: readonly Label[];
  /** Paths of rows without a photo, and photos without a row. */
  readonly missing: readonly string[];
  readonly unlabelled: readonly string[];
  /** Photos that several rows name, as lines. */
  readonly repeated: readonly string[];
  /** Photos that were opened, and those that cannot be read, with the reason. */
  readonly opened: number;
  readonly unreadable: readonly { readonly path: string; readonly why: string }[];
  /** Groups of photos with the same bytes. */
  readonly copies: readonly (readonly string[])[];
  /** Number of near copies of whole photos. */
  readonly near: number;
  /** Pairs of copies, near ones first: some with pictures, all as lines. */
  readonly pairs: { readonly shown: readonly NamedImage[]; readonly lines: readonly string[] };
  readonly shown: readonly NamedImage[];
}

/** Maximum number of paths in a list, and of values in a table. */
const MAX_LISTED = 50, MAX_VALUES = 12;

/** Short cards fill the place beside long ones. */
const MASONRY = html`
  .columns.masonry { display: block; columns: 2 400px; column-gap: 16px; }
  .masonry > .card { display: block !important; margin-bottom: 16px; }
`;

/** Renders the page. All text from data is escaped. */
export function dataPage(found: DataFound): string {
  const { name, folder, summary, labels, preset, photos, present, missing, unlabelled } = found;
  const rows = present.length > 0 ? present : labels?.rows ?? [];
  const none = labels ? "none, the CSV has the project's columns" : "none fits";
  const written = typeof preset === "object"
    ? html`<pre>${stringify({ preset })}</pre>`
    : html`<p class="note">Preset: ${preset ?? none}</p>`;
  const photoOn = new Map(labels?.rows.map(({ line, path }) => [line, path]));
  const people = new Set(rows.flatMap(({ identity }) => identity ?? [])).size;
  const ages = rows.map(({ age }) => age).filter(isPlausible);
  const genders = rows.map(({ gender }) => gender).filter((gender) => gender >= 0);
  const bands = rows.filter(({ attributes }) => attributes?.age_low != null);
  const attributes = [...new Set(rows.flatMap(({ attributes = {} }) => Object.keys(attributes)))]
    .filter((column) => !INTERVAL.some((edge) => edge === column));
  const lacking = (known: number) => count(rows.length - known);
  const chartOf = (title: string, n: number, note: string, chart: Html) =>
    n > 0 && figure(title, counted(n, "row") + note, chart);
  return document(
    `${name}: data`,
    html`<style>${style}${MASONRY}</style>`,
    html`
      <header>
        <p class="over">${folder}</p>
        <h1>${name}</h1>
        <p class="lead">${summary}</p>
      </header>
      <main>
        <section>
        <h2 class="unseen">Findings</h2>
        <div class="columns masonry">
          <div class="card"><h3>Understood</h3>${table(["", "count"], [
            ["photos", count(photos.length)],
            ["rows of labels", count(labels?.rows.length ?? 0)],
            ["rows with a photo", count(present.length)],
            ["rows without an age", lacking(ages.length + bands.length)],
            ["ages known as an interval", count(bands.length)],
            ["rows without a gender", lacking(genders.length)],
            ["people", people > 0 ? count(people) : "unknown"],
          ])}${written}</div>
          <div class="card"><h3>Problems</h3>${table(["", "count"], [
            ["rows whose photo is missing", count(missing.length)],
            ["photos without a row", count(unlabelled.length)],
            ["photos of several rows, the first of which counts", count(found.repeated.length)],
            [`unreadable, of ${count(found.opened)} opened`, count(found.unreadable.length)],
            ["groups of exact copies among them", count(found.copies.length)],
            ["near copies among them", count(found.near)],
            ["values not understood", count(labels?.doubts.length ?? 0)],
            ["columns and paths in doubt", count(labels?.strays.length ?? 0)],
          ])}</div>
          ${chartOf("Ages", ages.length, ", bins of five years", ageHistogram(ages, `in ${name}`))}
          ${chartOf("Women and men", genders.length, "", genderShares([{ name, genders }]))}
          ${bands.length > 0 &&
            valuesCard(
              "Intervals of ages",
              bands.map(({ attributes }) => `${attributes!.age_low}–${attributes!.age_high}`),
            )}
          ${attributes.map((column) =>
            valuesCard(column, rows.map(({ attributes }) => attributes?.[column] ?? "missing"))
          )}
        </div>
        ${found.shown.length > 0 && sheet("Contact sheet", "drawn at random", found.shown)}
        ${list("Missing photos", missing)}
        ${list("Photos without a row", unlabelled)}
        ${list("Photos of several rows", found.repeated)}
        ${list("Unreadable", found.unreadable.map(({ path, why }) => `${path}: ${why}`))}
        ${found.pairs.shown.length > 0 &&
          sheet("Copies in pairs", "near ones first", found.pairs.shown)}
        ${list("Copies", found.pairs.lines)}
        ${list("Columns and paths in doubt", labels?.strays ?? [])}
        ${list(
          "Values not understood",
          (labels?.doubts ?? []).map(({ line, column, value }) =>
            `${preset === undefined ? `line ${line}` : photoOn.get(line)} ${column}: ${value}`
          ),
        )}
        </section>
      </main>
    `,
  );
}

/** Renders a histogram of a column of many numbers, else the counts of its values. */
function valuesCard(title: string, values: readonly (string | number)[]): Html {
  const numbers = values.filter((value) => typeof value === "number");
  if (new Set(numbers).size > MAX_VALUES) {
    const [low, high] = [Math.min, Math.max].map((edge) => numbers.reduce((a, b) => edge(a, b)))
      .map((number) => Number.isInteger(number) ? number : Number(number.toPrecision(4)));
    const note = `${counted(numbers.length, "row")}, from ${low} to ${high}`;
    return figure(title, note, numberHistogram(numbers, title));
  }
  const groups = [...Map.groupBy(values, String)].sort(([, a], [, b]) => b.length - a.length);
  const shown = groups.slice(0, MAX_VALUES).map(([value, all]) => [value, count(all.length)]);
  const rest = groups.length - MAX_VALUES;
  const more = rest > 0 && html`<p class="note">and ${counted(rest, "more value")}</p>`;
  return html`<div class="card"><h3>${title}</h3>${table(["value", "rows"], shown)}${more}</div>`;
}

function list(title: string, items: readonly string[]): Html | false {
  const rest = items.length - MAX_LISTED, more = rest > 0 && html`<li>and ${count(rest)} more</li>`;
  return items.length > 0 &&
    html`<h3 class="row">${title} <small>${count(items.length)}</small></h3>
<ul>${items.slice(0, MAX_LISTED).map((item) => html`<li>${item}</li>`)}${more}</ul>`;
}
