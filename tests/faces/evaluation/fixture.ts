/** Made-up results, the same each time: a gender network, an age network and one for age groups. */
import sharp from "sharp";
import { random } from "../../../packages/random/random.ts";
import {
  type Predictions,
  scoreModel,
  type SplitName,
  splitNames,
} from "../../../faces/evaluation/score_model.ts";
import { errorCurves } from "../../../faces/evaluation/error_curves.ts";
import { dots } from "../../../faces/evaluation/examples.ts";
import { ageGate } from "../../../faces/evaluation/age_gate.ts";
import { adjustAll, modelFairness } from "../../../faces/evaluation/fairness.ts";
import { rocCurve } from "../../../packages/statistics/roc.ts";
import type { Examples, ModelReport, Report } from "../../../faces/evaluation/report_data.ts";
import type { StageProvenance } from "../../../packages/pipeline/stage.ts";

const sizes: Record<SplitName, number> = { train: 640, validation: 160, test: 200 };
const groups = ["1 to 20", "21 to 32", "33 to 44", "45 to 56", "57 to 68", "69 to 80", "81 to 92"];

/** Adds the sections on fairness and the age gate to a report. */
export async function withGroups(report: Report): Promise<Report> {
  const all = range(1200);
  const hair = ["light or grey hair", "dark_hair", "none"];
  const persons = all.map((i) => ({
    age: i * 7 % 70,
    gender: i % 2,
    attributes: { hair: hair[i * i % 7 % 3], name: i },
  }));
  for (const model of report.models) {
    const { classes } = model.metrics;
    const truth = persons.map(({ age }, i) => classes ? i % classes.length : age);
    const prediction = truth.map((t, i) =>
      classes ? (i * 31 % 17 < 5 ? (t + 1) % classes.length : t) : t + i * 37 % 23 - 8
    );
    const test = { rows: all, truth, prediction, loss: 0 };
    model.fairness = await modelFairness({ metrics: model.metrics, test, persons });
    if (!classes) model.metrics.gate = ageGate({ threshold: 18, limit: 23 }, prediction, persons);
  }
  adjustAll(report.models.map(({ fairness }) => fairness!));
  return report;
}

export interface FixtureOptions {
  /** Comes after whatever text may come from data. */
  suffix?: string;
  seed?: number;
}

/** A report of three made-up models on two made-up data sets. */
export async function madeUpReport({ suffix = "", seed = 1 }: FixtureOptions = {}): Promise<
  Report
