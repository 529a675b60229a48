/** The report's section on the data. */
import { counted } from "../../../packages/pipeline/causes.ts";
import { ageHistogram, genderShares } from "../charts/data_charts.ts";
import { colors } from "../charts/draw.ts";
import { type Child, type Html, html } from "../html.ts";
import { splitNames } from "../score_model.ts";
import type { DataReport, Dropped, FaceGroup, NamedImage } from "../report_data.ts";
import { type Framing, MIN_SERVED } from "../compare_framing.ts";
import { figure, noteCard, settingsList, table } from "../tables.ts";
import { count, faces } from "../format_result.ts";

export function dataSection(data: DataReport): Html {
  const { datasets, splits, crops, noFace, copies, preprocessing } = data;
  const all = datasets.reduce((sum, { ages }) => sum + ages.length, 0);
  const gendered = [...datasets, ...splitNames.map((name) => splits[name])]
    .map(({ name, genders }) => ({ name, genders: known(genders) }))
    .filter(({ genders }) => genders.length > 0);
  const shares = gendered.length > 0 &&
    figure("Women and men", "by data set and by split", genderShares(gendered));
  const drawn = crops.map((image) => ({ image, name: "A crop" }));
  const note = `${some(crops.length)} of ${faces(all)}, drawn at random`;
  const photos = Object.entries(data.photos ?? {}).map(([name, { photos, problems, faces }]) =>
    [name, photos, Object.entries(problems), faces] as const
  );
  const undetected = noFace.shown.length < noFace.count
    ? `${noFace.shown.length} of ${count(noFace.count)}, drawn at random`
    : some(noFace.count);
  const copied = copies &&
    `${count(copies.count)}, each in the set of its original; pairs, other labels first`;
  return html`<section>
<h2 id="faces">Data</h2>
<div class="columns">
${rowsTable(data)}
${
    photos.length > 0 &&
    countsTable("Photos and faces", "Photos of the kept rows.", ["photos", "faces"], photos)
  }
${histograms(datasets)}
${shares}
</div>
${ageBySplit(splits)}
${crops.length > 0 && sheet("Crops", note, drawn)}
${data.framing && framingGrid(data.framing)}
${noFace.count > 0 && sheet("Photos without a detected face", undetected, noFace.shown)}
${copies && sheet("Copies", copied!, copies.shown)}
<h3 class="row">Preprocessing</h3>
${settingsList(effective(preprocessing))}
</section>`;
}

/** Returns the ages or genders that are known; those of other faces are NaN or negative. */
function known(values: ArrayLike<number>): number[] {
  return Array.from(values).filter((value) => value >= 0);
}

function ageBySplit(splits: DataReport["splits"]): Html | false {
  const aged = splitNames.map((name) => ({ name, ages: known(splits[name].ages) }))
    .filter(({ ages }) => ages.length > 0);
  return aged.length > 0 && html`<figure class="card wide">
<figcaption><b>Age by split</b>bins of five years</figcaption>
${
    aged.map(({ name, ages }) =>
      html`<div><p class="chart">${name}, ${faces(ages.length)}</p>
${ageHistogram(ages, `of the ${name} set`, { color: colors[name], height: 160 })}</div>`
    )
  }
</figure>`;
}

function rowsTable({ selection }: DataReport): Html[] {
  return selection.map(({ stage, sampled = 0, datasets }) =>
    countsTable(
      html`Rows kept and dropped${
        selection.length > 1 && html`
          <span class="id">${stage}</span>
        `
      }`,
      "A row is dropped for the first reason that applies." +
        (sampled > 0 ? ` ${count(sampled)} of the kept rows were sampled at random.` : ""),
      ["read", "kept"],
      datasets.map(({ name, read, dropped, kept }) => [name, read, dropped, kept]),
    )
  );
}

/** Renders a column for each data set: a count, those dropped by reason, and the remaining count. */
function countsTable(
  title: Child,
  note: string,
  [all, remaining]: readonly [string, string],
  sets: readonly (readonly [string, number, Dropped, number])[],
): Html {
  const reasons = new Set(sets.flatMap(([, , dropped]) => dropped.map(([why]) => why)));
  const rows = [
    [all, ...sets.map(([, n]) => count(n))],
    ...Array.from(reasons, (why) => [
      ...[why, ...sets.map(([, , dropped]) => count(new Map(dropped).get(why) ?? 0))],
    ]),
    [remaining, ...sets.map(([, , , n]) => count(n))],
  ];
  return noteCard(title, note, table(["", ...sets.map(([name]) => name)], rows, true));
}

/** Renders the histogram of all ages, and one per data set if there are several. */
function histograms(datasets: readonly FaceGroup[]): Html[] {
  const aged = datasets.map(({ name, ages }) => ({ name, ages: known(ages) }))
    .filter(({ ages }) => ages.length > 0);
  const ages = aged.flatMap(({ ages }) => ages);
  const all = aged.length > 1 ? [{ name: "all data sets", ages }, ...aged] : aged;
  return all.map(({ name, ages }) => {
    const bins = `${faces(ages.length)}, bins of five years`;
    return figure(`Ages in ${name}`, bins, ageHistogram(ages, `in ${name}`));
  });
}

/** Returns the preprocessing settings without those that the detector does not use. */
function effective({ detector, ...rest }: DataReport["preprocessing"]): Record<string, unknown> {
  const { name, minConfidence, inputSizes, ...others } = detector;
  const own = {
    ...(name === "metadata" ? {} : { minConfidence }),
    ...(inputSizes.length > 0 ? { inputSizes } : {}),
  };
  return { detector: { name, ...own, ...others }, ...rest };
}

/** Renders mean faces and examples of training, test and serving. */
function framingGrid({ rows, served, means, photos, withoutFace, warnings }: Framing): Html {
  const [alike, mean] = [served, means].map((value) => value?.toFixed(2));
  const found = [
    alike &&
    `Median correlation with their test images: ${alike}, at least ${MIN_SERVED} where the ` +
      "framing is the same.",
    withoutFace > 0 && `No face in ${withoutFace} of ${counted(photos, "photo")}.`,
    mean && `Correlation of the mean faces of training and test: ${mean}.`,
  ].filter(Boolean);
  return html`
    <h3 class="row">Framing <small>mean face, and three examples</small></h3>
    ${warnings.map((warning) => html`<p class="notice">${warning}</p>`)}
    <div
      class="card framing">${rows.map(({ name, count: n, images }) =>
        html`<p><b>${name}</b> <small>${faces(n)}</small></p>${
          images.map((image, i) => {
            const label = `${name}, ${i === 0 ? "mean face" : `example ${i}`}`;
            return html`<img src="${image}" width="112" height="112" alt="${label}">`;
          })
        }`
      )}<p class="note">Serving: test photos, detected and cropped as predict and the webcam page do, the same
    examples as of the test set. ${found.join(" ")}</p></div>
  `;
}

function some(n: number): string {
  return n === 1 ? "one" : count(n);
}

export function sheet(title: string, note: string, images: readonly NamedImage[]): Html {
  return html`<h3 class="row">${title} <small>${note}</small></h3>
<ul class="sheet">${
    images.map(({ image, name, label }) =>
      html`<li title="${name}"><img src="${image}" alt="${name}">${label}</li>`
    )
  }</ul>`;
}
