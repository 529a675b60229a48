/** Writer of the `model` artifact. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import { writeExports } from "./export_model.ts";
import type { Compared, TrainingContext, TrainingInputs } from "./training_data.ts";
import { saveModel } from "./model_files.ts";
import type { ExportFormat } from "./training_params.ts";
import { type EpochRecord, type TrainingRecord, writeRecord } from "./training_record.ts";
import type { TrainingResult } from "./train.ts";

/** Task, parameters and baseline of a trained network. */
export type TrainedSpec =
  & Pick<TrainingRecord, "task" | "variant" | "loss" | "metric" | "classes">
  & {
    params: TrainingRecord["params"] & { export: readonly ExportFormat[] };
    mirror?: boolean;
    compared: Compared;
  };

/**
 * Writes a trained network with its training record, learning curves and exports.
 * @param history one entry per epoch
 */
export async function saveTrained(
  model: LayersModel,
  folder: string,
  { mirror, compared: { worse, constantBaseline }, ...spec }: TrainedSpec,
  { stoppedEarly, bestEpoch, weightsOfEpoch }: Pick<
    TrainingResult,
    "stoppedEarly" | "bestEpoch" | "weightsOfEpoch"
  >,
  history: readonly EpochRecord[],
  { size, rows, preprocessing, datasets }: TrainingInputs,
  { seed, compute: backend }: TrainingContext,
): Promise<void> {
  await saveModel(model, folder);
  const record: TrainingRecord = {
    ...spec,
    input: { size, channels: "RGB", divisor: 255, ...(mirror !== undefined && { mirror }) },
    ...{ preprocessing, seed, backend },
    counts: { train: rows.train.length, validation: rows.validation.length },
    datasets,
    weights: model.countParams(),
    epochs: history.length,
    ...{ stoppedEarly, bestEpoch, weightsOfEpoch },
    ...(worse ? { constantBaseline } : {}),
  };
  await writeRecord(folder, record, history);
  await writeExports(model, folder, record, spec.params.export);
}
