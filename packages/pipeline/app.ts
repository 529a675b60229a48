/** What the command line is about, and what each command is handed. The runner knows no stage. */
import type { Command, Values } from "./args.ts";
import type { Commands } from "./command.ts";
import type { LazyStage } from "./registry.ts";
import type { Reporter } from "./reporter.ts";
import type { BullmqSettings } from "./config/config.ts";
import type { ChildReport } from "./sweep/child_process.ts";
import type { RemoteRun } from "./sweep/remote_run.ts";
import type { RemoteRunsWork, RunContext } from "./run/run_context.ts";

/** What is heard of a run of a sweep on another machine; `index` is that of its order. */
export type RemoteRunEvent =
  & { readonly index: number }
  & (
    | { readonly begins: true }
    | { readonly says: string }
    /** Its paths count from the folder that the machines share. */
    | { readonly ended: ChildReport }
  );

export interface App {
  /** Folder of deno.json. */
  project: string;
  stages: readonly LazyStage[];
  resolveCompute: RunContext["resolveCompute"];
  connectWorkers?: RunContext["connectWorkers"];
  checkFile?: RunContext["checkFile"];
  /** Whether workers on other machines can be reached; throws if not. */
  checkWorkers?(settings: BullmqSettings): Promise<void>;
  /** Has runs of a sweep done by workers on other machines. */
  runRemotely?(
    settings: BullmqSettings,
    work: RemoteRunsWork,
    orders: readonly RemoteRun[],
  ): AsyncIterable<RemoteRunEvent>;
  /** Arguments of deno that start this very program in the project's folder, for a run of a sweep. */
  denoArgs(): Promise<readonly string[]>;
  /** Commands beside the runner's own. */
  commands?: Commands;
  /**
   * Returns the app's own part of docs/reference.md: sections as Markdown with headings of level 2,
   * and the help of tasks that are not commands of this command line.
   */
  reference?(): Promise<{ sections: string; commands: Readonly<Record<string, string>> }>;
}

export const EXIT = { ok: 0, failed: 1, config: 2, interrupted: 130 } as const;

/** A command of the command line. */
export interface CommandContext {
  readonly command: Command;
  readonly values: Values;
  /** Names of pipelines or runs; a command that takes one pipeline gets one. */
  readonly names: readonly string[];
  readonly program: App;
  readonly reporter: Reporter;
}

/** Does what it is called for and returns the exit code. */
export type CommandHandler = (call: CommandContext) => Promise<number>;
