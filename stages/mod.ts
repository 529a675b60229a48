/** The built-in stages. Each module is loaded when a pipeline uses it. */
import type { LazyStage } from "../packages/pipeline/registry.ts";

const modules: Record<string, LazyStage["load"]> = {
  download: () => import("./download.ts"),
  matParse: () => import("./matParse.ts"),
  faceCrop: () => import("./faceCrop.ts"),
  resize32: () => import("./resize32.ts"),
  auditLabels: () => import("./auditLabels.ts"),
  split: () => import("./split.ts"),
  trainGender: () => import("./trainGender.ts"),
  trainAge: () => import("./trainAge.ts"),
  trainJoint: () => import("./trainJoint.ts"),
  trainClassifier: () => import("./trainClassifier.ts"),
  trainRegressor: () => import("./trainRegressor.ts"),
  importModel: () => import("./importModel.ts"),
  faceApi: () => import("./faceApi.ts"),
  evaluate: () => import("./evaluate.ts"),
  webcamServe: () => import("./webcamServe.ts"),
};

export const stages: readonly LazyStage[] = Object.entries(modules).map(([name, load]) => ({
  name,
  load,
  module: new URL(`./${name}.ts`, import.meta.url).href,
}));
