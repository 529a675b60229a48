/** A service with small untrained networks, drawn faces to show it, and clips for a camera. */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel } from "@tensorflow/tfjs-layers";
import sharp from "sharp";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random } from "../../../packages/random/random.ts";
import { configureDetector } from "../../../faces/detection/detectors.ts";
import type { Preprocessing } from "../../../faces/images/preprocessing.ts";
import { temporaryFolder } from "../../temporary_folder.ts";
import { buildAge2021, buildGender2021, deepTrunk } from "../../models/build_2021.ts";
import { faceSvg } from "../../../faces/synthetic/drawn_face.ts";
import { drawTraits, type Gender } from "../../../faces/synthetic/traits.ts";
import { drawSvg } from "../../../faces/synthetic/sample_archive.ts";
import { serve, type ServeOptions, type Serving } from "../../../faces/serving/service.ts";
import { readReports, readSources } from "../../../faces/serving/model_sources.ts";
import type { MetricsFile } from "../../../faces/evaluation/score_model.ts";
import { extractHead, multiHeadModel } from "../../../faces/training/build_network.ts";
import { saveModel } from "../../../faces/training/model_files.ts";
import { type TrainingRecord, writeRecord } from "../../../faces/training/training_record.ts";
import { ageBins } from "../../../faces/training/network_options.ts";
import { ageClasses, genderClasses } from "../../../faces/training/targets.ts";

export const preprocessing: Preprocessing = {
  detector: {
    name: "tinyFaceDetector",
    minConfidence: 0.4,
    inputSizes: configureDetector("tinyFaceDetector").inputSizes,
  },
  crop: { margin: 0.2, maxSize: 128 },
  background: "#ffffff",
  steps: [],
  resize: { size: 32, kernel: "lanczos3", fit: "fill" },
};

export type ModelName =
  | "gender"
  | "ageRegression"
  | "ageDistribution"
  | "ageMulticlass"
  | "ageBinary";

/** Interval or threshold of each model, as of a calibration set. */
const calibrations: Partial<Record<ModelName, Partial<TrainingRecord>>> = {
  gender: { abstention: { error: 0.05, confidence: 0.9, images: 100 } },
  ageRegression: { interval: { level: 0.9, of: "error", margin: 7, images: 100 } },
  ageDistribution: { interval: { level: 0.9, of: "distribution", margin: 2, images: 100 } },
};

/** Writes a `model` artifact of an untrained network. @param build a network for gender */
export async function writeModel(
  folder: string,
  name: ModelName,
  changes: Partial<Preprocessing> = {},
  build: () => LayersModel = () => buildGender2021(options(2)),
  calibrated = false,
): Promise<void> {
  await openBackend("wasm");
  await Deno.mkdir(folder, { recursive: true });
  const variant = name === "ageMulticlass"
    ? "multiclass"
    : name === "ageRegression" || name === "ageDistribution"
    ? "regression"
    : "binary";
  const classes = name === "gender"
    ? genderClasses
    : variant === "regression"
    ? null
    : ageClasses[variant];
  const network = name === "gender"
    ? build()
    : name === "ageDistribution"
    ? distribution()
    : variant === "regression"
    ? buildAge2021(options(1))
    : buildGender2021(options(classes!.length));
  if (name === "ageRegression") centre(network, 34);
  await saveModel(network, folder);
  const record: TrainingRecord = {
    task: name === "gender" ? "gender" : "age",
    variant,
    loss: classes ? "categorical_crossentropy" : "mean_absolute_error",
    metric: classes ? "accuracy" : "mae",
    classes: classes && [...classes],
    input: { size: 32, channels: "RGB", divisor: 255 },
    preprocessing: { ...preprocessing, ...changes },
    params: {},
    seed: 42,
    backend: "wasm",
    counts: { train: 256, validation: 64 },
    datasets: { sample: 256 },
    weights: network.countParams(),
    epochs: 1,
    stoppedEarly: false,
    bestEpoch: 1,
    weightsOfEpoch: 1,
    ...calibrated && calibrations[name],
  };
  const metric = classes ? 0.75 : 8.25;
  const epoch = { epoch: 1, loss: 1.5, metric, val_loss: 1.6, val_metric: metric };
  await writeRecord(folder, record, [epoch]);
  network.dispose();
}

/** A network of ages that are the median of its distribution. */
function distribution(): LayersModel {
  const trunk = () =>
    deepTrunk({ size: 32, dropout: 0, batchNormMomentum: 0.9, initializer: "heNormal" });
  const both = multiHeadModel("both", trunk, ageBins.length, "glorotUniform", 7);
  const slice = { name: "age", start: 0, columns: ageBins.length, reading: "median" } as const;
  return extractHead(both, trunk, slice);
}

function options(classes: number) {
  return { size: 32, seed: 7, classes };
}

