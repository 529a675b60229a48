/** The same trainings here and in Keras over several seeds: metrics and speed. */
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readNpy, writeNpy } from "../packages/formats/npy.ts";
import { readParquet } from "../packages/formats/parquet.ts";
import { denoPeer, type LearnOrder, Peer, type ReportNetwork } from "./peer.ts";
import { ResultLog } from "./result_log.ts";
import { packages, parsePythons, pythonFor } from "./python.ts";
import { mean, median } from "../packages/statistics/prediction_metrics.ts";
import { machine, parseOptions, printReport, table, whole } from "./machine_table.ts";

const help = `deno task bench parity [options]

Trains the report's networks here and in Keras, from the same images and rows, with the same
initialisers and settings, and prints means and spreads over seeds. The first time, Keras is
installed in the user's cache folder.

  --faces DIR      the archives wiki_crop.tar and imdb_crop.tar (default: 800 drawn faces)
  --images N       at most N training images (all)
  --seeds N        trainings of each network (5)
  --networks LIST  of gender, age (both)
  --epochs N       at most (20)
  --keep FILE      write each training's result there as it ends, and take what stands there
                   already: an interrupted benchmark resumes. Remove it when code has changed
  --python PATH    a Python that has the packages
  --json           one JSON object on stdout, and the rest on stderr
`;

/** One seed's results. */
interface Trained {
  metric: number;
  epochs: number;
  /** Median over the epochs; validation included. */
  secondsPerEpoch: number;
}

/** Output of `--json`. */
export interface ParityReport {
  machine: ReturnType<typeof machine>;
  packages: readonly string[];
  images: Record<"train" | "validation" | "test", number>;
  networks: { network: ReportNetwork; weights: number; ours: Trained[]; keras: Trained[] }[];
}

/** As in pipeline.yaml and experiments/faces.yaml, which give the reasons. */
const settings = {
  drawn: { batchSize: 16, patience: 8, batchNormMomentum: 0.9 },
  faces: { batchSize: 32, patience: 5, batchNormMomentum: 0.9 },
};

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, help, {
    faces: undefined,
    images: undefined,
    seeds: "5",
    networks: "gender,age",
    epochs: "20",
    keep: undefined,
    python: undefined,
    json: false,
  });
  if (!values) return;
  const seeds = whole("seeds", values.seeds), epochs = whole("epochs", values.epochs);
  const networks = values.networks.split(",").map((name) => {
    if (name === "gender" || name === "age") return name;
    throw new Error(`Cannot read "--networks ${values.networks}": take gender, age or both.`);
  });
  const python = parsePythons(values.python).keras ?? await pythonFor("keras");
  const folder = await Deno.makeTempDir({ prefix: "parity-" });
  try {
    const most = values.images === undefined ? Infinity : whole("images", values.images);
    const data = await prepare(folder, values.faces, most);
    const report: ParityReport = {
      ...{ machine: machine(), packages: packages.keras, images: data.counts, networks: [] },
    };
    const peers = {
      ours: denoPeer("ours", new URL("./peers/ours_parity.ts", import.meta.url)),
      keras: new Peer("keras", python, [
        fileURLToPath(new URL("./peers/keras_parity.py", import.meta.url)),
      ]),
    };
    const kept = new ResultLog<Trained & { weights: number }>(values.keep);
    try {
      report.networks = networks.map((network) => ({ network, weights: 0, ours: [], keras: [] }));
      // Seeds outermost, so an interrupted benchmark has equal numbers of both.
      for (let seed = 1; seed <= seeds; seed++) {
        for (const row of report.networks) {
          const { network } = row;
          for (const name of ["ours", "keras"] as const) {
            const setting = { network, seed, epochs, ...data.settings };
            const key = { name, ...setting, data: data.identity, images: data.counts.train };
            const known = kept.get(key);
            const trained = known ?? await learn(peers[name], {
              ...{ op: "learn", ...setting },
              ...{ images: data.images, labels: data.labels[network], rows: data.rows },
            });
            if (!known) kept.add(key, trained);
            const { weights, ...result } = trained;
            if (row.weights !== 0 && weights !== row.weights) {
              throw new Error(
                `Cannot compare ${network}: ${name} has ${weights} weights, not ${row.weights}.`,
              );
            }
            row.weights = weights;
            row[name].push(result);
            console.error(
              `${network}, seed ${seed}, ${name}: ${result.metric.toFixed(3)} on test after ` +
                `${result.epochs} epochs of ${result.secondsPerEpoch.toFixed(2)} s` +
                (known ? " (kept)" : ""),
            );
          }
        }
      }
    } finally {
      for (const peer of Object.values(peers)) await peer.close();
    }
    printReport(toMarkdown(report), values.json, report);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function learn(peer: Peer, order: LearnOrder): Promise<Trained & { weights: number }> {
  const { metric, weights, ms } = await peer.ask(order);
  const epochs = ms as number[];
  return {
    ...{ metric: metric!, epochs: epochs.length, secondsPerEpoch: median(epochs) / 1000 },
    weights: weights!,
  };
}

/** Runs the pipeline up to dataset and splits, and writes labels for NumPy. */
async function prepare(folder: string, faces: string | undefined, most: number) {
  const root = new URL("../", import.meta.url);
  const pipeline = faces === undefined
    ? ["pipeline"]
    : ["experiments/faces", "--set", `download.mirror=${resolve(faces)}`];
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "run", ...pipeline, "--until", "split", "--json"],
    ...{ cwd: root, stderr: "inherit" },
  }).output();
  if (!success) throw new Error("Cannot make the dataset: the pipeline failed, see above.");
  const { stages } = JSON.parse(new TextDecoder().decode(stdout)) as {
    stages: { id: string; outputs: Record<string, string> }[];
  };
  const output = (id: string, name: string) =>
    fileURLToPath(new URL(stages.find((stage) => stage.id === id)!.outputs[name], root));
  const dataset = output("resize32", "dataset"), splits = output("split", "splits");
  const people = await readParquet(join(dataset, "table.parquet"), {
    ...{ gender: "int32", age: "int32" } as const,
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
    ...{ labels, rows, settings: settings[faces === undefined ? "drawn" : "faces"] },
    counts: {
      ...{ train: some.length, validation: count(rows.validation), test: count(rows.test) },
    },
  };
}

