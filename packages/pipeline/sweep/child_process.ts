/** One run of a sweep, as a process of its own: what fails there, or is killed, costs that run only. */
import { TextLineStream } from "../text_line_stream.ts";
import type { RunReport } from "../run/run_report.ts";

/** Final output of a run's process. */
export interface ChildReport extends RunReport {
  /** The run's id, if it is listed. */
  readonly run?: string;
  /** Why it could not even begin. */
  readonly error?: string;
}

/**
 * Set for the process of a run, which ends with the process that started it; see `untilParentEnds`.
 * "point": the command line says which run it is. "order": the first line of standard input does.
 */
export const PARENT_ENV = "RUNNER_ATTACHED";

export interface Child {
  /** What it printed, or undefined if it died before it did. */
  readonly ended: Promise<unknown>;
  /** The last lines that it said. */
  readonly tail: readonly string[];
  /** Asks it to stop after the step at hand. */
  stop(): Promise<void>;
  kill(): void;
}

export interface ChildOptions {
  readonly cwd: string;
  /** Where the person stands. */
  readonly user: string;
  /** Its share of the machine; all of it unless given. */
  readonly cores?: number;
  /** What it is to do, if the command line does not say it. */
  readonly order?: unknown;
  /** Told each line that is for people. */
  onLine(line: string): void;
}

/** Number of trailing output lines that are kept. */
const TAIL = 20;

/**
 * Starts a run.
 * @param args of deno
 */
export function startChild(
  args: readonly string[],
  { cwd, user, cores, order, onLine }: ChildOptions,
): Child {
  const attached = order === undefined ? "point" : "order";
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: {
      ...{ INIT_CWD: user, [PARENT_ENV]: attached, NO_COLOR: "1" },
      ...(cores === undefined ? {} : { CORES: String(cores) }),
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = process.stdin.getWriter();
  const close = () => stdin.close().catch(() => {});
  if (order !== undefined) {
    const line = new TextEncoder().encode(JSON.stringify(order) + "\n");
    stdin.write(line).catch(() => {}); // it has died, which its end tells
  }
  const tail: string[] = [];
  const read = async () => {
    for await (const line of process.stderr.pipeThrough(new TextLineStream())) {
      tail.push(line);
      if (tail.length > TAIL) tail.shift();
      onLine(line);
    }
  };
  const ended = async () => {
    const [text] = await Promise.all([new Response(process.stdout).text(), read()]);
    await process.status;
    await close();
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return undefined;
    }
  };
  return {
    tail,
    ended: ended(),
    stop: close,
    kill: () => {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    },
  };
}

/** Describes a process that ended without an answer. */
export function crashReport(
  pipeline: string,
  { tail }: Pick<Child, "tail">,
  where = "",
): ChildReport {
  const error = `its process${where} died; the last that it said: ${
    tail.slice(-3).join(" / ") || "nothing"
  }`;
  return { pipeline, ok: false, seconds: 0, stages: [], metrics: {}, error };
}

/**
 * In the process of a run: aborts when the process that started it closes this one's standard input,
 * which it also does by dying. Ctrl-C and SIGTERM are that one's business, though a terminal or a
 * service manager sends them to both.
 */
export function followParent(): Disposable & {
  readonly signal: AbortSignal;
  /** The first line of standard input; rejects if none came. */
  readonly order: Promise<string>;
} {
  const controller = new AbortController();
  const order = Promise.withResolvers<string>();
  order.promise.catch(() => {}); // not everybody is told something
  const ignore = () => {};
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, ignore);
  const listen = async () => {
    try {
      const lines = Deno.stdin.readable.pipeThrough(new TextLineStream());
      for await (const line of lines) order.resolve(line);
    } finally {
      controller.abort(new Error("interrupted"));
      order.reject(controller.signal.reason);
    }
  };
  listen().catch(() => {});
  return {
    signal: controller.signal,
    order: order.promise,
    [Symbol.dispose]: () => signals.forEach((signal) => Deno.removeSignalListener(signal, ignore)),
  };
}
