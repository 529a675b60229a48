/** Coverage of prediction intervals, and accuracy if unsure predictions are withheld. */
import { accuracyInterval, type Interval } from "../../packages/statistics/confidence_intervals.ts";
import { riskCoverage, type RiskPoint } from "../../packages/statistics/conformal.ts";
import { mean } from "../../packages/statistics/prediction_metrics.ts";
import {
  type AbstentionThreshold,
  type Bounds,
  isUncertain,
  type PredictionInterval,
} from "../training/prediction_interval.ts";
import { type Group, type People, scoreGroups } from "./subgroups.ts";

export interface Coverage extends PredictionInterval {
  /** Share of truths inside, and its 95 % confidence interval. */
  coverage: number;
  interval: Interval;
  width: number;
  /** By gender, and by gender and age band: coverage as `value`, and mean width. */
  groups?: (Omit<Group, "bias" | "biasInterval"> & { width: number })[];
}

export function scoreIntervals(
  how: PredictionInterval,
  bounds: readonly Bounds[],
  truth: ArrayLike<number>,
  people: People,
): Coverage {
  const inside = bounds.map(({ low, high }, i) => Number(low <= truth[i] && truth[i] <= high));
  const widths = bounds.map(({ low, high }) => high - low);
  return {
    ...how,
    coverage: mean(inside),
    interval: accuracyInterval(inside, people.identity),
    width: mean(widths),
    groups: scoreGroups("accuracy", inside, people, widths)
      .map(({ bias, biasInterval: _, ...group }) => ({ ...group, width: bias! })),
  };
}

/** Share of predictions that are kept, and their accuracy; none with too few. */
interface Kept {
  kept: number;
  accuracy: number;
  interval: Interval;
}

/** Accuracy if predictions below a confidence are withheld. */
export interface Abstention {
  /** Threshold of a model trained with `abstain`, and the predictions that are not uncertain. */
  threshold?: AbstentionThreshold & (Kept | { kept: 0 });
  /** Area under the risk-coverage curve. */
  aurc: number;
  /** At some confidences, each with the share of predictions kept and their accuracy. */
  at: ({ confidence: number } & Kept)[];
  /** At most 100 points of the curve. */
  curve: RiskPoint[];
}

const CONFIDENCES = [0.6, 0.7, 0.8, 0.9, 0.95];

/** Scores classes by the probability of the predicted one. */
export function scoreAbstention(
  confidence: readonly number[],
  correct: ArrayLike<number>,
  people?: readonly unknown[],
  threshold?: AbstentionThreshold,
): Abstention {
  const keep = (sure: (one: number) => boolean): Kept | undefined => {
    const kept = confidence.flatMap((one, i) => sure(one) ? [i] : []);
    if (kept.length === 0) return undefined;
    const values = kept.map((i) => correct[i]);
    return {
      kept: kept.length / confidence.length,
      accuracy: mean(values),
      interval: accuracyInterval(values, people && kept.map((i) => people[i])),
    };
  };
  const { points, aurc } = riskCoverage(confidence, Array.from(correct, (one) => 1 - one));
  const step = Math.ceil(points.length / 100);
  return {
    ...threshold && {
      threshold: {
        ...threshold,
        ...keep((one) => !isUncertain(threshold, one)) ?? { kept: 0 as const },
      },
    },
    aurc,
    at: CONFIDENCES.flatMap((least) => {
      const kept = keep((one) => one >= least);
      return kept ? [{ confidence: least, ...kept }] : [];
    }),
    curve: points.filter((_, i) => (points.length - 1 - i) % step === 0),
  };
}