> {
  const rng = random(seed, "report");
  const drawPeople = (n: number, centre: number) => ({
    ages: Array.from({ length: n }, () => Math.round(clamp(centre + 16 * rng.normal()))),
    genders: Array.from({ length: n }, () => rng.next() < 0.7 ? 1 : 0),
  });
  const datasets = [
    { name: `wiki_crop${suffix}`, ...drawPeople(700, 36) },
    { name: `imdb_crop${suffix}`, ...drawPeople(300, 44) },
  ];
  const parts = {
    train: drawPeople(sizes.train, 38),
    validation: drawPeople(sizes.validation, 38),
    test: drawPeople(sizes.test, 40),
  };
  const of = ({ ages, genders }: ReturnType<typeof drawPeople>) => ({ age: ages, gender: genders });
  const people = {
    train: of(parts.train),
    validation: of(parts.validation),
    test: of(parts.test),
  };
  return {
    pipeline: `experiment${suffix}`,
    data: {
      datasets,
      splits: {
        train: { name: "train", ...parts.train },
        validation: { name: "validation", ...parts.validation },
        test: { name: "test", ...parts.test },
      },
      selection: [{
        stage: "matParse",
        sampled: 1030,
        datasets: datasets.map(({ name }) => ({
          name,
          read: 900,
          kept: 810,
          dropped: [["without a face", 60], [`of unknown gender${suffix}`, 30]],
        })),
      }],
      photos: Object.fromEntries(
        datasets.map(({ name, ages }) => [name, {
          photos: 810,
          faces: ages.length,
          problems: { "no face found": 810 - ages.length, "cannot be decoded": 0 },
        }]),
      ),
      crops: await Promise.all(range(30).map(() => smiley(rng.next(), rng.next()))),
      noFace: {
        shown: [{ image: await smiley(0, 0), name: `wiki_crop: 01/7_1990.jpg${suffix}` }],
        count: 110,
      },
      framing: {
        rows: await Promise.all(["Training", "Test", "Serving"].map(async (name) => ({
          name,
          count: 40,
          images: await Promise.all(range(4).map(() => smiley(rng.next(), rng.next()))),
        }))),
        served: 0.61,
        means: 0.97,
        photos: 8,
        withoutFace: 1,
        warnings: [`Serving frames faces differently${suffix}`],
      },
      preprocessing: {
        detector: { name: "metadata", minConfidence: 0.3, inputSizes: [] },
        crop: { margin: 0.2, maxSize: 256 },
        background: "#ffffff",
        resize: { size: 32, kernel: "lanczos3", fit: "fill" },
        steps: [`blur sigma=1.5${suffix}`],
      },
    },
    made: {
      id: "evaluate",
      use: "evaluate",
      params: { examples: 12 },
      lineage: {
        pipeline: `experiment${suffix}`,
        file: `experiments/made-up${suffix}.yaml`,
        seed: 42,
        compute: "auto",
        command: `deno task run experiments/made-up${suffix} --set split.test=0.1 --seed 42`,
        run: { id: "1a2b3c4d", startedAt: "2026-11-24T05:41:07.000Z" },
        stages: [
          origin("matParse", { minAge: 0, note: suffix }),
          origin("ageGroups", {}),
          origin("split", { by: "image", copies: "group", test: 0.2, stratify: [suffix] }),
        ],
      },
    },
    leftOut: [],
    models: [
      await classifier(`ageGroups${suffix}`, "age", "multiclass", groups, 0.45, suffix),
      await regressor(`trainAge${suffix}`, suffix),
      await classifier(
        `trainGender${suffix}`,
        "gender",
        "binary",
        ["female", `male${suffix}`],
        0.9,
        suffix,
      ),
    ],
  };

  async function classifier(
    id: string,
    task: string,
    variant: string,
    classes: string[],
    skill: number,
    suffix: string,
  ): Promise<ModelReport> {
    const predictions = bySplit((n): Predictions => {
      const truth = Array.from({ length: n }, () => Math.min(rng.int(classes.length), rng.int(9)));
      const prediction = truth.map((t) =>
        rng.next() < skill ? t : Math.abs(t + (rng.next() < 0.5 ? 1 : -1)) % classes.length
      );
      const probabilities = prediction.map((said) => {
        const sure = 0.5 + 0.5 * rng.next();
        return classes.map((_, c) => c === said ? sure : (1 - sure) / (classes.length - 1));
      });
      return { rows: range(n), truth, prediction, probabilities, loss: 1.2 - skill };
    });
    const { truth, probabilities } = predictions.test;
    const others = [{
      name: "face-api",
      positions: range(100),
      prediction: range(100).map(() => 1),
    }];
    return {
      id,
      metrics: scoreModel({ task, variant, classes }, predictions, people, others),
      network: network(suffix),
      curves: curves("accuracy", 0.5, skill),
      training: training(),
      ...(classes.length === 2
        ? { roc: rocCurve(truth, probabilities!.map((row) => row[1])).points }
        : {}),
      params: { batchSize: 64, earlyStopping: { patience: 3, monitor: suffix || "val_loss" } },
      examples: [
        await examples(`Right${suffix}`, classes[0], `${classes[0]}, 91 %`),
        await examples(`Wrong${suffix}`, classes[0], `${classes[1]}, 64 %`),
      ],
    };
  }

  async function regressor(id: string, suffix: string): Promise<ModelReport> {
    const predictions = bySplit((n): Predictions => {
      const truth = Array.from({ length: n }, () => Math.round(clamp(38 + 16 * rng.normal())));
      const prediction = truth.map((t) => 10 + 0.75 * t + 7 * rng.normal());
      return { rows: range(n), truth, prediction, loss: 7.31 };
    });
    const { truth, prediction } = predictions.test;
    return {
      id,
      metrics: scoreModel({ task: "age", variant: "regression" }, predictions, people),
      network: network(suffix),
      curves: curves("mae", 14, 6),
      training: training(),
      params: { variant: "regression", batchSize: 64, l2: 0.1, note: suffix, leaveOut: [] },
      scatter: dots(predictions.test),
      errors: errorCurves({ truth, prediction }, 38),
      sensitivity: {
        count: 200,
        unchanged: 6.3,
        changes: [{ name: "blur, σ 2 % of the side", value: 9.1 }, {
          name: `shift${suffix}`,
          value: 7,
        }],
      },
      examples: [await examples("Error of at most 5 years", "34", "31.2"), {
        title: "Error above 10 years",
        faces: [],
      }],
    };
  }

  function bySplit(make: (n: number) => Predictions): Record<SplitName, Predictions> {
    return Object.fromEntries(splitNames.map((name) => [name, make(sizes[name])])) as Record<
      SplitName,
      Predictions
    >;
  }

  function curves(name: string, start: number, end: number): ModelReport["curves"] {
    const points = range(14).map((i) => {
      const way = 1 - Math.exp(-i / 4);
      const train = start + (end - start) * way;
      const noise = 0.02 * rng.normal();
      return {
        epoch: i + 1,
        loss: { train: 1.4 - way, validation: 1.5 - way + 0.004 * i * i + noise },
        metric: { train, validation: train + end * noise },
      };
    });
    return [
      {
        name: "loss",
        title: "Loss",
        points: points.map(({ epoch, loss }) => ({ epoch, ...loss })),
      },
      { name, title: name, points: points.map(({ epoch, metric }) => ({ epoch, ...metric })) },
    ];
  }

  function training(): ModelReport["training"] {
    const epochs = { epochs: 14, weightsOfEpoch: 11, stoppedEarly: true };
    const secondsPerEpoch = range(14).map((i) => 2 + 0.1 * (i % 3));
    const images = { counts: { train: 640, validation: 160 }, datasets: { wiki_crop: 640 } };
    const input = { size: 32, channels: "RGB", divisor: 255 } as const;
    return { input, ...epochs, ...images, backend: "wasm", seed: 42, secondsPerEpoch };
  }

  async function examples(title: string, truth: string, prediction: string): Promise<Examples> {
    const faces = range(12).map(async (row) => ({
      image: await smiley(rng.next(), rng.next()),
      row,
      truth,
      prediction,
      suspect: row === 3,
    }));
    return { title, faces: await Promise.all(faces) };
  }
}