/** Mean and standard deviation (of a sample). */
export function spread(values: readonly number[]): { mean: number; deviation: number } {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { mean: middle, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

/**
 * Returns true if ours is worse than theirs by more than two standard errors of the difference of the
 * means (Welch).
 */
export function worse(
  ours: readonly number[],
  theirs: readonly number[],
  moreIsBetter: boolean,
): boolean {
  const a = spread(ours), b = spread(theirs);
  const error = Math.sqrt(a.deviation ** 2 / ours.length + b.deviation ** 2 / theirs.length);
  return (a.mean - b.mean) * (moreIsBetter ? -1 : 1) > 2 * error;
}

export function toMarkdown({ networks, images }: ParityReport): string {
  const rows = networks.flatMap(({ network, weights, ours, keras }) => {
    const digits = network === "gender" ? 3 : 2;
    const show = (values: number[], digits: number) => {
      const { mean, deviation } = spread(values);
      return `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`;
    };
    const both = (of: (trained: Trained) => number, digits: number) =>
      [ours, keras].map((trained) => show(trained.map(of), digits));
    const metrics = [ours, keras].map((trained) => trained.map(({ metric }) => metric));
    const verdict = worse(metrics[0], metrics[1], network === "gender") ? "worse" : "not worse";
    return [
      [
        `${network}: ${network === "gender" ? "accuracy" : "years off"}, ${weights} weights`,
        ...both(({ metric }) => metric, digits),
        verdict,
      ],
      [`${network}: epochs`, ...both(({ epochs }) => epochs, 1), ""],
      [`${network}: seconds an epoch`, ...both(({ secondsPerEpoch }) => secondsPerEpoch, 2), ""],
    ];
  });
  const { train, validation, test } = images;
  return table(["", "here", "Keras", ""], rows) +
    `\n\nMean ± standard deviation over ${networks[0].ours.length} seeds; ${train} images to ` +
    `learn from, ${validation} to validate, ${test} to test.`;
}
