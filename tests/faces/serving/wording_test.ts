import assert from "node:assert/strict";
import type { Detection, Detector, DetectorModel } from "../../../faces/detection/detector.ts";
import { openDetector } from "../../../faces/detection/detectors.ts";
import type { ClassPrediction, Face, ServedModel } from "../../../faces/serving/api.ts";
import { readOutputs, summarize } from "../../../faces/serving/prediction.ts";
import { detectFaces } from "../../../faces/serving/inference_session.ts";
import { ageClasses, genderClasses } from "../../../faces/training/targets.ts";
import { formatScore, origin } from "../../../faces/serving/render_pages.ts";
import { announcement, cameraError, caption, percent } from "../../../faces/serving/web/wording.ts";

const gender = { id: "g", task: "gender", classes: [...genderClasses], error: 0.9 };
const years = { id: "y", task: "age", classes: null, error: 7.6 };
const groups = { id: "m", task: "age", classes: [...ageClasses.multiclass], error: 0.5 };
const binary = { id: "b", task: "age", classes: [...ageClasses.binary], error: 0.5 };

const captionOf = (face: Partial<Face>) => caption({ predictions: [], ...face }, []);

Deno.test("readOutputs() and caption() format the outputs of networks", () => {
  const predicted = [gender, years, groups].map((model, i) =>
    readOutputs(model, [[0.93, 0.07], [34.4], [0, 0, 0.61, 0.39, 0, 0, 0, 0]][i])
  );
  const { gender: sex, age } = summarize([gender, years, groups], predicted);
  assert.equal(captionOf({ gender: sex, age }), "female 93 %, 34 ± 8 years");
  assert.equal(captionOf({ age: predicted[2] }), "33 to 44 years 61 %");
  assert.deepEqual([(predicted[2] as { minAge?: number }).minAge], [33]);
  assert.equal(captionOf({ age: readOutputs(binary, [0.2, 0.8]) }), "above 60 years 80 %");
  assert.equal(captionOf({ age: readOutputs(years, [-3]) }), "0 ± 8 years");
  const interval = { low: 5.2, high: 30, level: 0.9 };
  const young = { model: "y", years: 17, error: 8, interval };
  assert.equal(captionOf({ age: young }), "17 years, 90 %: 5 to 30");
  assert.equal(captionOf({ age: { ...young, years: 1.2 } }), "1 year, 90 %: 5 to 30");
});

Deno.test("summarize() prefers years, then the finest classes", () => {
  const all = [binary, groups, years];
  const predicted = all.map((model, i) =>
    readOutputs(model, [[1, 0], Array(8).fill(1 / 8), [20]][i])
  );
  assert.equal(summarize(all, predicted).age?.model, "y");
  assert.equal(summarize(all.slice(0, 2), predicted).age?.model, "m");
  const poor = all.map((model) => ({ ...model, useless: model !== binary }));
  assert.equal(summarize(poor, predicted).age?.model, "b");
  assert.equal(summarize(poor.slice(1), predicted.slice(1)).age?.model, "y");
  assert.deepEqual(summarize([], []), {});
});

Deno.test("percent() does not call certain what is not", () => {
  assert.deepEqual([0, 0.001, 0.5, 0.999, 1].map(percent), [
    "0 %",
    "< 1 %",
    "50 %",
    "> 99 %",
    "100 %",
  ]);
});

Deno.test("announcement() counts faces, and helps if there is none", () => {
  assert.equal(announcement([], []), "No face detected: come closer, or add light.");
  const age = { model: "y", years: 40, error: 5 };
  const face = { box: { x: 0, y: 0, width: 1, height: 1 }, score: 1, age, predictions: [age] };
  assert.equal(announcement([face], []), "1 face: 40 ± 5 years.");
  assert.equal(announcement([face, face], []), "2 faces: 40 ± 5 years; 40 ± 5 years.");
  assert.equal(announcement([face, face, face], []), "3 faces detected.");
  // Without a description of its models, a service of another column has no caption.
  const { age: _, ...plain } = face;
  assert.equal(announcement([plain], []), "1 face detected.");
  const models = [{ id: "s", task: "smile" }] as ServedModel[],
    value = { model: "s", value: 0.5, error: 0.1 };
  const smile = { ...plain, predictions: [value] };
  assert.equal(announcement([smile], models), "1 face: smile: 0.500 ± 0.100.");
});

