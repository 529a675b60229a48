/** The stage `auditLabels`: ranks labels by the predictions of networks that were not trained on them. */
import { join } from "node:path";
import type { Backend } from "../../packages/compute/backends.ts";
import { openBackend } from "../../packages/compute/open_backend.ts";
import { csvLine } from "../../packages/formats/csv_write.ts";
import { NpyFile, readNpy, writeNpy } from "../../packages/formats/npy.ts";
import { readParquet, writeParquet } from "../../packages/formats/parquet.ts";
import { formatNumber } from "../../packages/pipeline/format.ts";
import type { Choice } from "../../packages/pipeline/define.ts";
import type { Artifact, StageContext } from "../../packages/pipeline/stage.ts";
import { jsonText, keepDigest, takeWhole } from "../../packages/pipeline/state.ts";
import { random } from "../../packages/random/random.ts";
import { normalizedMargins, residualScores } from "../../packages/statistics/label_quality.ts";
import { majorityClass, mean, median } from "../../packages/statistics/prediction_metrics.ts";
import { selectRows } from "../datasets/select_rows.ts";
import { copiesOf, groupRows } from "../datasets/write_splits.ts";
import { findSourceFaces, openFaces } from "../detection/faces_artifact.ts";
import { decodeOutputs } from "../training/further_metrics.ts";
import { loadModel } from "../training/model_files.ts";
import { openPredictor } from "../training/predictor.ts";
import { readPeople } from "../training/targets.ts";
import { auditedTask, labelTasks, type Task } from "../training/tasks.ts";
import type { ModelTraining } from "../training/learning.ts";
import { trainSingle } from "../training/train_model.ts";
import type { NetworkDefinition } from "../training/training_definitions.ts";
import type { Sources } from "./data_facts.ts";
import { suspectLabels } from "./error_curves.ts";
import { imageDataUrl, thumbnail } from "./image_data_urls.ts";
import { judgePage } from "./judge_page.ts";
import { METRICS } from "./metrics.ts";
import { compareWithBaseline, isUseful } from "./score_model.ts";

interface AuditParams extends Omit<ModelTraining["params"], "export"> {
  target: string;
  folds: number;
  list: number;
  network: Choice;
  networks: readonly NetworkDefinition[];
}

/** Side of an image on the page, pixels. */
const THUMBNAIL = 160;

