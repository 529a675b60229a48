/** Cache of resources that a worker keeps open between units. */
export class ResourceCache {
  #key: string | undefined;
  #value: Promise<AsyncDisposable> | undefined;

  /** What was opened for the key before, or, when all else is closed, what `open` opens. */
  async getOrOpen<T extends AsyncDisposable>(key: string, open: () => Promise<T>): Promise<T> {
    if (key !== this.#key) await this.close();
    this.#key = key;
    // Whoever has the same key opened the same.
    return await (this.#value ??= open()) as T;
  }

  async close(): Promise<void> {
    const value = this.#value;
    this.#key = this.#value = undefined;
    // What could not be opened has been told by then.
    await (await value?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}
