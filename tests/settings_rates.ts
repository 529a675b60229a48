/**
 * `deno task bench settings`: how often tests of two settings reject, on drawn predictions of models
 * with several seeds each. Settings that are equal give the false-positive rate, others the power.
 */
import { defineBench, names, table } from "../bench/harness.ts";
import { furtherMetrics, selectRows } from "../faces/training/further_metrics.ts";
import { random, type Rng } from "../packages/random/random.ts";
import {
  compareHits,
  compareSettings,
  compareSettingStatistics,
} from "../packages/statistics/paired_tests.ts";
import { mean } from "../packages/statistics/prediction_metrics.ts";

/** A simulated comparison. */
export interface Case {
  /** Seeds of each setting. */
  readonly seeds: readonly [number, number];
  readonly images: number;
  /** Standard deviation over seeds of a model's skill, for each setting. */
  readonly deviation: readonly [number, number];
  /** Skill of the second setting beyond that of the first. */
  readonly gain?: number;
  /** Images of each person. */
  readonly repeat?: number;
  /** Share of the variance of a score that all models have in common. Default: FACE */
  readonly face?: number;
}

/** Predictions of a model, one value per image. */
interface Predicted {
  /** 1 or 0 of a class. */
  readonly hits: Uint8Array;
  /** Absolute error of a number. */
  readonly errors: Float64Array;
  /** Score of the second class, and the class. */
  readonly scores: Float64Array;
  readonly truth: Uint8Array;
}

/**
 * Share of the variance of a score that is of the face, which is hard for all models. A quarter of the
 * rest is of the face for a setting, and three of the single model. Hits of two seeds of a setting then
 * have a correlation of 0.44, of two settings 0.35; absolute errors 0.45 and 0.32.
 */
const FACE = 0.6;
/** Distance of the mean score from the threshold: an accuracy of 0.84. */
const SKILL = 1;

/** Draws the predictions of all models: of each setting, of each seed. */
export function drawModels(rng: Rng, { seeds, images, repeat = 1, face = FACE, ...of }: Case): {
  models: Predicted[][];
  people: number[] | undefined;
} {
  const people = Array.from({ length: images }, (_, i) => Math.floor(i / repeat));
  const normals = (n: number, variance: number) =>
    Float64Array.from({ length: n }, () => rng.normal() * Math.sqrt(variance));
  /** Half of the variance of faces is of people, where they repeat. */
  const faces = (variance: number) => {
    if (repeat === 1) return normals(images, variance);
    const own = normals(images, variance / 2), shared = normals(images, variance / 2);
    return own.map((value, i) => value + shared[people[i]!]!);
  };
  const all = faces(face), truth = Uint8Array.from(all, () => rng.int(2));
  const models = seeds.map((count, s) => {
    const setting = faces((1 - face) / 4);
    return Array.from({ length: count }, (): Predicted => {
      const skill = rng.normal() * of.deviation[s]! + (s === 1 ? of.gain ?? 0 : 0);
      const noise = normals(images, (1 - face) * 3 / 4);
      const rest = all.map((value, i) => value + setting[i]! + noise[i]!);
      const scores = rest.map((value, i) => (truth[i] ? 1 : -1) * (SKILL + skill + value));
      return {
        hits: Uint8Array.from(scores, (score, i) => Number(score > 0 === (truth[i] === 1))),
        errors: rest.map((value) => Math.abs(value) * 7.5 * Math.exp(-skill)),
        scores,
        truth,
      };
    });
  });
  return { models, people: repeat === 1 ? undefined : people };
}

type Test = (drawn: ReturnType<typeof drawModels>, rng: Rng) => number;

/** Returns a test of a further metric of settings. */
function ofMetric(name: string): Test {
  const { of, compute, params } = furtherMetrics.find((metric) => metric.name === name)!;
  const options = params.parse({});
  return ({ models, people }) => {
    const statistics = models.map((seeds) =>
      seeds.map((model) => {
        if (name === "auc") return aucOf(model);
        const { truth, scores, errors } = model, none = new Float64Array(errors.length);
        const numbers = { truth: none, prediction: errors };
        const classes = { truth, prediction: scores.map((score) => Number(score > 0)), classes: 2 };
        const all = { ...(of === "years" ? numbers : classes), gender: none, age: none };
        return (rows: ArrayLike<number>) => compute(selectRows(all, rows), options);
      })
    );
    return compareSettingStatistics(models[0]![0]!.hits.length, statistics, people)!.p;
  };
}

/** Computes the AUC of rows from an order that is sorted once: `rocCurve` sorts each time. */
function aucOf({ truth, scores }: Predicted) {
  const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!);
  return (rows: ArrayLike<number>) => {
    const taken = new Uint8Array(order.length);
    for (let i = 0; i < rows.length; i++) taken[rows[i]!] = 1;
    let hits = 0, above = 0;
    for (const i of order) {
      if (!taken[i]) continue;
      if (truth[i]) hits++;
      else above += hits;
    }
    return above / (hits * (rows.length - hits));
  };
}

/** A percentile bootstrap of seeds and images, for comparison. */
const bootstrapBoth: Test = ({ models }, rng) => {
  const n = models[0]![0]!.hits.length, RESAMPLES = 400;
  const differences = Float64Array.from({ length: RESAMPLES }, () => {
    const times = new Uint8Array(n);
    for (let i = 0; i < n; i++) times[rng.int(n)]!++;
    const [a, b] = models.map((seeds) =>
      mean(seeds.map(() => {
        const { hits } = rng.pick(seeds);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += hits[i]! * times[i]!;
        return sum / n;
      }))
    );
    return a! - b!;
  });
  const above = differences.filter((one) => one >= 0).length;
  const below = differences.filter((one) => one <= 0).length;
  return Math.min(1, 2 * (Math.min(above, below) + 1) / (RESAMPLES + 1));
};

