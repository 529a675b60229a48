/** Detectors and models, opened on a compute backend and kept for photo after photo. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import sharp from "sharp";
import { openBackend } from "../../packages/compute/open_backend.ts";
import type { Backend } from "../../packages/compute/backends.ts";
import {
  type Detector,
  type DetectorModel,
  type NetworkOptions,
  openDetector,
  openNetwork,
} from "../detection/detector.ts";
import type { DetectorModelName, DetectorOptions } from "../detection/detectors.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import { loadModel } from "../training/model_files.ts";
import { openPredictor } from "../training/predictor.ts";
import { analyzePhoto, type Model, type Result } from "./analyze_photo.ts";
import type { OutputSpec } from "./prediction.ts";
import { multiScale } from "./multi_scale_detector.ts";

/** A photo deserves all care; a frame of the live view is followed by another. */
export type AnalysisMode = "photo" | "live";

/** A detector by name, with what it is opened with. */
export type DetectorConfig = DetectorOptions & { readonly name: DetectorModelName };

/** What an analyser is made of; crosses to workers. */
export interface Setup {
  readonly backend: Backend;
  readonly detectors: Readonly<Record<AnalysisMode, DetectorConfig>>;
  readonly models: readonly (OutputSpec & {
    /** The artifact's folder. */
    readonly path: string;
    readonly preprocessing: Preprocessing;
  })[];
}

/** What is to be done with a photo. */
export interface AnalyzeOptions {
  readonly view: AnalysisMode;
  /** Whether to send what the networks saw. */
  readonly crops: boolean;
}

export interface InferenceSession {
  /** @throws {PictureError} if the photo cannot be decoded */
  analyse(photo: Uint8Array, wishes: AnalyzeOptions): Promise<Result>;
  close(): void;
}

/** Opens all that a setup names. */
export async function openInferenceSession(
  { backend, detectors, models }: Setup,
): Promise<InferenceSession> {
  await openBackend(backend);
  const opened = await openDetectors(detectors);
  const networks: LayersModel[] = [];
  const ready: Model[] = [];
  for (const model of models) {
    const { model: network, record } = await loadModel(model.path);
    networks.push(network);
    const predictor = await openPredictor(network, { batch: 8, threads: 0 }); // a few faces, at once
    ready.push({ ...model, predictor, mirror: record.input.mirror });
  }
  return {
    analyse: (photo, { view, crops }) =>
      analyzePhoto(photo, opened.by[view], ready, crops ? dataUrl : undefined),
    close() {
      opened.close();
      ready.forEach(({ predictor }) => void predictor[Symbol.asyncDispose]());
      networks.forEach((network) => network.dispose());
    },
  };
}

/** The detectors; those that are one network at several sizes of its input share its weights. */
export async function openDetectors(
  choices: Readonly<Record<AnalysisMode, DetectorConfig>>,
): Promise<{ by: Record<AnalysisMode, Detector>; close(): void }> {
  const networks = new Map<string, DetectorModel>();
  const shared = async (
    name: DetectorModelName,
    options: NetworkOptions,
  ): Promise<DetectorModel> => {
    const key = JSON.stringify([name, options]);
    if (!networks.has(key)) networks.set(key, await openNetwork(name, options));
    const network = networks.get(key)!;
    return { detect: (image) => network.detect(image), close: () => {} };
  };
  const { photo, live } = choices;
  const sizes: Detector[] = [];
  const views = photo.inputSizes.length > 0 ? photo.inputSizes.map((size) => [size]) : [[]];
  for (const inputSizes of views) {
    sizes.push(await openDetector(photo.name, { ...photo, inputSizes }, shared));
  }
  return {
    by: { photo: multiScale(sizes), live: await openDetector(live.name, live, shared) },
    close: () => networks.forEach((network) => network.close()),
  };
}

async function dataUrl(tensor: Uint8Array, size: number): Promise<string> {
  const raw = { width: size, height: size, channels: 3 } as const;
  const png = await sharp(tensor, { raw }).png().toBuffer();
  return `data:image/png;base64,${new Uint8Array(png).toBase64()}`;
}
