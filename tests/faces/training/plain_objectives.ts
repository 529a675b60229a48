/** Objectives of networks with one head and no layer of heads, for tests and benches. */
import { classHead, quantityHead } from "../../../faces/training/losses.ts";
import { jointHead, type Objective } from "../../../faces/training/objective.ts";

/** Returns a classification objective: cross-entropy from logits, and accuracy. */
export function classification(classes: number): Objective {
  return jointHead([classHead(classes, 1)], { plain: true });
}

/** Returns a regression objective: the mean absolute error is loss and metric. */
export function regression(): Objective {
  return jointHead([quantityHead(1)], { plain: true });
}
