/** Suggestions for a name that is not known. */

/** Returns ` Did you mean "split"?`, or nothing when no known name is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  // Of a path, the last part may be meant.
  const texts = known.flatMap((k) => [[k, k], [k.replace(/^.*\//, ""), k]] as const);
  const distances = texts.map(([text]) => distance(name.toLowerCase(), text.toLowerCase()));
  const away = Math.min(...distances), [near, meant] = texts[distances.indexOf(away)]!;
  // "drop" is far from "dropout" in letters, and still likely.
  const longer = known.filter((k) => k.toLowerCase().startsWith(name.toLowerCase()));
  if (name.length > 2 && longer.length === 1) return ` Did you mean "${longer[0]}"?`;
  // "tset" is near "test"; "q" is near nothing, though one change makes it "a".
  const limit = Math.min(
    Math.max(2, Math.floor(near.length / 3)),
    near.length - 1,
    name.length - 1,
  );
  return away <= limit ? ` Did you mean "${meant}"?` : "";
}

/** Levenshtein distance: insertions, deletions and substitutions from one text to the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
