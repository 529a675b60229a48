/** Hands parts of a stage's work to workers on other machines, and waits for all of them. */
import { join, relative, sep } from "node:path";
import type { DonePart, Part, Progress } from "../runner/stage.ts";
import { BrokerLost, type Link, openLink, tellPlace } from "./link.ts";
import { type Code, type PartData, type PartResult, resultSchema } from "./part.ts";
import type { CoordinatorAsks, Look, PartState, RedisPlace } from "./protocol.ts";

/** What the parts are parts of. */
export interface Work {
  readonly redis: RedisPlace;
  readonly prefix: string;
  readonly use: string;
  readonly code: Code;
  readonly compute?: string;
  /** Input → its folder. All folders lie in `artifacts`, which the machines share. */
  readonly inputs: Readonly<Record<string, string>>;
  readonly scratch: string;
  readonly artifacts: string;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  info(message: string): void;
  warn(message: string): void;
}

/** How often it looks at the parts, in ms. */
const INTERVAL = 300;
/** How long it may take to withdraw what is not done, in ms. */
const LEAVING = 3000;
/** After this many ms without an answer it says what it waits for. */
const PATIENCE = 5000;

/** Has the parts done; each is told when it is, in any order, and exactly once. */
export async function* distribute(work: Work, parts: readonly Part[]): AsyncGenerator<DonePart> {
  const { signal, artifacts } = work;
  const run = crypto.randomUUID();
  // Each attempt at a part writes in a folder of its own below this one.
  const folder = join(work.scratch, "parts");
  await Deno.mkdir(folder, { recursive: true });
  const shared = (path: string) => relative(artifacts, path).split(sep).join("/");
  const about: Omit<PartData, "data"> = {
    version: 1,
    run,
    use: work.use,
    code: work.code,
    ...(work.compute === undefined ? {} : { compute: work.compute }),
    folder: shared(folder),
    inputs: Object.fromEntries(Object.entries(work.inputs).map(([key, at]) => [key, shared(at)])),
  };
  const left = new Map(parts.map((part) => [`${run}-${part.key}`, part]));
  const bar = new Bar(work.progress);
  await using line = new Line(work, run, () => [...left.keys()]);
  const add = (ids: readonly string[]) =>
    line.ask({ add: ids.map((id) => ({ id, data: { ...about, data: left.get(id)!.data } })) });
  await add([...left.keys()]);
  let alone = false;
  while (left.size > 0) {
    const { parts: states, workers, refused } = await line.ask<Look>({ look: [...left.keys()] });
    for (const [name, why] of Object.entries(refused)) {
      work.warn(`worker ${name} is refused: ${why}`);
    }
    if (workers === 0 && !alone) {
      work.info(
        `no worker is connected to ${tellPlace(work.redis)}; waiting for one: deno task worker ` +
          `--redis ${tellPlace(work.redis)} --artifacts FOLDER, on each machine`,
      );
    }
    alone = workers === 0;
    const again: string[] = [];
    const over: string[] = [];
    for (const state of states) {
      const part = left.get(state.id)!;
      // A server that was started anew has forgotten; a result of null was dropped by its worker.
      if (state.state === "gone") again.push(state.id);
      else if (state.state === "done" && state.result === null) {
        again.push(state.id);
        over.push(state.id);
      } else if (state.state === "failed") throw failed(part, state.reason);
      else if (state.state === "done") {
        left.delete(state.id);
        over.push(state.id);
        const { result, at } = collected(state.result, folder, artifacts);
        bar.finish(part.items);
        yield { key: part.key, folder: at, result: result.result };
        await Deno.remove(at, { recursive: true });
      }
    }
    bar.show(states);
    if (over.length > 0) await line.ask({ remove: over });
    if (again.length > 0) await add(again);
    if (left.size > 0) await pause(INTERVAL, signal);
  }
}

function failed(part: Part, reason: string): Error {
  return new Error(`Cannot finish part ${part.key}: ${reason}`);
}

/** Checks what a worker says: that its files lie where its files may lie. */
function collected(
  value: unknown,
  folder: string,
  artifacts: string,
): { result: PartResult; at: string } {
  const { success, data, error } = resultSchema.safeParse(value);
  if (!success) throw new Error(`Cannot use what a worker sent: ${error.issues[0].message}.`);
  const at = join(artifacts, data.folder);
  if (!at.startsWith(folder + sep)) {
    throw new Error(`Cannot use what a worker sent: "${data.folder}" is not a part's folder.`);
  }
  return { result: data, at };
}

/** The progress of all workers as one. */
class Bar {
  #finished = 0;
  #shown = 0;

  constructor(readonly progress: Progress) {}

  finish(items: number): void {
    this.#finished += items;
  }

  show(states: readonly PartState[]): void {
    const active = states.filter(({ state }) => state === "active");
    const under = states.reduce(
      (sum, state) => sum + (state.state === "active" ? state.progress : 0),
      0,
    );
    // What a lost worker had done is done again; the bar waits meanwhile.
    const now = Math.max(this.#shown, this.#finished + under);
    const note = `${active.length} ${active.length === 1 ? "part" : "parts"} under way`;
    this.progress.advance(now - this.#shown, active.length > 0 ? note : "");
    this.#shown = now;
  }
}

/** The line to the broker, opened anew when that dies, and closed at once when the run is. */
class Line implements AsyncDisposable {
  readonly #work: Work;
  readonly #run: string;
  #link: Promise<Link<CoordinatorAsks>> | undefined;

  /** @param left ids of parts that nobody wants any more when it closes */
  constructor(work: Work, run: string, readonly left: () => readonly string[]) {
    this.#work = work;
    this.#run = run;
  }

  async ask<Answer>(asks: CoordinatorAsks): Promise<Answer> {
    const { redis, prefix, signal, info } = this.#work;
    const place = tellPlace(redis);
    for (let opened = this.#link !== undefined;;) {
      signal.throwIfAborted();
      const waits = setTimeout(() => info(`${place} does not answer; waiting for it`), PATIENCE);
      try {
        this.#link ??= openLink({ role: "coordinator", redis, prefix, run: this.#run });
        const link = await orAborted(this.#link, signal);
        opened = true;
        return await orAborted(link.ask<Answer>(asks), signal);
      } catch (error) {
        signal.throwIfAborted();
        // At first Redis has to be there; later it is waited for.
        if (!(error instanceof BrokerLost) && !opened) throw error;
        this.#link = undefined;
        await pause(1000, signal);
      } finally {
        clearTimeout(waits);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = this.left();
    const leave = async () => {
      const link = await this.#link;
      if (left.length > 0) await link?.ask({ remove: left });
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const enough = new Promise<void>((resolve) => timer = setTimeout(resolve, LEAVING));
    // Without a server there is nothing to take leave of.
    await Promise.race([leave().catch(() => {}), enough]);
    clearTimeout(timer);
    await this.#link?.then((link) => link[Symbol.asyncDispose](), () => {});
  }
}

/** A promise's value, unless the signal aborts before. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await orAborted(new Promise<void>((resolve) => timer = setTimeout(resolve, ms)), signal);
  } finally {
    clearTimeout(timer);
  }
}
