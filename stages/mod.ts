/** The built-in stages. Each module is loaded when a pipeline uses it. */
import type { LazyStage } from "../packages/pipeline/registry.ts";

function stage(name: string, load: LazyStage["load"]): LazyStage {
  return { name, module: new URL(`./${name}.ts`, import.meta.url).href, load };
}

export const stages: readonly LazyStage[] = [
  stage("download", () => import("./download.ts")),
  stage("matParse", () => import("./matParse.ts")),
  stage("faceCrop", () => import("./faceCrop.ts")),
  stage("resize32", () => import("./resize32.ts")),
  stage("auditLabels", () => import("./auditLabels.ts")),
  stage("split", () => import("./split.ts")),
  stage("trainGender", () => import("./trainGender.ts")),
  stage("trainAge", () => import("./trainAge.ts")),
  stage("trainJoint", () => import("./trainJoint.ts")),
  stage("trainClassifier", () => import("./trainClassifier.ts")),
  stage("trainRegressor", () => import("./trainRegressor.ts")),
  stage("importModel", () => import("./importModel.ts")),
  stage("faceApi", () => import("./faceApi.ts")),
  stage("evaluate", () => import("./evaluate.ts")),
  stage("webcamServe", () => import("./webcamServe.ts")),
];
