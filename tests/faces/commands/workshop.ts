/** Artifact folders with made-up runs in them. */
import { join } from "node:path";
import { random } from "../../../packages/random/random.ts";
import { bySplit, type Predictions, scoreModel } from "../../../faces/evaluation/score_model.ts";
import { writePredictions } from "../../../faces/evaluation/prediction_files.ts";
import { writeNpy } from "../../../packages/formats/npy.ts";
import { writeParquet } from "../../../packages/formats/parquet.ts";
import { History, type RecordedStage, type RunRecord } from "../../../packages/pipeline/history.ts";
import type { OutputRecord, StageRecord } from "../../../packages/pipeline/stage_record.ts";
import { writeRecord } from "../../../faces/training/training_record.ts";
import { digestFolder } from "../../../packages/pipeline/digest.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import { OUTCOME } from "../../outcome.ts";
import { preprocessing } from "../../stages/training_data.ts";

const IMAGES = 400;
const GENDERS = ["female", "male"];

const layer = (class_name: string, config: object) => ({ class_name, config });

/** A network of two layers, as `model.json` describes it. */
export const MODEL_JSON = JSON.stringify({
  modelTopology: {
    config: {
      layers: [
        layer("Conv2D", { name: "conv1", filters: 16, kernel_size: [2, 2], activation: "relu" }),
        layer("Flatten", { name: "flatten" }),
      ],
    },
  },
  weightsManifest: [{
    weights: [
      { name: "conv1/kernel", shape: [2, 2, 3, 16] },
      { name: "conv1/bias", shape: [16] },
    ],
  }],
});

/** A model to be: how many of its predictions are right, or how far off it is. */
interface Fake {
  readonly use?: string;
  readonly params?: Record<string, unknown>;
  /** Of a gender. */
  readonly skill?: number;
  /** Names of the classes. Default: female and male */
  readonly classes?: readonly string[];
  /** One image of the second class in how many. Default: 2 */
  readonly every?: number;
  /** Of an age, years. */
  readonly error?: number;
  /** Task of a model of numbers. Default: age */
  readonly task?: string;
  /** Test F1, and other metrics of the test set, each with an interval of 0.1 to both sides. */
  readonly f1?: number;
  readonly further?: Readonly<Record<string, number>>;
  /** Number of its parameters; its multiply-adds are a hundred times as many. Default: 10 */
  readonly weights?: number;
  /** Validation metric of each epoch, which a `model` is written with. */
  readonly curve?: readonly number[];
}

/** A run to be. */
export interface FakeRun {
  readonly pipeline?: string;
  readonly seed?: number;
  /** Data set of all images. Default: wiki_crop */
  readonly dataset?: string;
  readonly models: Record<string, Fake>;
  /** First image of the test set, and their number. Default: half of all */
  readonly testFrom?: number;
  readonly tested?: number;
  /** Images per person. */
  readonly repeat?: number;
  readonly cautions?: readonly string[];
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** As `evaluate.metrics`. */
  readonly metrics?: readonly unknown[];
  /** The same of a second stage, which evaluates the first model again. */
  readonly again?: readonly unknown[];
  /** True if the run has metrics of the validation set as well. */
  readonly validation?: boolean;
  /** Added to the true ages. */
  readonly older?: number;
  /** True if the table has no gender. */
  readonly genderless?: boolean;
  /** True for a stage that crops faces otherwise, before the one that the images are of. */
  readonly otherCrop?: boolean;
}

/** Scores by the arguments as JSON: bootstraps take most of the time, and many runs are equal. */
const judgements = new Map<string, ReturnType<typeof scoreModel>>();

function judge(...model: Parameters<typeof scoreModel>): ReturnType<typeof scoreModel> {
  return structuredClone(
    judgements.getOrInsertComputed(JSON.stringify(model), () => scoreModel(...model)),
  );
}

