/**
 * The model card, after Mitchell et al. 2019 (Model cards for model reporting): what models are for,
 * what they must not be used for, and what they are worth. Written once, for the report's
 * MODEL_CARD.md and the server's page.
 */
import type { Preprocessing } from "../images/preprocessing.ts";
import { type Html, html } from "./html.ts";
import type { ModelMetrics } from "./score_model.ts";
import { count, plain, range, signed, signedRange } from "./format_metric.ts";

/** What the card is about. */
export interface ModelCardData {
  readonly models: readonly CardModel[];
  /** Data sets that the models were trained with. */
  readonly datasets: readonly string[];
  /** Where the data sets came from, if not from their authors. */
  readonly mirror?: string;
  readonly preprocessing: Preprocessing;
  /** Of what is served: what finds the faces there, in a sentence. */
  readonly serving?: string;
  /** Of what is served: what becomes of pictures. */
  readonly pictures?: string;
}

export interface CardModel {
  readonly id: string;
  /** "Age in years" */
  readonly title: string;
  /** How well it does, as a sentence. */
  readonly worth: string;
  /** How it was trained. */
  readonly origin: string;
  /** If it was tested. */
  readonly metrics?: ModelMetrics;
}

type Block =
  | { heading: string; level: 2 | 3 }
  | { text: string }
  | { notice: string }
  | { head: readonly string[]; rows: readonly (readonly string[])[] };

/** Cautions as the card's first blocks. */
export function notices(cautions: readonly string[]): Block[] {
  return cautions.map((notice) => ({ notice }));
}

/** The card after its notices, block by block. */
export function cardBlocks(facts: ModelCardData): Block[] {
  const { models, datasets, mirror, preprocessing } = facts;
  const { crop, resize, detector, steps } = preprocessing;
  const pixels = `${resize.size} × ${resize.size} pixels`;
  const found = detector.name === "metadata"
    ? "the data set itself says"
    : `${detector.name} finds`;
  return [
    heading("What it is for"),
    text(
      `To show, and to study, what small convolutional networks that are fed with faces of ` +
        `${pixels} learn about gender and age from labelled pictures.`,
    ),
    heading("What it must not be used for"),
    text(
      "Deciding anything about a person: access, prices, work, health, policing, moderation, proof " +
        "of age. Nor for identifying or tracking people, for inferring gender identity, which no " +
        "picture shows, for anything about children, or on people who have not agreed. It does not " +
        "know who somebody is, how old, or of which gender; it says which label similar pictures " +
        "had in its data set. Its two genders are that data set's, not the world's.",
    ),
    heading("The models"),
    {
      head: ["Predicts", "How well", "Trained with"],
      rows: models.map(({ id, title, worth, origin }) => [`${title} (${id})`, worth, origin]),
    },
    text(
      "An age's error is an average: for one face it may be nothing, or several times as much. The " +
        "percentages beside classes are the network's own, and networks are often too sure of " +
        "themselves.",
    ),
    ...models.flatMap(groups),
    heading("Data and its terms"),
    ...terms(datasets).map(text),
    ...(mirror === undefined ? [] : [
      text(`The files came from ${mirror}. What it holds, and on which terms, it says itself.`),
    ]),
    heading("From a photo to what a network sees"),
    text(
      `The photo is decoded, turned upright as its EXIF data says, and put on white where it is ` +
        `transparent. For training, ${found} where the face is. ${facts.serving ?? ""} A square ` +
        `around the face, ${Math.round(100 * crop.margin)} % of it added on each side, is scaled ` +
        `to ${pixels} by Lanczos's filter. Training and serving share the code.` +
        (steps.length > 0
          ? ` For training only, faces also went through: ${steps.join(", ")}.`
          : ""),
    ),
    heading("Where it fails"),
    text(
      "Faces in profile, covered, small, blurred or badly lit are missed or misjudged. A data set " +
        "shows some people more often than others (by age, gender, skin, fame, make-up, light), and " +
        "a network is worse for those whom it saw less. Beyond the tables above, nothing is known " +
        "about how it does for a group.",
    ),
    ...(facts.pictures === undefined ? [] : [heading("Pictures"), text(facts.pictures)]),
  ];
}

