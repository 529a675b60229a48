/**
 * The model card, after Mitchell et al. (2019), Model cards for model reporting: intended use,
 * out-of-scope use, data and metrics. Shared by the report's MODEL_CARD.md and the server's page.
 */
import { counted } from "../../packages/pipeline/causes.ts";
import type { Interval } from "../../packages/statistics/confidence_intervals.ts";
import { escapeMarkdown } from "../../packages/pipeline/format.ts";
import { joinWords } from "../../packages/pipeline/errors.ts";
import { cautionsOf, type Lineage } from "../../packages/pipeline/stage.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { jointTasks } from "../training/tasks.ts";
import { asWritten } from "../training/trained_models.ts";
import {
  count,
  faces,
  formatFurther,
  groupedBy,
  groupName,
  leftOutModels,
  percent,
  sortModels,
  subject,
  subjects,
  summary,
  unlabelledText,
  verdict,
} from "./format_result.ts";
import type { GateRates } from "./age_gate.ts";
import { MINIMUM } from "./fairness.ts";
import { type Html, html } from "./html.ts";
import {
  formatInterval,
  formatMetricValue,
  formatSigned,
  metricLabel,
  narrowness,
} from "./metrics.ts";
import type { ModelReport, Report } from "./report_data.ts";
import type { Group } from "./subgroups.ts";
import type { ModelMetrics } from "./score_model.ts";
import { thresholdText } from "./sections/uncertainty_cards.ts";

export interface ModelCardData {
  readonly models: readonly {
    readonly id: string;
    readonly task: string;
    /** "Age in years" */
    readonly title: string;
    /** Test result, as a sentence. */
    readonly worth: string;
    /** Training data and settings, as a phrase. */
    readonly origin: string;
    /** Undefined for a model without a test. */
    readonly metrics?: ModelMetrics;
  }[];
  /** Training data sets. */
  readonly datasets: readonly string[];
  /** Data sets of other trainings: of imported models, and of those that models learned from. */
  readonly earlier?: readonly string[];
  /** Data set → its license or terms. Default: none. */
  readonly terms?: Readonly<Record<string, string>> | undefined;
  /** Data set → its part of a photo that is the face, where no detector runs. */
  readonly framedBy?: Readonly<Record<string, string>> | undefined;
  /** Mirror that the data sets were downloaded from, if not from their authors. */
  readonly mirror?: string;
  readonly preprocessing: Preprocessing;
  /** On a server: a sentence on its face detectors. */
  readonly serving?: string;
  /** On a server: a sentence on how it handles images. */
  readonly privacy?: string;
}

type CardModel = ModelCardData["models"][number];

type Block =
  | { heading: string; level: 2 | 3 }
  | { text: string }
  | { notice: string }
  | { head: readonly string[]; rows: readonly (readonly string[])[] };

/** Returns cautions as the first blocks of a card. */
export function notices(cautions: readonly string[]): Block[] {
  return cautions.map((notice) => ({ notice }));
}

