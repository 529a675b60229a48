/** Made-up results, the same each time: a gender network, an age network and one for age groups. */
import sharp from "sharp";
import { random } from "../../compute/random.ts";
import { judge, type Predictions, type SplitName, splitNames } from "../../evaluation/judge.ts";
import type { Examples, ModelReport, Report } from "../../evaluation/report.ts";

const sizes: Record<SplitName, number> = { train: 640, validation: 160, test: 200 };
const groups = ["1 to 20", "21 to 32", "33 to 44", "45 to 56", "57 to 68", "69 to 80", "81 to 92"];

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
  const people = (n: number, centre: number) => ({
    ages: Array.from({ length: n }, () => Math.round(clamp(centre + 16 * rng.normal()))),
    genders: Array.from({ length: n }, () => rng.next() < 0.7 ? 1 : 0),
  });
  return {
    datasets: [
      { name: `wiki_crop${suffix}`, ...people(700, 36) },
      { name: `imdb_crop${suffix}`, ...people(300, 44) },
    ],
    splits: sizes,
    preprocessing: {
      detector: { name: "metadata", minConfidence: 0.3 },
      crop: { margin: 0.2, maxSize: 256 },
      background: "#ffffff",
      resize: { size: 32, kernel: "lanczos3" },
      steps: [`blur sigma=1.5${suffix}`],
    },
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
      return { rows: range(n), truth, prediction, loss: 1.2 - skill };
    });
    return {
      id,
      metrics: judge({ task, variant, classes }, predictions),
      history: history(0.5, skill),
      training: training(),
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
      metrics: judge({ task: "age", variant: "regression" }, predictions),
      history: history(14, 6),
      training: training(),
      params: { variant: "regression", batchSize: 64, l2: 0.1, note: suffix, leaveOut: [] },
      scatter: { truth, prediction, of: truth.length },
      examples: [await examples("At most 5 years off", "34", "31.2"), {
        title: "More than 10 years off",
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

  function history(start: number, end: number): ModelReport["history"] {
    return range(14).map((i) => {
      const way = 1 - Math.exp(-i / 4);
      const metric = start + (end - start) * way;
      return {
        epoch: i + 1,
        loss: 1.4 - way,
        metric,
        val_loss: 1.5 - way + 0.004 * i * i + 0.02 * rng.normal(),
        val_metric: metric + 0.02 * end * rng.normal(),
      };
    });
  }

  function training(): ModelReport["training"] {
    const epochs = { epochs: 14, weightsOfEpoch: 11, stoppedEarly: true };
    return { ...epochs, weights: 459_123, backend: "wasm", seed: 42 };
  }

  async function examples(title: string, truth: string, prediction: string): Promise<Examples> {
    const faces = range(12).map(async (row) => ({
      image: await smiley(rng.next(), rng.next()),
      row,
      truth,
      prediction,
    }));
    return { title, faces: await Promise.all(faces) };
  }
}

/** A round face of 32×32 pixels as a data URL. */
async function smiley(hue: number, mood: number): Promise<string> {
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
