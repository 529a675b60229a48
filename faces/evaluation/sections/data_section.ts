/** The report's section on the data. */
import { ageHistogram, genderShares } from "../charts/data_charts.ts";
import { colors } from "../charts/draw.ts";
import { type Html, html } from "../html.ts";
import { type SplitName, splitNames } from "../score_model.ts";
import type { DataReport, FaceGroup } from "../report_data.ts";
import { settingsList, table } from "../tables.ts";
import { count, faces, percent } from "../format_result.ts";

export function dataSection(data: DataReport): Html {
  const { datasets, splits, crops, noFace, preprocessing } = data;
  return html`<section>
<h2 id="faces">Data</h2>
<div class="columns">
${rowsTable(data)}
${photosTable(data)}
${histograms(datasets)}
<figure class="card">
<figcaption><b>Age by split</b>bins of five years</figcaption>
${
    splitNames.map((name) =>
      html`<p class="chart">${name}, ${faces(splits[name].ages.length)}</p>
${
        ageHistogram(splits[name].ages, `of the ${name} set`, {
          color: colors[name],
          height: 132,
        })
      }`
    )
  }
</figure>
<figure class="card">
<figcaption><b>Women and men</b>by data set and by split</figcaption>
${genderShares([...datasets, ...splitNames.map((name) => splits[name])])}
</figure>
${splitsTable(splits)}
</div>
${
    crops.length > 0 &&
    html`<h3 class="row">Crops <small>${crops.length === 1 ? "one" : count(crops.length)} of ${
      faces(datasets.reduce((sum, { ages }) => sum + ages.length, 0))
    }, drawn at random</small></h3>
<ul class="sheet">${
      crops.map((crop) => html`<li><img src="${crop}" width="112" height="112" alt="A crop"></li>`)
    }</ul>`
  }
${noFaces(noFace)}
<h3 class="row">Preprocessing</h3>
${settingsList(effective(preprocessing))}
</section>`;
}

function rowsTable({ selection }: DataReport): Html[] {
  return selection.map(({ stage, sampled, datasets }) => {
    const reasons = [...new Set(datasets.flatMap(({ dropped }) => dropped.map(([why]) => why)))];
    const line = (name: string, of: (set: (typeof datasets)[number]) => number) => [
      name,
      ...datasets.map((set) => count(of(set))),
    ];
    return html`<div class="card">
<h3>Rows kept and dropped${
      selection.length > 1 && html`
        <span class="id">${stage}</span>
      `
    }</h3>
<p class="note">A row is dropped for the first reason that applies.${
      sampled !== undefined && ` ${count(sampled)} of the kept rows were sampled at random.`
    }</p>
${
      table(["", ...datasets.map(({ name }) => name)], [
        line("read", ({ read }) => read),
        ...reasons.map((why) =>
          line(why, ({ dropped }) => dropped.find(([other]) => other === why)?.[1] ?? 0)
        ),
        line("kept", ({ kept }) => kept),
      ], true)
    }
</div>`;
  });
}

function photosTable({ photos }: DataReport): Html | undefined {
  if (!photos) return undefined;
  const names = Object.keys(photos);
  const problems = [...new Set(names.flatMap((name) => Object.keys(photos[name].problems)))];
  return html`<div class="card">
<h3>Photos and faces</h3>
<p class="note">Photos of the kept rows.</p>
${
    table(["", ...names], [
      ["photos", ...names.map((name) => count(photos[name].photos))],
      ...problems.map((problem) => [
        problem,
        ...names.map((name) => count(photos[name].problems[problem] ?? 0)),
      ]),
      ["faces", ...names.map((name) => count(photos[name].faces))],
    ], true)
  }
</div>`;
}

/** Renders figure 1, the histogram of all ages, and one per data set if there are several. */
function histograms(datasets: readonly FaceGroup[]): Html[] {
  const figure = ({ name, ages }: Pick<FaceGroup, "name" | "ages">, label: string, where: string) =>
    html`<figure class="card">
<figcaption><b>Ages ${where}</b>${label}${faces(ages.length)}, bins of five years</figcaption>
${ageHistogram(ages, `in ${name}`)}
</figure>`;
  const [only] = datasets;
  if (datasets.length === 1) return [figure(only, "Figure 1: ", `in ${only.name}`)];
  const ages = datasets.flatMap(({ ages }) => Array.from(ages));
  const all = figure({ name: "all data sets", ages }, "Figure 1: ", "in all data sets");
  return [all, ...datasets.map((set) => figure(set, "", `in ${set.name}`))];
}

/** Returns the preprocessing settings without those that the detector does not use. */
function effective({ detector, ...rest }: DataReport["preprocessing"]): Record<string, unknown> {
  const { name, minConfidence, inputSizes, ...others } = detector as Record<string, unknown>;
  const own = {
    ...(name === "metadata" ? {} : { minConfidence }),
    ...(Array.isArray(inputSizes) && inputSizes.length > 0 ? { inputSizes } : {}),
  };
  return { detector: { name, ...own, ...others }, ...rest };
}

function splitsTable(splits: Record<SplitName, FaceGroup>): Html {
  const all = splitNames.reduce((sum, name) => sum + splits[name].ages.length, 0);
  return html`<div class="card">
<h3>Splits</h3>
<p class="note">Training set: fits the weights. Validation set: early stopping and model selection.
Test set: final metrics.</p>
${
    table(
      ["split", "faces", "share"],
      splitNames.map((name) => [
        name,
        count(splits[name].ages.length),
        percent(splits[name].ages.length / all),
      ]),
    )
  }
</div>`;
}

function noFaces({ shown, count: n }: DataReport["noFace"]): Html | false {
  if (n === 0) return false;
  const some = shown.length < n
    ? `${shown.length} of ${count(n)}, drawn at random`
    : n === 1
    ? "one"
    : count(n);
  return html`<h3 class="row">Photos without a detected face <small>${some}</small></h3>
<ul class="sheet">${
    shown.map(({ image, name }) =>
      html`
        <li
          title="${name}"><img src="${image}" width="112" height="112" alt="${name}"></li>
      `
    )
  }</ul>`;
}
