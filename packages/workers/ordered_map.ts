/**
 * Runs `work` on at most `parallel` items concurrently and yields the results in input order. The first
 * error ends it. It then waits for the running calls and drops their results and errors: native code
 * must not use memory that the caller is about to free.
 *
 * @example
 * ```ts
 * const square = (n: number) => Promise.resolve(n * n);
 * for await (const result of mapOrdered([1, 2, 3], 2, square)) console.log(result); // 1, 4, 9
 * ```
 */
export async function* mapOrdered<T, R>(
  items: Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  try {
    for (const item of items) {
      const started = work(item);
      started.catch(() => {}); // thrown below, in order
      running.push(started);
      if (running.length >= parallel) yield await running.shift()!;
    }
    while (running.length > 0) yield await running.shift()!;
  } finally {
    await Promise.allSettled(running);
  }
}
