/** Metrics by gender and age band. */
import {
  accuracyInterval,
  type Interval,
  meanIntervalOfEnough,
} from "../../packages/statistics/confidence_intervals.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";

/** Metric of a subgroup. */
export interface Group {
  /** 1 male, 0 female; undefined: both. */
  gender?: number;
  /** First and last age; undefined: all. */
  from?: number;
  to?: number;
  count: number;
  /** Accuracy, or MAE in years. */
  value: number;
  /** Undefined where there are too few images or people. */
  interval?: Interval;
  /** Age in years only: mean of prediction - truth. */
  bias?: number;
  biasInterval?: Interval;
}

/** People in the test images, one value per image. */
export interface People {
  age: ArrayLike<number>;
  /** 1 male, 0 female. */
  gender: ArrayLike<number>;
  /** Identity of the person; null is a person of its own. */
  identity?: readonly unknown[];
}

/**
 * Computes a metric for each gender, then for each gender and age band. Omits empty groups.
 * @param metric `accuracy`: values are 1 or 0; `mae`: values are absolute errors
 * @param values one per image
 * @param signed prediction - truth of each image, if predictions are years
 * @param width width of an age band, years
 */
export function scoreGroups(
  metric: "accuracy" | "mae",
  values: ArrayLike<number>,
  people: People,
  signed?: ArrayLike<number>,
  width = 20,
): Group[] {
  const all = Array.from(values, (_, i) => i);
  const groups: Group[] = [];
  const add = (place: Pick<Group, "gender" | "from" | "to">, members: number[]) => {
    if (members.length === 0) return;
    const own = members.map((i) => values[i]);
    const identities = people.identity && members.map((i) => people.identity![i]);
    const interval = metric === "accuracy"
      ? accuracyInterval(own, identities)
      : meanIntervalOfEnough(own, identities);
    const errors = signed && members.map((i) => signed[i]);
    const biasInterval = errors && meanIntervalOfEnough(errors, identities);
    groups.push({
      ...place,
      count: own.length,
      value: mean(own),
      ...(interval && { interval }),
      ...(errors && { bias: mean(errors) }),
      ...(biasInterval && { biasInterval }),
    });
  };
  const highest = all.reduce((age, i) => Math.max(age, people.age[i]), 0);
  for (const gender of [0, 1]) {
    const same = all.filter((i) => people.gender[i] === gender);
    add({ gender }, same);
    for (let from = 0; from <= highest; from += width) {
      const to = from + width - 1;
      const members = same.filter((i) => people.age[i] >= from && people.age[i] <= to);
      add({ gender, from, to }, members);
    }
  }
  return groups;
}
