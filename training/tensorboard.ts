/** A training's curves for TensorBoard, laid out as Keras's TensorBoard callback does. */
import { join } from "node:path";
import { eventFile } from "../formats/tfevents.ts";
import type { EpochRecord, TrainingRecord } from "./record.ts";

/** In a model's folder; `tensorboard --logdir` takes it, or any folder above it. */
export const tensorboardFolder = "tensorboard";
const fileName = "events.out.tfevents.0000000000.faces.v2";

/**
 * Writes `tensorboard/train` and `tensorboard/validation` into a model's folder, each with an event
 * file of `epoch_loss` and `epoch_accuracy` or `epoch_mae`. As in Keras, the first epoch is step 0.
 *
 * TensorBoard wants a time for each value. The same training has to leave the same bytes, so epoch
 * n is said to have ended n seconds after 1970 began.
 */
export async function writeTensorboard(
  folder: string,
  metric: TrainingRecord["metric"],
  history: readonly EpochRecord[],
): Promise<void> {
  const runs = {
    train: ({ loss, metric: value }: EpochRecord) => ({ loss, value }),
    validation: ({ val_loss, val_metric }: EpochRecord) => ({ loss: val_loss, value: val_metric }),
  };
  for (const [run, of] of Object.entries(runs)) {
    const scalars = history.flatMap((record) => {
      const { loss, value } = of(record);
      const at = { step: record.epoch - 1, wallTime: record.epoch };
      return [
        { tag: "epoch_loss", value: loss, ...at },
        { tag: `epoch_${metric}`, value, ...at },
      ];
    });
    await Deno.mkdir(join(folder, tensorboardFolder, run), { recursive: true });
    await Deno.writeFile(join(folder, tensorboardFolder, run, fileName), eventFile(scalars));
  }
}