/** A network that branches, so that there is a layer of two. */
function network(suffix: string): ModelReport["network"] {
  return {
    name: `made-up${suffix}`,
    input: "32×32×3",
    layers: [
      { name: "conv1", what: "convolution 2×2, ReLU", output: "32×32×16", weights: 208 },
      { name: `norm${suffix}`, what: "batch normalization", output: "32×32×16", weights: 64 },
      {
        name: "add1",
        what: "add",
        output: "32×32×16",
        weights: 0,
        from: ["conv1", `norm${suffix}`],
      },
    ],
    weights: 272,
    penalized: true,
    trainable: 240,
  };
}

function origin(id: string, params: Record<string, unknown>): StageProvenance {
  return {
    id,
    use: id === "ageGroups" ? "trainAge" : id,
    module: `stages/${id === "ageGroups" ? "trainAge" : id}.ts`,
    fingerprint: "0123456789abcdef".repeat(4),
    params,
    inputs: {},
    after: [],
    packages: { sharp: "0.35.5" },
    compute: "wasm",
    startedAt: "2026-11-24T06:00:00.000Z",
    seconds: 75,
    deno: "2.9.6",
    platform: "x86_64-unknown-linux-gnu",
    machine: { processor: "A processor", cores: 2, memory: 8 * 2 ** 30, system: "Linux" },
    observed: {},
  };
}

const smileys = new Map<string, Promise<string>>();

/** A round face of 32×32 pixels as a data URL, of one of sixteen kinds. */
function smiley(hue: number, mood: number): Promise<string> {
  const [h, m] = [hue, mood].map((value) => Math.round(3 * value) / 3);
  return smileys.getOrInsertComputed(`${h} ${m}`, () => drawSmiley(h, m));
}

async function drawSmiley(hue: number, mood: number): Promise<string> {
  const pixels = new Uint8Array(32 * 32 * 3);
  for (let y = 0; y < 32; y++) {
    for (let x = 0; x < 32; x++) {
      const inside = (x - 16) ** 2 + (y - 16) ** 2 < 170;
      const eye = Math.abs(Math.abs(x - 16) - 5) < 2 && Math.abs(y - 12) < 2;
      const mouth = Math.abs(y - 22 + (mood - 0.5) * (x - 16) ** 2 / 6) < 1 && Math.abs(x - 16) < 7;
      const colour = eye || mouth
        ? [60, 40, 40]
        : inside
        ? [200 + 50 * hue, 150 + 60 * hue, 120 + 60 * hue]
        : [120, 140, 160];
      pixels.set(colour, (y * 32 + x) * 3);
    }
  }
  const png = await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } }).png().toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

function clamp(age: number): number {
  return Math.max(1, Math.min(100, age));
}
