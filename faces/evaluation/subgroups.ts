/** Metrics of subgroups of the test set: by age band, and by gender and age band. */
import {
  groupsOf,
  type Interval,
  meanInterval,
} from "../../packages/statistics/confidence_intervals.ts";
import {
  absoluteErrors,
  mean,
  signedErrors,
} from "../../packages/statistics/prediction_metrics.ts";
import { type MetricName, METRICS } from "./metrics.ts";

/** Widths of age bands, years: of errors, and of genders. */
const BAND = 10, GROUP_BAND = 20;

/** Images whose true age is in a band. */
export interface AgeBand
  extends Required<Pick<Group, "from" | "to" | "count" | "bias">>, Pick<Group, "biasInterval"> {
  /** MAE, years. Its interval is undefined where there are too few images or people. */
  mae: number;
  interval?: Interval;
  /** MAE of the constant baseline, years. */
  guessMae: number;
}

export interface Group {
  /** 1 male, 0 female; undefined: both. */
  gender?: number;
  /** First and last age; undefined: all. */
  from?: number;
  to?: number;
  count: number;
  /** Number of its people, where one has several images. */
  people?: number;
  /** Accuracy, or MAE in years. */
  value: number;
  /** Undefined where there are too few images or people. */
  interval?: Interval;
  /** Age in years only: mean of prediction - truth. Positive values overestimate. */
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
 * Computes errors in bands of true ages. Omits empty bands.
 * @param baseline age that the constant baseline predicts
 * @param people person of each image; without it, all are distinct
 */
export function errorByAgeBand(
  truth: ArrayLike<number>,
  prediction: ArrayLike<number>,
  baseline: number,
  people?: readonly unknown[],
): AgeBand[] {
  const errors = absoluteErrors(truth, prediction), signed = signedErrors(truth, prediction);
  const bands = Map.groupBy(errors.keys(), (i) => Math.floor(truth[i] / BAND) * BAND);
  return [...bands].sort(([a], [b]) => a - b).map(([from, members]) => {
    const [mae, interval] = average(errors, members, people);
    const [bias, biasInterval] = average(signed, members, people);
    const guessMae = mean(members.map((i) => Math.abs(baseline - truth[i])));
    const place = { from, to: from + BAND - 1, count: members.length };
    return { ...place, mae, interval, bias, biasInterval, guessMae };
  });
}

/**
 * Computes a metric for each gender, then for each gender and age band. Omits empty groups.
 * @param values metric of each image, 1 or 0 or an absolute error
 * @param signed prediction - truth of each image, if predictions are years
 */
export function scoreGroups(
  metric: MetricName,
  values: ArrayLike<number>,
  { age, gender: genders, identity }: People,
  signed?: ArrayLike<number>,
): Group[] {
  const all = Array.from(values, (_, i) => i);
  const score = (place: Pick<Group, "gender" | "from" | "to">, members: number[]): Group[] => {
    if (members.length === 0) return [];
    const [value, interval] = average(values, members, identity, METRICS[metric].interval);
    const [bias, biasInterval] = signed ? average(signed, members, identity) : [];
    const count = members.length, people = countPeople(members.map((i) => identity?.[i]));
    return [{ ...place, count, people, value, interval, bias, biasInterval }];
  };
  const bandOf = (i: number) => Math.floor(age[i] / GROUP_BAND) * GROUP_BAND;
  return [0, 1].flatMap((gender) => {
    const same = all.filter((i) => genders[i] === gender);
    const bands = [...Map.groupBy(same.filter((i) => age[i] >= 0), bandOf)];
    return [
      ...score({ gender }, same),
      ...bands.sort(([a], [b]) => a - b).flatMap(([from, members]) =>
        score({ gender, from, to: from + GROUP_BAND - 1 }, members)
      ),
    ];
  });
}

/** Returns the number of people in images; undefined if none has several. @param identity of each image */
export function countPeople(identity: readonly unknown[]): number | undefined {
  const people = groupsOf(identity.length, identity).length;
  return people < identity.length ? people : undefined;
}

function average(
  values: ArrayLike<number>,
  members: readonly number[],
  people?: readonly unknown[],
  intervalOf = meanInterval,
): [number, Interval | undefined] {
  const own = members.map((i) => values[i]);
  return [mean(own), intervalOf(own, people && members.map((i) => people[i]))];
}