/** Moves the ages that an untrained network predicts from about 0 to about `years`. */
function centre(network: LayersModel, years: number): void {
  const layer = network.getLayer("years");
  const [kernel, bias] = layer.getWeights();
  tf.tidy(() => layer.setWeights([kernel, tf.add(bias, years)]));
}

export interface Service extends Serving, AsyncDisposable {
  readonly url: string;
  /** Folder of its models. */
  readonly folder: string;
  readonly warnings: string[];
  get(path: string, init?: RequestInit): Promise<Response>;
  /** Posts a picture. */
  predict(body: BodyInit, type?: string, query?: string): Promise<Response>;
}

/** Starts a service of untrained networks on a free port. */
export async function startService(
  {
    models = ["ageRegression", "gender"],
    changes = {},
    reports = {},
    build,
    calibrated,
    ...options
  }:
    & {
      /** Builds the network for gender. Default: that of 2021. */
      build?: () => LayersModel;
      models?: readonly ModelName[];
      /** Default: false. */
      calibrated?: boolean;
      changes?: Partial<Preprocessing>;
      /** Metrics of models, by name. */
      reports?: MetricsFile["models"];
    }
    & Partial<ServeOptions> = {},
): Promise<Service> {
  const folder = temporaryFolder("serving-");
  const made = [];
  for (const name of models) {
    const path = join(folder, name);
    await writeModel(path, name, changes, build, calibrated);
    made.push({ stage: name, path });
  }
  const reported = { ...await readReports([]), models: reports };
  const warnings: string[] = [];
  const serving = await serve({
    host: "127.0.0.1",
    port: 0,
    sources: await readSources(made, reported.models),
    reported,
    backend: "wasm",
    liveDetector: "tinyFaceDetector",
    mode: "server",
    maxBodyMegabytes: 5,
    workers: 1,
    queue: 16,
    viewers: 4,
    timeoutSeconds: 600, // of a busy machine
    warn: (message) => void warnings.push(message),
    ...options,
  });
  const get = (path: string, init?: RequestInit) => fetch(new URL(path, serving.urls[0]), init);
  return {
    ...serving,
    url: serving.urls[0],
    folder,
    warnings,
    get,
    predict: (body, type, query = "") =>
      get(`/predict${query}`, {
        method: "POST",
        body,
        ...(type ? { headers: { "content-type": type } } : {}),
      }),
    async [Symbol.asyncDispose]() {
      await serving.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Returns the ids of Deno processes that this one started: its tests must not run beside others. */
export async function children(): Promise<number[]> {
  // Small systems have no `ps`, and others no /proc.
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", "cat /proc/[0-9]*/stat || ps -A -o pid=,comm=,state=,ppid="],
    stderr: "null",
  }).output();
  const processes = new TextDecoder().decode(stdout)
    .matchAll(/^ *(\d+) \(?(?:\S*\/)?deno\)? +[^Z]\S* +(\d+)/gm);
  return [...processes].filter(([, , parent]) => Number(parent) === Deno.pid)
    .map(([, pid]) => Number(pid));
}

/** Faces that are drawn already: it takes a while. */
const drawn = new Map<string, Promise<Buffer>>();

/** A drawn face, 256 × 256, as PNG. */
export async function drawnFace(
  seed = 1,
  age = 30,
  gender: Gender = "female",
): Promise<Uint8Array<ArrayBuffer>> {
  const key = [seed, age, gender].join();
  if (!drawn.has(key)) {
    const svg = faceSvg(drawTraits(random(seed, "face"), age, gender));
    drawn.set(key, drawSvg(svg).png().toBuffer());
  }
  return Uint8Array.from(await drawn.get(key)!);
}

/** Drawn faces side by side in one picture, 640 × 480, as PNG or JPEG. */
export async function drawnGroup(
  people: readonly { seed: number; age: number; gender: Gender; left: number; top: number }[],
  format: "png" | "jpeg" = "png",
): Promise<Uint8Array<ArrayBuffer>> {
  const faces = await Promise.all(people.map(async ({ seed, age, gender, left, top }) => ({
    input: Buffer.from(await drawnFace(seed, age, gender)),
    left,
    top,
  })));
  const picture = sharp({ create: { width: 640, height: 480, channels: 3, background: "#7d8a94" } })
    .composite(faces);
  const bytes = format === "png" ? picture.png() : picture.jpeg({ quality: 92 });
  return Uint8Array.from(await bytes.toBuffer());
}

/** A film of a drawn face that moves slowly, as Chromium's fake camera takes it: JPEGs in a row. */
export async function writeClip(path: string, frames = 120): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true, truncate: true });
  for (let i = 0; i < frames; i++) {
    const left = Math.round(190 + 80 * Math.sin(2 * Math.PI * i / frames));
    const frame = await drawnGroup(
      [{ seed: 5, age: 34, gender: "female", left, top: 110 }],
      "jpeg",
    );
    for (let at = 0; at < frame.length;) at += await file.write(frame.subarray(at));
  }
}