/** Returns the blocks of a card that follow its notices. */
export function cardBlocks(facts: ModelCardData): Block[] {
  const { models, datasets, framedBy = {}, mirror, preprocessing } = facts;
  const { crop, resize, detector, steps } = preprocessing;
  const pixels = `${resize.size} × ${resize.size} pixels`;
  const detected = detector.name === "metadata"
    ? "the data set gives the box of the face"
    : `${detector.name} detects the face`;
  const framing = new Map(Object.entries(framedBy));
  const framed = datasets.map((name) =>
    framing.has(name) ? `the face in photos of ${name} is ${framing.get(name)}` : detected
  );
  const found = joinWords([...new Set(framed)]) || detected;
  const whole = datasets.filter((name) => framing.get(name) === "the whole photo").length;
  const others = whole < datasets.length ? "of others" : "in serving";
  const gendered = models.some(({ task, metrics }) =>
    task === "gender" || metrics?.groups?.some(({ gender }) => gender !== undefined)
  );
  const taken = whole > 0 ? `The whole photo, or ${others} a` : "A";
  return [
    heading("Intended use"),
    text(
      `Demonstrating and studying what small convolutional networks learn about ` +
        `${subjects(models)} from labelled faces of ${pixels}.`,
    ),
    heading("Out-of-scope use"),
    text(
      "Decisions about a person: access, prices, work, health, policing, moderation, proof of age. " +
        "Identifying or tracking people. Inferring gender identity, which no image shows. Anything " +
        "about children, or about people who have not consented. The models do not determine a " +
        "person's identity, age or gender; they predict which label similar images had in the " +
        "data set." +
        (gendered ? " The two genders are those of the data set." : ""),
    ),
    heading("Models"),
    {
      head: ["Task", "Test result", "Training"],
      rows: models.map(({ id, title, worth, origin }) => [`${title} (${id})`, worth, origin]),
    },
    text(
      (models.some(({ worth }) => worth.includes("MAE"))
        ? "MAE is an average: the error of a single face may be zero or several times as large. "
        : "") +
        "The probabilities of classes are the network's own; networks are often overconfident.",
    ),
    ...further(models),
    ...uncertainty(models),
    ...gates(models),
    ...models.flatMap(groups),
    heading("Data and licenses"),
    ...terms([...new Set([...datasets, ...facts.earlier ?? []])], facts.terms).map(text),
    ...(mirror === undefined ? [] : [
      text(`The files were downloaded from ${mirror}. Its own terms apply.`),
    ]),
    heading("Preprocessing"),
    text(
      `A photo is decoded and rotated by its EXIF orientation; transparent pixels become white. For ` +
        `training, ${found}. ` + (facts.serving === undefined ? "" : `${facts.serving} `) +
        `${taken} square crop around the face, with a margin of ` +
        `${Math.round(100 * crop.margin)} % on each side, is resized to ${pixels} with a Lanczos ` +
        "filter. Training and serving share this code." +
        (steps.length > 0 ? ` Additional steps in training only: ${steps.join(", ")}.` : ""),
    ),
    heading("Limitations"),
    text(
      "Faces in profile, occluded, small, blurred or badly lit are missed or misclassified. Data sets " +
        "are rarely balanced by age, gender, skin, fame, make-up and light. A network performs worse " +
        "on groups with fewer training images. Beyond the tables above" +
        (facts.serving === undefined ? ", the report and fairness.json" : "") +
        ", performance by group is unknown.",
    ),
    ...(facts.privacy === undefined ? [] : [heading("Privacy"), text(facts.privacy)]),
  ];
}

/** Returns the test values of the metrics that `evaluate.metrics` names. */
function further(models: readonly CardModel[]): Block[] {
  const rows = models.flatMap(({ id, title, metrics }) =>
    (metrics?.further ?? []).map((metric) => {
      const { value, interval = "too few faces" } = formatFurther(metric, metrics!, "test");
      const name = metric.unit ? `${metric.title}, ${metric.unit}` : metric.title;
      const of = metric.intervals.test;
      const few = of ? narrowness(of, metrics!.counts.test, metrics!.people?.test) : "";
      return [`${title} (${id})`, name, value, interval + few];
    })
  );
  return rows.length === 0
    ? []
    : [heading("Further metrics"), { head: ["Task", "Metric", "Test set", "95 % CI"], rows }];
}

/** Returns the coverage of prediction intervals, and the thresholds of uncertain predictions. */
function uncertainty(models: readonly CardModel[]): Block[] {
  const lines = models.flatMap(
    ({ id, title, metrics: { task, metric, coverage, abstention } = {} }) => {
      const told = abstention?.threshold ? [thresholdText(abstention.threshold)] : [];
      if (coverage) {
        const { level, images, coverage: share, interval, width } = coverage;
        const size = formatMetricValue(width, metric!, 1) + (task === "age" ? " years" : "");
        told.unshift(
          `Prediction intervals are meant to contain ${percent(level, 0)} of true values, by ` +
            `${count(images)} images of the calibration set. The share on the test set is ` +
            `${formatMetricValue(share, "accuracy")} (95 % CI ` +
            `${formatInterval(interval, "accuracy")}); mean width ${size}.`,
        );
      }
      return told.map((line) => text(`${title} (${id}): ${line}`));
    },
  );
  return lines.length === 0 ? [] : [heading("Uncertainty"), ...lines];
}

/** Returns the error rates of age gates. */
function gates(models: readonly CardModel[]): Block[] {
  const rate = (one: GateRates["false_accept"]) =>
    one === undefined ? "unknown" : `${formatMetricValue(one.value, "accuracy")} (95 % CI ` +
      `${formatInterval(one.interval, "accuracy")}, ${faces(one.count)})`;
  const lines = models.flatMap(({ id, title, metrics }) => {
    if (!metrics?.gate) return [];
    const { threshold, limit, false_accept, false_reject } = metrics.gate;
    return text(
      `${title} (${id}): people estimated at ${limit} years or more are let in. Share of those ` +
        `below ${threshold} that is let in: ${rate(false_accept)}. Share of the others that is ` +
        `refused: ${rate(false_reject)}.`,
    );
  });
  return lines.length === 0 ? [] : [heading("Age gate"), ...lines];
}

