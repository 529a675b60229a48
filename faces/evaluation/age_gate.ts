/** Age gates: who is let in by an estimated age, and wrongly so. */
import { accuracyInterval } from "../../packages/statistics/confidence_intervals.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";
import type { Person } from "../training/targets.ts";
import { type ChosenGroups, divisions, type GroupValue, MINIMUM } from "./fairness.ts";

/** Ages of a gate, years. */
export interface Gate {
  /** Legal age. */
  threshold: number;
  /** Estimated age from which a person is let in. */
  limit: number;
}

/** A rate, and the faces that it is of. */
type Rate = Required<Omit<GroupValue, "standardized">>;

/** Error rates of a gate; undefined without faces of the age. */
export interface GateRates {
  /** Share of the faces below the threshold that is let in. */
  false_accept?: Rate;
  /** Share of the faces from the threshold on that is refused. */
  false_reject?: Rate;
}

/** Error rates of a gate on the test set. */
export interface AgeGate extends Gate, GateRates {
  /** By true age in whole years. */
  by_year: ({ age: number } & GateRates)[];
  /** By the groups of one attribute, and of two crossed; rates of few faces are hidden. */
  by_group: ({ by: string[]; group: string } & GateRates)[];
  /** Faces whose interval of ages is on both sides of the threshold. */
  left_out: number;
}

/**
 * Computes the error rates of a gate.
 * @param estimates age of each image, years
 * @param persons labels of each image; an interval of ages counts where it is on one side of the
 *   threshold
 * @param people person of each image
 * @param groups as those of fairness
 */
export function ageGate(
  { threshold, limit }: Gate,
  estimates: ArrayLike<number>,
  persons: readonly Person[],
  people?: readonly unknown[],
  groups?: ChosenGroups,
): AgeGate {
  const legal = persons.map(({ age, ageInterval: [low, high] = [age, age] }) =>
    low >= threshold ? true : high < threshold ? false : undefined
  );
  const rate = (rows: readonly number[], of: boolean, least: number): Rate | undefined => {
    const some = rows.filter((i) => legal[i] === of);
    if (some.length < least) return undefined;
    const wrong = some.map((i) => Number(estimates[i] >= limit !== of));
    const interval = accuracyInterval(wrong, people && some.map((i) => people[i]));
    return { count: some.length, value: mean(wrong), interval };
  };
  const rates = (rows: readonly number[], least = 1): GateRates => ({
    false_accept: rate(rows, false, least),
    false_reject: rate(rows, true, least),
  });
  const all = [...legal.keys()];
  const years = Map.groupBy(all.filter((i) => persons[i].age >= 0), (i) => persons[i].age);
  return {
    threshold,
    limit,
    ...rates(all),
    by_year: [...years].sort(([a], [b]) => a - b).map(([age, rows]) => ({ age, ...rates(rows) })),
    by_group: divisions(persons, groups).groupings.filter(({ by }) => !by.includes("age"))
      .flatMap(({ by, groups }) =>
        groups.map(([group, rows]) => ({ by, group, ...rates(rows, MINIMUM) }))
          .filter(({ false_accept, false_reject }) => false_accept || false_reject)
      ),
    left_out: legal.filter((one) => one === undefined).length,
  };
}
