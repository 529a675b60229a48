/** The same trainings here and in Keras over several seeds: metrics and speed. */
import { basename, dirname, join, resolve } from "node:path";
import { readNpy, writeNpy } from "../packages/formats/npy.ts";
import { readParquet } from "../packages/formats/parquet.ts";
import { mean, median } from "../packages/statistics/prediction_metrics.ts";
import { defineBench, names, ResultLog, runPipeline, table } from "./harness.ts";
import { denoPeer, inPeers, packages, Peer, pythonFor, type ReportNetwork } from "./peer.ts";

const help = `deno task bench parity [options]

Trains the 2021 networks here and in Keras, from the same images and rows, with the same
initializers and settings, and prints means and spreads over seeds. The first time, Keras is
installed in the user's cache folder.

  --faces DIR      the archives wiki_crop.tar and imdb_crop.tar (default: 800 drawn faces)
  --images N       at most N training images (all)
  --seeds N        trainings of each network (5)
  --networks LIST  of gender, age (both)
  --epochs N       at most (20)
  --keep FILE      write each training's result there as it ends, and take what stands there
                   already: an interrupted benchmark resumes. Remove it when code has changed
  --python PATH    a Python that has the packages`;

interface Trained {
  metric: number;
  epochs: number;
  /** Median over the epochs; validation included. */
  secondsPerEpoch: number;
}

export interface Compared {
  network: ReportNetwork;
  weights: number;
  ours: Trained[];
  keras: Trained[];
}

/** As in pipeline.yaml and experiments/faces.yaml, which give the reasons. */
const SETTINGS = {
  drawn: { batchSize: 16, patience: 8, batchNormMomentum: 0.9 },
  faces: { batchSize: 32, patience: 5, batchNormMomentum: 0.9 },
};

const defaults = {
  faces: undefined,
  images: 1e9,
  seeds: 5,
  networks: names(["gender", "age"]),
  epochs: 20,
  keep: undefined,
  python: undefined,
} as const;
export const bench = defineBench(help, defaults, async ({ epochs, ...values }, folder) => {
  const python = await pythonFor("keras", values.python);
  const data = await prepare(folder, values.faces, values.images);
  await using ours = denoPeer("ours", "ours_peer.ts");
  await using keras = new Peer("keras", python, [inPeers("keras_parity.py")]);
  const kept = new ResultLog<Trained & { weights: number }>(values.keep);
  const networks = values.networks.map((network): Compared => ({
    network,
    weights: 0,
    ours: [],
    keras: [],
  }));
  // Seeds outermost, so an interrupted benchmark has equal numbers of both.
  for (let seed = 1; seed <= values.seeds; seed++) {
    for (const row of networks) {
      for (const [name, peer] of Object.entries({ ours, keras }) as ["ours" | "keras", Peer][]) {
        const { network } = row;
        const setting = { network, seed, epochs, ...data.settings };
        const key = { name, ...setting, data: data.identity, images: data.counts.train };
        const { weights, ...result } = await kept.take(key, async () => {
          const { metric, weights, ms } = await peer.ask({
            op: "learn",
            ...setting,
            images: data.images,
            rows: data.rows,
            labels: data.labels[network],
          });
          const times = ms as number[], secondsPerEpoch = median(times) / 1000;
          return { metric: metric!, epochs: times.length, secondsPerEpoch, weights: weights! };
        });
        if (row.weights !== 0 && weights !== row.weights) {
          throw new Error(
            `Cannot compare ${network}: ${name} has ${weights} weights, not ${row.weights}.`,
          );
        }
        row.weights = weights;
        row[name].push(result);
        console.error(
          `${network}, seed ${seed}, ${name}: ${result.metric.toFixed(3)} on test after ` +
            `${result.epochs} epochs of ${result.secondsPerEpoch.toFixed(2)} s`,
        );
      }
    }
  }
  const json = { packages: packages.keras, images: data.counts, networks };
  return { text: toMarkdown(networks, data.counts), json };
});

/** Runs the pipeline up to dataset and splits, and writes labels for NumPy. */
async function prepare(folder: string, faces: string | undefined, most: number) {
  const { artifact } = await runPipeline(faces === undefined ? "pipeline" : "experiments/faces", [
    ...faces === undefined ? [] : ["--set", `download.mirror=${resolve(faces)}`],
    ...["--until", "split"],
  ]);
  const dataset = artifact("resize32", "dataset"), splits = artifact("split", "splits");
  const people = await readParquet(join(dataset, "table.parquet"), {
    gender: "int32",
    age: "int32",
  });
  const labels = { gender: join(folder, "gender.npy"), age: join(folder, "age.npy") };
  for (const name of ["gender", "age"] as const) {
    writeNpy(labels[name], Int32Array.from(people[name]), [people[name].length]);
  }
  const rows = {
    train: join(folder, "train.npy"),
    validation: join(splits, "validation.npy"),
    test: join(splits, "test.npy"),
  };
  // The split's rows are in order, so every n-th is a fair sample of them.
  const all = readNpy(join(splits, "train.npy"), "int32").data;
  const share = Math.min(1, most / all.length);
  const some = all.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share));
  writeNpy(rows.train, some, [some.length]);
  const count = (path: string) => readNpy(path, "int32").data.length;
  return {
    images: join(dataset, "images.npy"),
    // The folders of results are named after all that they are made of.
    identity: [dataset, splits].map((path) => basename(dirname(path))),
    labels,
    rows,
    settings: SETTINGS[faces === undefined ? "drawn" : "faces"],
    counts: {
      train: some.length,
      validation: count(rows.validation),
      test: count(rows.test),
    },
  };
}

export function spread(values: readonly number[]): { mean: number; deviation: number } {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { mean: middle, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/**
 * Returns true if ours is worse than theirs by more than two standard errors of the difference of the
 * means (Welch).
 */
export function worse(ours: readonly number[], theirs: readonly number[], moreIsBetter: boolean) {
  const a = spread(ours), b = spread(theirs);
  const error = Math.sqrt(a.deviation ** 2 / ours.length + b.deviation ** 2 / theirs.length);
  return (a.mean - b.mean) * (moreIsBetter ? -1 : 1) > 2 * error;
}

export function toMarkdown(
  networks: readonly Compared[],
  images: Record<"train" | "validation" | "test", number>,
): string {
  const rows = networks.flatMap(({ network, weights, ours, keras }) => {
    const line = (name: string, key: keyof Trained, digits: number, last = "") => [
      `${network}: ${name}`,
      ...[ours, keras].map((trained) => {
        const { mean, deviation } = spread(trained.map((one) => one[key]));
        return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
      }),
      last,
    ];
    const [a, b] = [ours, keras].map((trained) => trained.map(({ metric }) => metric));
    const gender = network === "gender", verdict = worse(a, b, gender) ? "worse" : "not worse";
    const title = `${gender ? "accuracy" : "years off"}, ${weights} weights`;
    return [
      line(title, "metric", gender ? 3 : 2, verdict),
      line("epochs", "epochs", 1),
      line("seconds an epoch", "secondsPerEpoch", 2),
    ];
  });
  return table(["", "here", "Keras", ""], rows) +
    `\n\nMean ± standard deviation over ${networks[0].ours.length} seeds; ` +
    `${images.train} images to learn from, ${images.validation} to validate, ` +
    `${images.test} to test.`;
}