/** Returns the metrics of each subgroup of the test set, if the model was tested. */
function groups({ title, id, metrics }: CardModel): Block[] {
  if (!metrics?.groups) return [];
  const { metric, perClass, classes = [] } = metrics;
  const groups = metrics.groups.filter(({ count }) => count >= MINIMUM);
  const hidden = groups.length < metrics.groups.length
    ? [text(`Groups of fewer than ${MINIMUM} faces are hidden.`)]
    : [];
  const listed = perClass && classes.length > 2 ? perClass : [];
  if (groups.length + listed.length === 0) return [];
  const range = (group: Group, interval: Interval | undefined, signed = false) => {
    if (!interval) return "too few faces";
    return formatInterval(interval, metric, signed) +
      narrowness(interval, group.count, group.people);
  };
  const share = (value: number, interval: Interval | undefined, none: string) =>
    interval
      ? [formatMetricValue(value, "accuracy"), formatInterval(interval, "accuracy")]
      : ["–", none];
  return [
    { heading: `${title} (${id}), by ${groupedBy(groups)}`, level: 3 },
    ...hidden,
    ...(groups.length === 0 ? [] : [{
      head: [
        ...["Group", "Faces", metricLabel(metric, "title"), "95 % CI"],
        ...(metric === "accuracy" ? [] : [metric === "mae" ? "Bias, years" : "Bias", "95 % CI"]),
      ],
      rows: groups.map((group) => [
        ...[groupName(group), count(group.count), formatMetricValue(group.value, metric)],
        range(group, group.interval),
        ...(group.bias === undefined
          ? []
          : [formatSigned(group.bias, metric), range(group, group.biasInterval, true)]),
      ]),
    }]),
    ...(listed.length === 0 ? [] : [{
      head: ["Class", "Faces", "Precision", "95 % CI", "Recall", "95 % CI"],
      rows: listed.map(({ count: n, precision, recall, intervals }, i) => [
        ...[classes[i], count(n)],
        ...share(precision, intervals.precision, "never predicted"),
        ...share(recall, intervals.recall, "none in the test set"),
      ]),
    }]),
  ];
}

/**
 * Returns the terms of data sets. Those named as IMDB-WIKI's have its terms, from any mirror: other files
 * of these names get a caution too many, but IMDB-WIKI's never one too few.
 */
function terms(all: readonly string[], known: Readonly<Record<string, string>> = {}): string[] {
  const datasets = all.filter((name) => known[name] === undefined);
  const [imdbWiki, others] = [true, false].map((wanted) =>
    datasets.filter((name) => name !== "sample" && /^(wiki|imdb)(_crop)?$/.test(name) === wanted)
      .join(", ")
  );
  return [
    datasets.includes("sample") &&
    "sample: synthetic faces, drawn by this project. They show no real person.",
    ...all.flatMap((name) => known[name] === undefined ? [] : [`${name}: ${known[name]}.`]),
    imdbWiki &&
    `${imdbWiki}: IMDB-WIKI (Rothe, Timofte, Van Gool: Deep expectation of real and apparent age ` +
      "from a single image), for academic research only. Its labels were crawled from the web, " +
      "and many are wrong. The people in it did not consent; most are actors, athletes and " +
      "politicians between 20 and 50.",
    others &&
    `${others}: images provided by the user. The terms of their authors and of the people in ` +
      "them apply.",
  ].filter((text): text is string => Boolean(text));
}

const heading = (heading: string): Block => ({ heading, level: 2 });
const text = (text: string): Block => ({ text });

export function toMarkdown(title: string, blocks: readonly Block[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(" | ")} |`;
  const parts = blocks.map((block) => {
    if ("heading" in block) return `${"#".repeat(block.level)} ${escapeMarkdown(block.heading)}`;
    if ("text" in block) return escapeMarkdown(block.text);
    if ("notice" in block) return `**${escapeMarkdown(block.notice)}**`;
    return [row(block.head), row(block.head.map(() => "---")), ...block.rows.map(row)].join("\n");
  });
  return [`# ${escapeMarkdown(title)}`, ...parts].join("\n\n") + "\n";
}

