/** A run of a sweep as a process of its own: a failure or crash ends only that run. */
import { killProcess, outputOf } from "@reproducible/workers/child";
import { onStopSignal } from "@reproducible/workers/stop_signals";
import { Interrupted } from "../errors.ts";
import { TextLineStream } from "../text_line_stream.ts";
import { INTERRUPTED, type RunReport } from "../run/run_report.ts";

/** Final output of a run's process. */
export interface ChildReport extends RunReport {
  /** The run's id, if it is listed. */
  readonly run?: string;
  /** Reason why it could not start, or crashed. */
  readonly error?: string;
}

/**
 * Environment variable of a run's process, which ends with its parent and whose standard input
 * describes the run; see `followParent`. "point": as `LocalRun`. "order": as `RemoteRunInit`.
 */
export const PARENT_ENV = "RUNNER_ATTACHED";

export interface Child {
  /** Its JSON output, or undefined if it crashed. */
  readonly ended: Promise<unknown>;
  readonly lastLines: readonly string[];
  /** Stops it after the current step. */
  stop(): Promise<void>;
  kill(): void;
}

export interface ChildOptions {
  readonly cwd: string;
  /** The user's folder. */
  readonly user: string;
  /** Cores that it may use; 0: all. Default: all. */
  readonly cores?: number;
  readonly kind: "point" | "order";
  /** First line of its standard input, as JSON. */
  readonly order: unknown;
  onLine(line: string): void;
}

/** Number of last lines of its log that are kept. */
const MAX_LINES = 3;

/** Starts a run. @param args Deno's arguments */
export function startChild(
  args: readonly string[],
  { cwd, user, cores, kind, order, onLine }: ChildOptions,
): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: {
      INIT_CWD: user,
      [PARENT_ENV]: kind,
      NO_COLOR: "1",
      ...(cores && { CORES: String(cores) }),
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = process.stdin.getWriter();
  const close = () => stdin.close().catch(() => {});
  const line = new TextEncoder().encode(JSON.stringify(order) + "\n");
  stdin.write(line).catch(() => {}); // a crash is reported by `ended`
  const lastLines: string[] = [];
  const [output, log] = [process.stdout, process.stderr].map((stream) =>
    ReadableStream.from(outputOf(stream, process.status))
  );
  const read = async () => {
    for await (const line of log.pipeThrough(new TextLineStream())) {
      lastLines.push(line);
      if (lastLines.length > MAX_LINES) lastLines.shift();
      onLine(line);
    }
  };
  const ended = async (): Promise<unknown> => {
    const [text] = await Promise.all([new Response(output).text(), read(), process.status]);
    await close();
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  };
  return { lastLines, ended: ended(), stop: close, kill: () => killProcess(process) };
}

/** Returns the report of a run that did not start or did not end. */
export function failedReport(pipeline: string, error: string): ChildReport {
  return { pipeline, ok: false, seconds: 0, stages: [], metrics: {}, error };
}

/** Returns the report of a run whose process crashed. */
export function crashReport(
  pipeline: string,
  { lastLines }: Pick<Child, "lastLines">,
  where = "",
): ChildReport {
  const output = lastLines.join(" / ") || "nothing";
  return failedReport(pipeline, `its process${where} crashed; last output: ${output}`);
}

/**
 * Parent's counterpart in the process of a run: aborts when the parent closes this process's standard
 * input, as it also does by crashing. Ignores Ctrl-C and SIGTERM, which the parent handles.
 */
export function followParent(): Disposable & {
  readonly signal: AbortSignal;
  /** The first line of standard input; rejects if there is none. */
  readonly order: Promise<string>;
} {
  const controller = new AbortController();
  const order = Promise.withResolvers<string>();
  Deno.env.delete(PARENT_ENV); // not for what it starts
  const listen = async () => {
    try {
      const lines = Deno.stdin.readable.pipeThrough(new TextLineStream());
      for await (const line of lines) order.resolve(line);
    } finally {
      controller.abort(new Interrupted(INTERRUPTED));
      order.reject(controller.signal.reason);
    }
  };
  listen().catch(() => {});
  const { signal } = controller;
  return Object.assign(onStopSignal(() => {}), { signal, order: order.promise });
}
