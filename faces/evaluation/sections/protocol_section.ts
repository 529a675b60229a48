/** The report's head: which run it is of, and the protocol that comparable results share. */
import { cautionsOf, type Lineage } from "../../../packages/pipeline/stage.ts";
import { count, faces, rangeOf } from "../format_result.ts";
import { type Child, type Html, html } from "../html.ts";
import { describePretraining } from "../model_card.ts";
import type { ModelReport, Report } from "../report_data.ts";
import { splitNames } from "../score_model.ts";
import { listEntries } from "../tables.ts";

/** Formats the start of a run: "2026-11-24 05:41 UTC". */
export function minuteOf({ startedAt }: NonNullable<Lineage["run"]>): string {
  return `${startedAt.slice(0, 16).replace("T", " ")} UTC`;
}

/** Renders cautions, run, date and overrides. */
export function runFacts({ made: { lineage, caution } }: Report): Html {
  const { command, run, stages } = lineage;
  // The command ends with the overrides: deno task run PIPELINE --set ...
  const overrides = / (--(?:set|seed) .*)$/s.exec(command)?.[1];
  const values = overrides?.split(/ (?=--)/).map((one) =>
    html`
      <code>${one}</code>
    `
  );
  const started = run && html`
    Run <code>${run.id}</code>, ${minuteOf(run)}.
  `;
  const given = values ? html`with${values}` : "without overrides.";
  const cautions = cautionsOf([...stages, { caution }]);
  return html`${cautions.map((caution) => html`<p class="notice">${caution}</p>`)}
<p class="over">${started}<span class="id">${lineage.file}</span> ${given}</p>`;
}

/** Renders everything that another result must share to be compared with this one. */
export function protocolSection({ data, models, made: { lineage } }: Report): Html {
  const { splits, calibration = 0, datasets, preprocessing } = data;
  const divisions = lineage.stages.filter(({ use }) => use === "split");
  const stage = divisions.find(({ id }) => id === lineage.inputs?.splits) ?? divisions[0];
  const { by, copies, stratify, test, only } = (stage?.params ?? {}) as Record<string, unknown>;
  const { crop, resize, detector, steps } = preprocessing;
  const sources = lineage.stages.filter(({ use }) => use === "download");
  const drawn = cautionsOf(sources).some((caution) => caution.includes("synthetic"));
  const part = Object.entries(Object(test)).map((pair) => pair.join(" ")).join(" ");
  const { framedBy = {} } = data;
  const tested = rangeOf(models.map(({ metrics }) => metrics.counts.test));
  const framing = Object.entries(framedBy).map(([name, part]) => `face in ${name}: ${part}`);
  if (datasets.some(({ name }) => framedBy[name] === undefined)) {
    framing.push(`box of ${detector.name}`);
  }
  // Photos that are taken whole are not cropped.
  const cropping = datasets.every(({ name }) => framedBy[name] === "the whole photo")
    ? ""
    : `, alignment ${crop.align ?? "none"}, margin ${crop.margin}`;
  const changes = steps.length > 0 ? `; ${steps.join(", ")}` : "";
  const facts: readonly (readonly [string, Child])[] = [
    ["Data", datasets.map(({ name, ages }) => `${name}, ${faces(ages.length)}`).join("; ")],
    [
      "Sets",
      splitNames.filter((name) => splits[name].ages.length > 0)
        .map((name) => `${name} ${count(splits[name].ages.length)}`).join(", ") +
      (tested === count(splits.test.ages.length) ? "" : `, ${tested} of them tested`) +
      (calibration > 0 ? `, calibration ${count(calibration)}` : "") +
      (part && `; test set: ${part}`) +
      (Array.isArray(stratify) && stratify.length > 0
        ? `; stratified by ${stratify.join(", ")}`
        : ""),
    ],
    [
      "People",
      {
        identity: "all images of a person are in one set",
        image: "split by image: sets may share people, which raises scores",
      }[only === "all" ? "" : String(by)], // a single set shares nothing
    ],
    [
      "Copies",
      {
        group: `each in the set of its original; ${count(data.copies?.count ?? 0)} found`,
        ignore: "not looked for: sets may share photos, which raises scores",
      }[only === "all" ? "" : String(copies)],
    ],
    ["Framing", framing.join("; ") + cropping],
    ["Pixels", `${resize.size}×${resize.size}, RGB${changes}`],
    ["Pretraining", perModel(models, (model) => describePretraining(model, lineage) ?? "none")],
    ["Parameters", perModel(models, ({ network }) => count(network.weights))],
    [
      "Seeds",
      `${lineage.seed}; training: ${perModel(models, ({ training }) => String(training.seed))}`,
    ],
    [
      "Comparable with",
      (stage
        ? `results on the same test set: equal data and split (${stage.fingerprint.slice(0, 8)})`
        : "results on the same test set") +
      (drawn ? ", which is no set of photos of people. " : ". ") +
      "Results of other data, sets, framing, pixels or pretraining differ for these reasons too",
    ],
  ];
  return html`
    <section class="card protocol" aria-labelledby="protocol">
      <h2 id="protocol">Protocol</h2>
      <dl>${listEntries(facts)}</dl>
    </section>
  `;
}

/** Joins a fact of all models, named only where they differ. */
function perModel(models: readonly ModelReport[], of: (model: ModelReport) => string): string {
  const values = models.map(of);
  return new Set(values).size === 1
    ? values[0]
    : models.map(({ id }, i) => `${id}: ${values[i]}`).join("; ");
}
