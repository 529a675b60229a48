/** One run of a sweep, as a process of its own: what fails there, or is killed, costs that run only. */
import { TextLineStream } from "../lines.ts";
import type { RunReport } from "../report.ts";

/** What the process of a run prints at its end. */
export interface ChildReport extends RunReport {
  /** The run's id, if it is listed. */
  readonly run?: string;
  /** Why it could not even begin. */
  readonly error?: string;
}

/** Set for the process of a run; see `untilParentEnds`. */
export const ATTACHED = "RUNNER_ATTACHED";

export interface Child {
  /** Its report, or undefined if it died before it had one. */
  readonly ended: Promise<ChildReport | undefined>;
  /** Asks it to stop after the step at hand. */
  stop(): Promise<void>;
  kill(): void;
}

/**
 * Starts a run.
 * @param args of deno
 * @param onLine told each line that is for people
 */
export function startChild(
  args: readonly string[],
  { cwd, user, cores, onLine }: {
    cwd: string;
    user: string;
    /** Its share of the machine. */
    cores: number;
    onLine(line: string): void;
  },
): Child {
  const process = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { INIT_CWD: user, [ATTACHED]: "1", NO_COLOR: "1", CORES: String(cores) },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const read = async () => {
    for await (const line of process.stderr.pipeThrough(new TextLineStream())) onLine(line);
  };
  const ended = async () => {
    const [text] = await Promise.all([new Response(process.stdout).text(), read()]);
    await process.status;
    await process.stdin.close().catch(() => {});
    try {
      return JSON.parse(text) as ChildReport;
    } catch {
      return undefined;
    }
  };
  return {
    ended: ended(),
    stop: () => process.stdin.close().catch(() => {}),
    kill: () => {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has just ended by itself.
      }
    },
  };
}

/**
 * In the process of a run: aborts when the sweep's process closes this one's standard input, which
 * it also does by dying. Ctrl-C is the sweep's business, though a terminal sends it to both.
 */
export function untilParentEnds(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  const listen = async () => {
    try {
      for await (const _ of Deno.stdin.readable);
    } finally {
      controller.abort(new Error("interrupted"));
    }
  };
  listen().catch(() => {});
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", ignore),
  };
}
