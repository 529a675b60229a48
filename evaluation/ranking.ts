/** How well a score tells two classes apart, whichever threshold is put on it. */

export interface Roc {
  /**
   * False and true positive rate at every threshold, from [0, 0] (nobody is called positive) to
   * [1, 1]; scores that are equal share a threshold.
   */
  points: [falsePositives: number, truePositives: number][];
  /** Area under them: how often a positive scores higher than a negative, ties counted half. */
  auc: number;
}

/**
 * The ROC curve. T. Fawcett (2006), An introduction to ROC analysis, algorithms 1 and 2.
 * @param truth 1 for each positive, 0 for each negative; with none of either the rates are NaN
 * @param scores higher for what is rather positive
 */
export function rocCurve(truth: ArrayLike<number>, scores: ArrayLike<number>): Roc {
  const order = Array.from(truth, (_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const positives = order.reduce((sum, i) => sum + truth[i], 0);
  const negatives = order.length - positives;
  const points: Roc["points"] = [[0, 0]];
  let [hits, alarms, auc] = [0, 0, 0];
  order.forEach((i, at) => {
    if (truth[i] === 1) hits++;
    else alarms++;
    if (at + 1 < order.length && scores[order[at + 1]] === scores[i]) return;
    const [x, y] = points.at(-1)!;
    const point: [number, number] = [alarms / negatives, hits / positives];
    auc += (point[0] - x) * (point[1] + y) / 2;
    points.push(point);
  });
  return { points, auc };
}