/** An artifact folder with runs in it, as `run` and `evaluate` leave them. */
export async function workshop(fakes: readonly FakeRun[]) {
  const artifacts = await Deno.makeTempDir({ prefix: "artifacts-" });
  const store = new ArtifactStore(artifacts);
  const history = new History(artifacts);
  const runs: RunRecord[] = [];
  for (const [number, fake] of fakes.entries()) runs.push(await makeRun(fake, number));
  return {
    artifacts,
    store,
    runs,
    [Symbol.asyncDispose]: () => Deno.remove(artifacts, { recursive: true }),
  };

  async function keep(
    id: string,
    use: string,
    number: number,
    params: Record<string, unknown>,
    inputs: StageRecord["dependencies"]["inputs"],
    outputs: StageRecord["outputs"],
    fill: (folder: string) => Promise<void>,
  ): Promise<RecordedStage> {
    const print = `${number}${id}`.padEnd(16, "0").replace(/[^0-9a-f]/g, "f").slice(0, 16);
    const place = store.pathOf(use, print);
    await Deno.mkdir(place, { recursive: true });
    const made: Record<string, OutputRecord> = {};
    for (const [output, record] of Object.entries(outputs)) {
      await Deno.mkdir(join(place, output), { recursive: true });
      await fill(join(place, output));
      const { files } = await digestFolder(join(place, output));
      made[output] = { ...record, files };
    }
    const dependencies = { use, params, inputs, modules: {}, packages: {}, external: {} };
    const record = { version: 1, id, fingerprint: print, dependencies, outputs: made };
    await writeState(join(place, "record.json"), { ...record, ...OUTCOME });
    const report = { id, use, status: "ran" as const, why: "", seconds: 1, outputs: {} };
    return { ...report, fingerprint: print, dependencies };
  }

  async function makeRun(
    {
      pipeline = "faces",
      seed = 42,
      dataset = "wiki_crop",
      models,
      testFrom = 0,
      tested = 200,
      repeat = 1,
      cautions,
      overrides,
      metrics: further,
      again,
      validation,
      older = 0,
      genderless,
      otherCrop,
    }: FakeRun,
    number: number,
  ): Promise<RunRecord> {
    const output = (kind: string, digest = kind) => ({ kind, digest, files: {} });
    const all = Array.from({ length: IMAGES }, (_, i) => i);
    const personOf = (i: number) => `person ${Math.floor(i / repeat)}`;
    /** A stage that crops faces. @param side of the only face's box */
    const crop = (id: string, digest: string, side: number) =>
      keep(id, "faceCrop", number, {}, {}, {
        faces: output("faces", digest),
      }, async (folder) => {
        const texts = { dataset, full_path: "7.jpg", shard: "0.tar" };
        const box = { box_x: 0, box_y: 0, box_width: side, box_height: side, score: 1 };
        await writeParquet(
          join(folder, "faces.parquet"),
          Object.fromEntries(
            Object.entries({ ...texts, offset: 0, size: 9, ...box }).map(([name, value]) => [
              name,
              typeof value === "string"
                ? { type: "string", values: [value] }
                : { type: "int32", values: [value] },
            ]),
          ),
        );
        const photo = "wiki_crop,88/17173088_1959-12-19_1983.jpg,missing,no such file\n";
        const head = "dataset,full_path,problem,detail\n";
        await Deno.writeTextFile(join(folder, "problems.csv"), head + photo.repeat(9));
        await Deno.writeTextFile(join(folder, "odd #1+2%.csv"), "name,value\nodd,1\n");
      });
    const stages = [
      await keep("resize32", "resize32", number, { size: 32 }, { faces: "faces" }, {
        dataset: output("dataset", "the images"),
      }, async (folder) => {
        const pixels = Uint8Array.from({ length: IMAGES * 2 * 2 * 3 }, (_, i) => i % 251);
        writeNpy(join(folder, "images.npy"), pixels, [IMAGES, 2, 2, 3]);
        await writeParquet(join(folder, "table.parquet"), {
          dataset: { type: "string", values: all.map(() => dataset) },
          path: { type: "string", values: all.map((i) => `${i}.jpg`) },
          age: { type: "int32", values: all.map((i) => i % 70), nullable: true },
          gender: {
            type: "int32",
            values: all.map((i) => genderless ? null : i % 2),
            nullable: true,
          },
          identity: {
            type: "string",
            values: all.map((i) => repeat > 1 ? personOf(i) : null),
            nullable: true,
          },
        });
      }),
      ...otherCrop ? [await crop("otherCrop", "other faces", 48)] : [],
      await crop("faceCrop", "faces", 96),
    ];
    const peopleOf = (rows: number[]) => {
      const unknown = rows.map(() => NaN);
      return { age: unknown, gender: unknown, identity: rows.map(personOf) };
    };
    const parts = { train: [0], validation: [1], test: all.slice(testFrom, testFrom + tested) };
    const predicted = Object.entries(models).map(([stage, fake]) => {
      const { skill, classes = GENDERS, every = 2, error, task = "age" } = fake;
      const luck = random(number, stage);
      const said = (rows: number[]): Predictions => {
        const truth = rows.map((row) =>
          skill === undefined ? row % 70 + older : Number(row % every === 1)
        );
        const prediction = truth.map((value) =>
          skill === undefined
            ? value + error! * (2 * luck.next() - 1)
            : luck.next() < skill
            ? value
            : 1 - value
        );
        const probabilities = prediction.map((value) =>
          classes.map((_, c) => c === value ? 0.9 : 0.1)
        );
        return {
          rows,
          truth,
          prediction,
          loss: 0.5,
          ...(skill === undefined ? {} : { probabilities }),
        };
      };
      return {
        stage,
        task,
        classes: skill === undefined ? undefined : classes,
        predictions: {
          train: said(parts.train),
          validation: said(parts.validation),
          test: said(parts.test),
        },
      };
    });
    const judged = Object.fromEntries(predicted.map(({ stage, task, classes, predictions }) => [
      stage,
      judge(
        { task: classes ? "gender" : task, ...(classes && { classes }) },
        predictions,
        repeat > 1 ? bySplit((split) => peopleOf(parts[split])) : undefined,
      ),
    ]));
    for (
      const [id, { use = id, params = {}, f1, further, curve, skill, weights = 10 }] of Object
        .entries(models)
    ) {
      for (const [name, value] of Object.entries({ ...(f1 !== undefined && { f1 }), ...further })) {
        const interval = { level: 0.95, method: "bootstrap", unit: "image" } as const;
        const test = { low: value - 0.1, high: value + 0.1, ...interval };
        const how = { name, title: name, unit: "", decimals: 3 };
        Object.assign(judged[id].test, { [name]: value });
        (judged[id].further ??= []).push({ ...how, intervals: { test } });
      }
      const inputs = { dataset: "the images" };
      const made: StageRecord["outputs"] = curve ? { model: output("model") } : {};
      const metric = skill === undefined ? "mae" : "accuracy";
      stages.push(
        await keep(id, use, number, params, inputs, made, async (folder) => {
          await Deno.writeTextFile(join(folder, "model.json"), MODEL_JSON);
          await writeRecord(
            folder,
            {
              task: "gender",
              variant: "binary",
              loss: "x",
              metric,
              classes: null,
              seed,
              params,
              input: { size: 2, channels: "RGB", divisor: 255 },
              preprocessing,
              backend: "wasm",
              counts: { train: 1, validation: 1 },
              datasets: {},
              weights,
              multiplyAdds: 100 * weights,
              epochs: curve!.length,
              stoppedEarly: false,
              bestEpoch: 2,
              weightsOfEpoch: 2,
            },
            curve!.map((value, i) => ({
              epoch: i + 1,
              loss: 1,
              metric: value,
              val_loss: 1,
              val_metric: value,
            })),
          );
        }),
      );
    }
    const evaluate = async (id: string, metrics: typeof further, some: typeof predicted) => {
      const after = some.map(({ stage }) => stage);
      const models = Object.fromEntries(after.map((stage) => [stage, judged[stage]]));
      const stage = await keep(id, "evaluate", number, metrics ? { metrics } : {}, {
        dataset: "the images",
      }, {
        report: output("report", `report ${number}${id}`),
      }, async (folder) => {
        await Deno.writeTextFile(join(folder, "metrics.json"), JSON.stringify({ models }));
        await writePredictions(join(folder, "predictions.parquet"), some);
      });
      stages.push(again ? { ...stage, after } : stage);
    };
    await evaluate("evaluate", further, predicted);
    if (again) await evaluate("again", again, predicted.slice(0, 1));
    const metrics = Object.fromEntries(
      Object.entries(judged).map(([id, { train, test }]) => [
        id,
        {
          train: { ...train } as Record<string, number>,
          test: { ...test } as Record<string, number>,
          ...(validation && { validation: { ...test } as Record<string, number> }),
        },
      ]),
    );
    await new Promise((resolve) => setTimeout(resolve, 5)); // told apart by when they end
    const run = { pipeline, seed, ok: true, seconds: 1, stages, metrics };
    return await history.add({ ...run, overrides, ...(cautions && { cautions }) });
  }
}