Deno.test("caption() has a line for each column other than gender and age", () => {
  const classes = [{ label: "no" }, { label: "yes" }];
  const models = [years, gender, years].map((model) => ({ ...model, classes: [] })) as object[];
  models.push({ id: "a", task: "glasses" }, { id: "b", task: "glasses" });
  models.push({ id: "c", task: "score" });
  const predictions = [
    ...[years, gender, years].map((model) => readOutputs(model, [0.2, 0.8])),
    ...["a", "b"].map((id, i) =>
      readOutputs({ ...gender, id, task: "glasses", classes }, [i, 1 - i])
    ),
    readOutputs({ ...years, id: "c", task: "score", error: 0.00123 }, [-0.0456]),
  ];
  const face = { gender: predictions[1] as ClassPrediction, predictions };
  assert.equal(
    caption(face, models as ServedModel[]),
    "male 80 %\nglasses: yes 100 %\nscore: -0.046 ± 0.001",
  );
  const [, , , , second, score] = predictions;
  assert.equal(
    caption({ predictions: [score, second] }, models as ServedModel[]),
    "score: -0.046 ± 0.001\nglasses: no 100 %",
  );
  assert.equal(caption({ predictions }, (models as ServedModel[]).slice(0, 3)), "");
});

Deno.test("formatScore() and origin() describe a model", () => {
  const model: ServedModel = {
    id: "trainAge",
    task: "age",
    variant: "regression",
    classes: null,
    trained: {
      at: new Date(2026, 2, 1, 12).toISOString(), // dates are those of the local time zone
      images: 2000,
      datasets: { imdb_crop: 800, wiki_crop: 1200 },
      epochs: 9,
      seed: 1,
      backend: "wasm",
      weights: 1,
    },
    metric: "mae",
    validation: { images: 500, value: 8.04 },
    test: null,
    input: 32,
    steps: [],
  };
  assert.equal(formatScore(model), "MAE 8.0\u00a0years on 500 validation faces; no test result.");
  const height = { ...model, task: "height" };
  assert.equal(formatScore(height), "MAE 8.04 on 500 validation faces; no test result.");
  assert.equal(origin(model), "2,000 faces of imdb_crop and wiki_crop, on 1 March 2026");
  const datasets = { ...model.trained.datasets, sample: 200 };
  assert.equal(
    origin({ ...model, trained: { ...model.trained, datasets } }),
    "2,000 faces of imdb_crop, wiki_crop and the synthetic data set, on 1 March 2026",
  );
});

Deno.test("cameraError() always names a way out", () => {
  for (const name of ["NotAllowedError", "NotFoundError", "NotReadableError", "TypeError"]) {
    assert.match(cameraError(name, true), /or choose a photo\.$/);
  }
  assert.match(cameraError("", false), /https/);
});

const at = (x: number, score: number, size = 10): Detection => ({
  box: { x, y: 0, width: size, height: size },
  score,
});

Deno.test("openDetector() keeps the first size's box of a face that several detect", async () => {
  const finds = new Map([
    [32, []],
    [64, [at(0, 0.5), at(32, 0.6)]],
    [128, [at(1, 0.9), at(62, 0.9, 30), at(32, 0.7), at(34, 0.65)]],
  ]);
  const model: DetectorModel = {
    detect: ({ width }) => Promise.resolve(finds.get(width)!),
    close: () => {},
  };
  const image = { data: new Uint8Array(64 * 64 * 3), width: 64, height: 64 };
  const detect = async (everySize: boolean) => {
    const options = { inputSizes: [32, 64, 128] };
    const open = () => Promise.resolve(model);
    return await (await openDetector("made up", options, open, everySize)).detect(image);
  };
  // Two faces of one size are different, even if they are close.
  const half = (x: number, score: number) => ({
    box: { x, y: 0, width: 5, height: 5 },
    score,
  });
  assert.deepEqual(await detect(true), [half(16, 0.7), half(17, 0.65), at(32, 0.6), at(0, 0.5)]);
  assert.deepEqual(await detect(false), [at(32, 0.6), at(0, 0.5)]);
});

Deno.test("detectFaces() makes one face of two detectors' boxes, by the largest overlap", async () => {
  const finds = (...found: Detection[]): Detector => ({
    name: "made up",
    detect: () => Promise.resolve(found),
    close: () => {},
  });
  const image = { data: new Uint8Array(), width: 200, height: 10 };
  const first = finds(at(0, 0.8), at(7, 0.7), at(150, 0.2));
  // The first box overlaps with both faces, and more with the second one.
  const second = finds(at(5, 0.9), at(-2, 0.6), at(100, 0.5));
  const faces = await detectFaces([first, second], image);
  assert.deepEqual(faces.map((face) => [first, second].map((one) => face.get(one))), [
    [at(0, 0.8), at(-2, 0.6)],
    [at(7, 0.7), at(5, 0.9)],
    [undefined, at(100, 0.5)],
    [at(150, 0.2), undefined],
  ]);
});