const settingsBy = (of: "hits" | "errors"): Test => ({ models, people }) =>
  compareSettings(models.map((seeds) => seeds.map((model) => model[of])), people).p;

/** Tests the differences of pairs of models, each with a fifth of the images as its test set. */
const pairsOfSplits: Test = ({ models: [a, b] }, rng) => {
  const differences = a!.map(({ hits }, seed) =>
    Float64Array.from(hits, (hit, i) => rng.int(5) === 0 ? hit - b![seed]!.hits[i]! : NaN)
  );
  return compareSettings([differences]).p;
};

const TESTS = {
  "t test of hits": settingsBy("hits"),
  "t test of errors": settingsBy("errors"),
  "t test of AUC": ofMetric("auc"),
  "t test of F1": ofMetric("f1"),
  "t test of RMSE": ofMetric("rmse"),
  "t test of median error": ofMetric("medianError"),
  "paired t test of splits": pairsOfSplits,
  "two-level bootstrap": bootstrapBoth,
  "McNemar's of one seed": ({ models: [a, b] }) => compareHits(a![0]!.hits, b![0]!.hits).p,
} satisfies Record<string, Test>;

/** Returns the share of draws in which a test rejects. */
export function rejects(test: keyof typeof TESTS, one: Case, draws: number): number {
  const rng = random(2021, test, JSON.stringify(one));
  let rejected = 0;
  for (let draw = 0; draw < draws; draw++) {
    if (TESTS[test](drawModels(rng, one), rng) < 0.05) rejected++;
  }
  return rejected / draws;
}

/** Skill of one point of accuracy, near an accuracy of 0.84. */
const POINT = 0.0413;
/** Standard deviations over seeds of equal settings, points of accuracy. */
const DEVIATIONS = [0, 0.9, 3.4];

/** A row of the table: a test, and what its cases have in common. */
interface Row {
  readonly test: keyof typeof TESTS;
  /** Standard deviation over seeds, points of accuracy. */
  readonly points: readonly [number, number];
  readonly more?: string;
  readonly gain?: number;
  readonly repeat?: number;
  readonly face?: number;
  /** Seeds of the second setting for each of the first. Default: 1. */
  readonly ratio?: number;
  /** Images times seeds at most: the jackknife of more takes seconds. Default: any number. */
  readonly most?: number;
}

const rowsOf = (test: Row["test"], points: readonly number[], of: Partial<Row> = {}): Row[] =>
  points.map((one) => ({ test, points: [one, one], ...of }));

const ROWS: readonly Row[] = [
  ...rowsOf("t test of hits", DEVIATIONS),
  { test: "t test of hits", points: [0.9, 3.6] },
  { test: "t test of hits", points: [3.6, 0.9], ratio: 2, more: "twice the seeds of the second" },
  ...rowsOf("t test of hits", [0.9], { repeat: 4, more: "people of 4 images" }),
  ...rowsOf("t test of errors", DEVIATIONS),
  ...rowsOf("t test of errors", [0.9], { face: 0.9, more: "correlation 0.8" }),
  ...rowsOf("paired t test of splits", DEVIATIONS),
  ...(["t test of AUC", "t test of F1", "t test of RMSE", "t test of median error"] as const)
    .flatMap((test) => rowsOf(test, [0.9], { most: 10_000 })),
  ...rowsOf("two-level bootstrap", [0.9, 3.4], { most: 10_000 }),
  ...rowsOf("McNemar's of one seed", [0.9, 3.4], { most: 6000 }),
  ...rowsOf("t test of hits", DEVIATIONS, { gain: 3, more: "3 points apart" }),
];

const help = `deno task bench settings [options]

Draws predictions of two settings with several seeds each, and prints how often tests of them have
p < 0.05: of equal settings the false-positive rate, of others the power. Predictions of a face by
seeds of a setting are correlated, and less those of two settings, as on real faces.

  --draws N      of each case (500)
  --seeds LIST   of each setting (3,5,10)
  --images LIST  of the test set (200,2000)
  --tests LIST   the tests (all)`;

const defaults = {
  draws: 500,
  seeds: [3, 5, 10],
  images: [200, 2000],
  tests: names(Object.keys(TESTS) as Row["test"][]),
};
export const bench = defineBench(help, defaults, ({ draws, seeds, images, tests }) => {
  const columns = seeds.flatMap((count) => images.map((faces) => ({ count, faces })));
  const rows = ROWS.filter(({ test }) => tests.includes(test)).map((row) => {
    const { test, points, more, gain = 0, ratio = 1, repeat, face, most = Infinity } = row;
    const rates = columns.map(({ count, faces }) => {
      if (count * faces > most) return null;
      const deviation = points.map((one) => one * POINT) as [number, number];
      const drawn: Case = {
        seeds: [count, ratio * count],
        images: faces,
        deviation,
        gain: gain * POINT,
        repeat,
        face,
      };
      return rejects(test, drawn, draws);
    });
    const of = [...new Set(points)].map((one) => one === 0 ? "none" : `${one}`).join(" and ");
    console.error(`${test}, deviation ${of}: ${rates.join(" ")}`);
    return { test: more ? `${test}, ${more}` : test, deviation: of, rates };
  });
  const text = table(
    ["test", "deviation", ...columns.map(({ count, faces }) => `${count} seeds, ${faces}`)],
    rows.map(({ test, deviation, rates }) => [
      ...[test, deviation],
      ...rates.map((rate) => rate === null ? "" : (100 * rate).toFixed(1)),
    ]),
  );
  return Promise.resolve({ text, json: { draws, columns, rows } });
});