/** How well a model does for each group of the test set, if it was tested. */
function groups({ title, id, metrics }: CardModel): Block[] {
  if (!metrics?.groups) return [];
  const { metric, groups } = metrics;
  const years = metric === "mae";
  return [
    { heading: `${title} (${id}), by gender and age`, level: 3 },
    {
      head: [
        "Group",
        "Faces",
        years ? "Off by, years" : "Right, %",
        "95 % interval",
        ...(years ? ["Too old (+) or young by, years", "95 % interval"] : []),
      ],
      rows: groups.map(({ gender, from, to, count: n, value, interval, bias, biasInterval }) => [
        (gender === 1 ? "men" : "women") + (from === undefined ? "" : `, ${from} to ${to}`),
        count(n),
        plain(value, metric),
        interval ? range(interval, metric, false) : "too few to tell",
        ...(years
          ? [signed(bias!), biasInterval ? signedRange(biasInterval) : "too few to tell"]
          : []),
      ]),
    },
    ...(metrics.perClass && metrics.classes!.length > 2
      ? [{
        head: ["Class", "Faces", "Precision, %", "95 % interval", "Recall, %", "95 % interval"],
        rows: metrics.perClass.map(({ count: n, precision, recall, intervals }, i) => [
          metrics.classes![i],
          count(n),
          plain(precision, "accuracy"),
          intervals.precision ? range(intervals.precision, "accuracy", false) : "never said",
          plain(recall, "accuracy"),
          intervals.recall ? range(intervals.recall, "accuracy", false) : "none in the test set",
        ]),
      }]
      : []),
  ];
}

function terms(datasets: readonly string[]): string[] {
  const rest = datasets.filter((name) => name !== "sample" && !isImdbWiki(name));
  return [
    ...(datasets.includes("sample")
      ? ["sample: faces that the project draws itself; they belong to nobody."]
      : []),
    ...(datasets.some(isImdbWiki)
      ? [
        `${datasets.filter(isImdbWiki).join(", ")}: IMDB-WIKI (Rothe, Timofte, Van Gool: Deep ` +
        "expectation of real and apparent age from a single image), for academic research only. " +
        "Its labels were taken from the web by program, and many are wrong. The people in it were " +
        "not asked; most are actors, athletes and politicians between 20 and 50.",
      ]
      : []),
    ...(rest.length > 0
      ? [
        `${rest.join(", ")}: pictures of the person who ran this, on the terms of whoever took ` +
        "them and of whoever is in them.",
      ]
      : []),
  ];
}

function isImdbWiki(name: string): boolean {
  return /^(wiki|imdb)(_crop)?$/.test(name);
}

function heading(text: string): Block {
  return { heading: text, level: 2 };
}

function text(text: string): Block {
  return { text };
}

/** Blocks as Markdown. */
export function toMarkdown(title: string, blocks: readonly Block[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map(escape).join(" | ")} |`;
  const parts = blocks.map((block) => {
    if ("heading" in block) return `${"#".repeat(block.level)} ${escape(block.heading)}`;
    if ("text" in block) return escape(block.text);
    if ("notice" in block) return `**${escape(block.notice)}**`;
    return [row(block.head), row(block.head.map(() => "---")), ...block.rows.map(row)].join("\n");
  });
  return [`# ${escape(title)}`, ...parts].join("\n\n") + "\n";
}

/** Text from data stays text: no markup of Markdown, no HTML, no new line. */
function escape(text: string): string {
  return text.replace(/[\r\n]+/g, " ").replace(/[\\`*_[\]<>|#]/g, "\\$&");
}

/** Blocks as HTML. */
export function toHtml(blocks: readonly Block[]): Html[] {
  return blocks.map((block) => {
    if ("heading" in block) {
      return block.level === 2 ? html`<h2>${block.heading}</h2>` : html`<h3>${block.heading}</h3>`;
    }
    if ("text" in block) return html`<p>${block.text}</p>`;
    if ("notice" in block) return html`<p class="notice">${block.notice}</p>`;
    return html`
      <div class="wide">
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
