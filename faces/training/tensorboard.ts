/** Learning curves for TensorBoard, in the layout of Keras's TensorBoard callback. */
import { join } from "node:path";
import { eventFile, events } from "../../packages/formats/tfevents.ts";
import type { FullEpoch } from "./training_record.ts";

const FILE = "events.out.tfevents.0000000000.faces.v2";

/**
 * Writes `tensorboard/train` and `tensorboard/validation` into a model's folder, each with an event
 * file of `epoch_loss` and `epoch_accuracy` or `epoch_mae`, in `train` also of
 * `epoch_learning_rate`, in `validation` of further metrics. As in Keras, the first epoch is step 0.
 *
 * Wall times are not recorded, so equal trainings give equal bytes: epoch n has the time of n seconds
 * after 1970-01-01.
 * @param done number of epochs already written; the others are appended
 */
export async function writeTensorboard(
  folder: string,
  metric: string,
  history: readonly FullEpoch[],
  done = 0,
): Promise<void> {
  const scored = (loss: number, value: number, further: FullEpoch["further"] = {}) => [
    ["epoch_loss", loss] as const,
    [`epoch_${metric}`, value] as const,
    ...Object.entries(further).map(([column, value]) =>
      [column.replace("val_", "epoch_"), value ?? NaN] as const
    ),
  ];
  const runs = {
    train: ({ loss, metric, learning_rate: rate }: FullEpoch) => [
      ...scored(loss, metric),
      ...(rate === undefined ? [] : [["epoch_learning_rate", rate] as const]),
    ],
    validation: ({ val_loss, val_metric, further }: FullEpoch) =>
      scored(val_loss, val_metric, further),
  };
  for (const [run, scalarsOf] of Object.entries(runs)) {
    const scalars = history.slice(done).flatMap((record) =>
      scalarsOf(record).map(([tag, value]) => ({
        tag,
        value,
        step: record.epoch - 1,
        wallTime: record.epoch,
      }))
    );
    const place = join(folder, "tensorboard", run), append = done > 0;
    await Deno.mkdir(place, { recursive: true });
    const bytes = append ? events(scalars) : eventFile(scalars);
    await Deno.writeFile(join(place, FILE), bytes, { append });
  }
}
