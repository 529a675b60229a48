/** Argument of a plugin's `export default (api) => ...`: it then needs no import of the project. */
export * from "../packages/pipeline/plugin_api.ts";
export * as kinds from "../stages/kinds.ts";
export { definePreset } from "../faces/datasets/presets.ts";
export { defineDetector } from "../faces/detection/detector.ts";
export { html } from "../faces/evaluation/html.ts";
export { defineReportSection } from "../faces/evaluation/report_sections.ts";
export { defineMetric } from "../faces/training/further_metrics.ts";
export { quantityHead } from "../faces/training/losses.ts";
export {
  defineAugmentation,
  defineLoss,
  defineNetwork,
  defineOptimizer,
  defineSampling,
  defineSchedule,
} from "../faces/training/training_definitions.ts";
