/** Several pieces of work at once, their results in order and no more of them in memory than that. */

/**
 * Starts `work` on up to `parallel` items at a time and yields the results in the items' order. The
 * first error ends it; what is still under way is left to finish, its results and errors dropped.
 */
export async function* inOrder<T, R>(
  items: Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const running: Promise<R>[] = [];
  for (const item of items) {
    const started = work(item);
    started.catch(() => {}); // told below, when its turn comes
    running.push(started);
    if (running.length >= parallel) yield await running.shift()!;
  }
  for (const last of running) yield await last;
}