/** Trains a network for each fold and fills the artifact `audit`. @throws if labels are missing */
export async function auditLabels(
  { dataset, faces, archives }: Pick<Sources, "dataset" | "faces" | "archives">,
  { target, folds, list, ...params }: AuditParams,
  context: StageContext,
): Promise<void> {
  const table = join(dataset.path, "table.parquet"), people = await readPeople(table);
  const columns = await readParquet(table, {
    identity: "string?",
    dataset: "string",
    path: "string",
  });
  const every = Int32Array.from(people.keys());
  const [{ task, labels }] = labelTasks({ audit: auditedTask(target) }, people, every);
  const rows = [...labels.keys()].filter((row) => !Number.isNaN(labels[row]));
  const copies = await copiesOf({ dataset, archives }, rows, context);
  // The label of a copy would confirm its own.
  const groups = groupRows(rows, columns, copies);
  if (groups.length < 2 * folds) {
    throw new Error(
      `Cannot audit labels of ${target}: ${groups.length} people or images have one, and ${folds} ` +
        `folds need ${2 * folds}. Name another target, or lower auditLabels.folds.`,
    );
  }
  random(context.seed, "auditLabels").shuffle(groups);
  const stratum = ([row]: readonly number[]) =>
    String(task.classes ? labels[row] : Math.floor(labels[row] / 10));
  using images = new NpyFile(join(dataset.path, "images.npy"), "uint8");
  await openBackend(context.compute as Backend);
  const width = task.classes?.length ?? 1, outputs = new Float32Array(labels.length * width);
  for (let fold = 1; fold <= folds; fold++) {
    const { taken, rest } = selectRows("test", { fold, of: folds }, groups, {}, stratum);
    const test = Int32Array.from(taken.flat()).sort();
    context.info(`fold ${fold} of ${folds}: ${test.length} labels`);
    const given = { test, rest, images, dataset, task, params };
    const predicted = await predictFold(fold, given, context);
    test.forEach((row, i) =>
      outputs.set(predicted.subarray(i * width, (i + 1) * width), row * width)
    );
  }
  const own = Float32Array.from(rows.flatMap((row) => [
    ...outputs.subarray(row * width, (row + 1) * width),
  ]));
  const { prediction, probabilities } = decodeOutputs(own, task.classes?.length);
  const truth = rows.map((row) => labels[row]);
  const scores = probabilities
    ? normalizedMargins(truth, probabilities)
    : residualScores(truth, prediction);
  const classes = task.classes?.map(({ label }) => label);
  const suspect = suspectLabels({ classes }, { truth, prediction, probabilities });
  const name = (value: number) => classes?.[value] ?? String(Math.round(value));
  const order = [...rows.keys()].sort((a, b) =>
    (probabilities ? scores[a] - scores[b] : scores[b] - scores[a]) || a - b
  );
  const ranked = order.map((i) => ({
    row: rows[i],
    dataset: columns.dataset[rows[i]],
    path: columns.path[rows[i]],
    label: name(truth[i]),
    suggested: name(prediction[i]),
    score: scores[i],
    suspect: suspect[i],
  }));
  const output = (file: string) => join(context.outputs.audit, file);
  const header = ["row", "dataset", "path", "label", "suggested", "score", "suspect"];
  await Deno.writeTextFile(
    output("labels.csv"),
    [header, ...ranked.map((one) => Object.values({ ...one, score: one.score.toFixed(6) }))]
      .map((line) => csvLine(line.map(String))).join(""),
  );
  await writeParquet(output("predictions.parquet"), {
    row: { type: "int32", values: rows },
    truth: { type: "float64", values: truth },
    prediction: { type: "float64", values: Array.from(prediction) },
    probabilities: {
      type: "float64[]",
      nullable: true,
      values: rows.map((_, i) => probabilities ? Array.from(probabilities[i]) : null),
    },
  });
  const made = await findSourceFaces(dataset.path, faces);
  using crops = made && await openFaces(made.path);
  const places = new Map(crops?.rows.map((crop) => [`${crop.dataset}\n${crop.full_path}`, crop]));
  const shown = ranked.slice(0, list).map(async ({ row, score: _, suspect: __, ...one }) => {
    const crop = places.get(`${one.dataset}\n${one.path}`);
    const png = crop && crops!.png(crop);
    return { ...one, image: await (png ? thumbnail(png, THUMBNAIL) : imageDataUrl(images, row)) };
  });
  await Deno.writeTextFile(
    output("judge.html"),
    judgePage({
      column: target,
      correct: task.classes !== null,
      suspects: await Promise.all(shown),
      title: `Labels of ${target}, the most suspicious first`,
    }),
  );
  const metric = classes ? "accuracy" : "mae"; // numbers are ages
  const scoreOf = (some: ArrayLike<number>) => mean(METRICS[metric].each(truth, some));
  const score = scoreOf(prediction);
  const summary = {
    target,
    classes,
    labels: rows.length,
    suspect: suspect.filter(Boolean).length,
    [metric]: score,
  };
  await Deno.writeTextFile(output("summary.json"), jsonText(summary));
  context.info(
    `${summary.suspect} of ${rows.length} labels of ${target} are suspect; judge them in judge.html`,
  );
  const guess = classes ? majorityClass(truth, classes.length) : median(truth);
  const constant = formatNumber(scoreOf(truth.map(() => guess)));
  const who = rows.map((row) => columns.identity[row]);
  if (!isUseful(compareWithBaseline(metric, { truth, prediction }, guess, who))) {
    context.warn(
      `The networks contradict labels of ${target} by chance: their ${metric} on the parts they were ` +
        `not trained on is ${formatNumber(score)}, not significantly better than that of the ` +
        `constant baseline, ${constant}. Raise auditLabels.epochs, or choose another network.`,
    );
  }
}

/** Trains without a fold and returns its predictions. Resumes a training, and keeps finished folds. */
async function predictFold(
  fold: number,
  { test, rest, images, dataset, task, params }: {
    test: Int32Array;
    rest: readonly (readonly number[])[];
    images: NpyFile<"uint8">;
    dataset: Artifact;
    task: Task;
    params: Omit<AuditParams, "target" | "folds" | "list">;
  },
  context: StageContext,
): Promise<Float32Array> {
  const folder = join(context.scratch, `fold-${fold}`), done = `${folder}.npy`;
  if (await takeWhole(done, (message) => context.info(message))) {
    return readNpy(done, "float32").data;
  }
  const model = join(folder, "model");
  await Deno.mkdir(model, { recursive: true });
  // Every tenth group validates; groups are in the order of their strata.
  const [validation, train] = [true, false].map((wanted) =>
    Int32Array.from(rest.filter((_, i) => (i % 10 === 0) === wanted).flat()).sort()
  );
  writeNpy(join(folder, "train.npy"), train, [train.length]);
  writeNpy(join(folder, "validation.npy"), validation, [validation.length]);
  const { networks, ...options } = params, { mirror } = options;
  await trainSingle({ dataset, splits: { ...dataset, path: folder }, teachers: [] }, {
    task,
    network: "plain",
    networks,
    params: { ...options, export: [] },
    context: Object.create(context, { scratch: { value: folder }, outputs: { value: { model } } }),
  });
  const loaded = await loadModel(model);
  try {
    await using predictor = await openPredictor(loaded.model);
    const outputs = await predictor.predict(images, test, { mirror, signal: context.signal });
    writeNpy(done, Float32Array.from(outputs), [outputs.length]);
    await keepDigest(done);
    return outputs;
  } finally {
    loaded.model.dispose();
  }
}
