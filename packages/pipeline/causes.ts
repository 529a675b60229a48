/** Wording that all rooms share. Results do not depend on it. */

/** "1 epoch", "2,000 epochs". */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** Why some of many items are lost. */
export interface Cause {
  readonly count: number;
  readonly cause: string;
  readonly wayOut: string;
}

/** Returns "N of TOTAL: cause - way out" for each cause that occurred, the most frequent first. */
export function causeLines(total: number, causes: readonly Cause[]): string {
  const number = (n: number) => n.toLocaleString("en");
  return causes.filter(({ count }) => count > 0).toSorted((a, b) => b.count - a.count)
    .map(({ count, cause, wayOut }) =>
      `\n  ${number(count)} of ${number(total)}: ${cause} - ${wayOut}`
    ).join("");
}
