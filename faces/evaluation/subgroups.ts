/** A metric for groups of people: by gender and age band. */
import {
  accuracyInterval,
  type Interval,
  meanIntervalOfEnough,
} from "../../packages/statistics/confidence_intervals.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";

export interface Group {
  /** 1 male, 0 female; left out: both. */
  gender?: number;
  /** First and last age; left out: all. */
  from?: number;
  to?: number;
  count: number;
  /** Share that is right, or mean absolute error in years. */
  value: number;
  /** Left out where there are too few to tell. */
  interval?: Interval;
  /** Ages: mean of prediction - truth, years. */
  bias?: number;
  biasInterval?: Interval;
}

/** People in the pictures that were tested, one value a picture. */
export interface People {
  age: ArrayLike<number>;
  /** 1 male, 0 female. */
  gender: ArrayLike<number>;
  /** Who it is; somebody unknown (null) is nobody else. */
  identity?: readonly unknown[];
}

/**
 * Each gender, then each gender in each band of ages. Groups of nobody are left out.
 * @param metric `accuracy`: of values that are 1 or 0; `mae`: of absolute errors
 * @param values one a picture
 * @param signed prediction - truth of each picture, where the predictions are years
 * @param width of a band, years
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
    const who = people.identity && members.map((i) => people.identity![i]);
    const interval = metric === "accuracy"
      ? accuracyInterval(own, who)
      : meanIntervalOfEnough(own, who);
    const off = signed && members.map((i) => signed[i]);
    const biasInterval = off && meanIntervalOfEnough(off, who);
    groups.push({
      ...place,
      count: own.length,
      value: mean(own),
      ...(interval && { interval }),
      ...(off && { bias: mean(off) }),
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
