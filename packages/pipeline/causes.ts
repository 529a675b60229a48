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

/** Number of names that `joinWords` shows. */
const MAX_NAMES = 30;

/** Returns "a, b and c"; of very many names the first and the number of the others. */
export function joinWords(names: readonly string[], last = "and"): string {
  if (names.length > MAX_NAMES) {
    return `${names.slice(0, MAX_NAMES).join(", ")} ${last} ${names.length - MAX_NAMES} more`;
  }
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;
}

/** Returns a line for each caution about runs' scores, with the runs that it is about. */
export function cautionLines(
  runs: readonly { readonly id: string; readonly cautions?: readonly string[] }[],
): string[] {
  const cautions = new Set(runs.flatMap(({ cautions = [] }) => cautions));
  return [...cautions].map((caution) => {
    const [ids, others] = [true, false].map((has) =>
      runs.filter(({ cautions = [] }) => cautions.includes(caution) === has).map(({ id }) => id)
    );
    const which = others.length === 0
      ? "All of these runs"
      : 2 * others.length < ids.length
      ? `All but ${joinWords(others)}`
      : joinWords(ids);
    return `${which}: ${caution}`;
  });
}