export function toHtml(blocks: readonly Block[]): Html[] {
  return blocks.map((block, i) => {
    if ("heading" in block) {
      return block.level === 2 ? html`<h2>${block.heading}</h2>` : html`<h3>${block.heading}</h3>`;
    }
    if ("text" in block) return html`<p>${block.text}</p>`;
    if ("notice" in block) return html`<p class="notice">${block.notice}</p>`;
    const label = blocks.slice(0, i).findLast((one) => "heading" in one)?.heading;
    return html`
      <div class="wide" tabindex="0" role="region" aria-label="${label}">
        <table>
          <thead>
            <tr>${block.head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr>
          </thead>
          <tbody>${block.rows.map((row) =>
            html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`
          )}</tbody>
        </table>
      </div>
    `;
  });
}

/** Renders the model card of a report as Markdown, the content of MODEL_CARD.md. */
export function modelCard(
  { pipeline, models, leftOut, data, made: { lineage, caution } }: Report,
): string {
  const mirror = lineage.stages.map(({ params }) => params.mirror).find((from) => from);
  const trained = lineage.stages.findLast(({ id }) =>
    models.some((model) => model.id.split(".")[0] === id)
  );
  const when = trained ? `, trained on ${trained.startedAt.slice(0, 10)}` : "";
  const run = lineage.run ? `, run ${lineage.run.id}` : "";
  return toMarkdown("Model card", [
    ...notices(cautionsOf([...lineage.stages, { caution }])),
    text(
      `Models of pipeline ${pipeline} (${lineage.file}, seed ${lineage.seed}${run})${when}. ` +
        `Details: report.html.${leftOutModels(leftOut)}`,
    ),
    ...cardBlocks({
      models: sortModels(models).map((model) => {
        const { id, metrics, params, network } = model;
        const { counts, datasets, epochs, seed } = model.training;
        const before = describePretraining(model, lineage);
        // The record of a joint network counts the faces with a label of any head.
        const labelled = "weights" in params && counts.train !== metrics.counts.train
          ? ` with a label of ${joinWords(Object.keys(jointTasks(params)), "or")}`
          : "";
        return {
          id,
          task: metrics.task,
          metrics,
          title: subject(metrics),
          worth: `${summary(metrics)} ${verdict(metrics)}.${unlabelledText(metrics)}`,
          origin: `${faces(counts.train)}${labelled} of ${Object.keys(datasets).join(" and ")}; ` +
            (before === undefined ? "" : `pretraining: ${before}; `) +
            `${counted(epochs, "epoch")}, seed ${seed}, ` +
            `${count(network.weights)} parameters`,
        };
      }),
      datasets: data.datasets.map(({ name }) => name),
      ...earlierData(models, data.terms),
      framedBy: data.framedBy,
      ...(typeof mirror === "string" ? { mirror } : {}),
      preprocessing: data.preprocessing,
    }),
  ]);
}

/** The part of a model that names its pretraining. */
export interface Pretrained extends Pick<ModelReport, "id" | "params"> {
  readonly training: Pick<ModelReport["training"], "datasets" | "learnedFrom">;
}

/** Returns the data sets of all trainings of models, and of those that they learned from. */
export function earlierData(
  models: readonly Pick<Pretrained, "training">[],
  terms: ModelCardData["terms"],
): Required<Pick<ModelCardData, "earlier" | "terms">> {
  const sources = models.flatMap(({ training: { learnedFrom = [] } }) => learnedFrom);
  return {
    earlier: [
      ...models.flatMap(({ training }) => Object.keys(training.datasets)),
      ...sources.flatMap(({ datasets }) => datasets),
    ],
    terms: Object.assign({}, ...sources.map(({ terms }) => terms), terms),
  };
}

/**
 * Lists the models that a network was made from, stages of the same pipeline too, and the data sets that
 * these were trained on. Returns undefined for a model that is trained from initial weights alone.
 */
export function describePretraining(
  { id, params: { init, teacher }, training: { learnedFrom = [] } }: Pretrained,
  { stages }: Pick<Lineage, "stages">,
): string | undefined {
  // With several outputs, the id includes the output: trainJoint.age.
  const { teachers } = stages.find((stage) => stage.id === id.split(".")[0])?.inputs ?? {};
  const stageNames = teachers && [teachers].flat().join(", ");
  // Folders above are of this machine alone.
  const short = (path: string) => asWritten(path).replace(/^.*[\\/](?=[^\\/]+[\\/])/, "");
  const written = (value: unknown): string => {
    if (Array.isArray(value)) return value.map(written).join(" and ");
    if (typeof value !== "object" || value === null) return short(String(value));
    const { from, ...others } = value as Record<string, unknown>;
    const options = Object.entries(others).map(([name, one]) => `${name} ${written(one)}`);
    // Teachers may be stages, which inputs name.
    return [from && written(from), options.length > 0 && `(${options.join(", ")})`]
      .filter(Boolean).join(" ");
  };
  const named = Object.entries({ init, teacher, teachers: stageNames })
    .filter(([, value]) => value != null).map(([name, value]) => `${name} ${written(value)}`);
  const datasets = new Set(learnedFrom.flatMap(({ datasets }) => datasets));
  return [
    ...named,
    ...datasets.size > 0 ? [`trained on ${joinWords([...datasets])}`] : [],
    ...learnedFrom.some(({ testImages }) => testImages === null)
      ? ["whether on images of the test set is not known"]
      : [],
  ].join(", ") || undefined;
}
