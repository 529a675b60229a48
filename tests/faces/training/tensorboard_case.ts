/** A history whose event files TensorBoard has read: see tensorboard_read.py. */
import type { EpochRecord } from "../../../faces/training/training_record.ts";
import { writeTensorboard } from "../../../faces/training/tensorboard.ts";

/** A step above 127 takes two bytes; the values cross the range of float32. */
export const history: readonly Required<EpochRecord>[] = [
  { epoch: 1, loss: 0.7, metric: 0.5, val_loss: 123456.789, val_metric: 0.4, learning_rate: 0.003 },
  { epoch: 2, loss: 1e-9, metric: 0.9, val_loss: 0.1 + 0.2, val_metric: 0, learning_rate: 1e-5 },
  { epoch: 300, loss: 12, metric: 1, val_loss: 3, val_metric: 0.75, learning_rate: 0 },
];

/** Writes it as a training does: the first two epochs, then what is left. */
export async function writeCase(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await writeTensorboard(folder, "accuracy", history.slice(0, 2));
  await writeTensorboard(folder, "accuracy", history, 2);
}
