/** Several pieces of work at once, their results in order and no more of them in memory than that. */

/**
 * Starts `work` on up to `parallel` items at a time and yields the results in the items' order. The
 * first error ends it. When it ends early, it waits for what is still under way, whose results and
 * errors are dropped: native code must not be at work on what its caller is about to let go.
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
      started.catch(() => {}); // told below, when its turn comes
      running.push(started);
      if (running.length >= parallel) yield await running.shift()!;
    }
    while (running.length > 0) yield await running.shift()!;
  } finally {
    await Promise.allSettled(running);
  }
}
