/** Commands beside the runner's own, which it knows only by their names. */
import type { Plan } from "./plan.ts";
import type { LazyStage } from "./registry.ts";
import type { Reporter } from "./reporter.ts";

/** What a command works with. */
export interface CommandTools {
  /** Folder of deno.json. */
  readonly project: string;
  /** Where the person stands: relative paths on the command line count from here. */
  readonly cwd: string;
  /** Writes to standard error: standard output is for the result. */
  readonly reporter: Reporter;
  /** Columns of standard output's terminal. */
  columns(): number;
  /** The stages that come with the program. */
  readonly stages: readonly LazyStage[];
  /** A pipeline by its name, such as `experiments/gender`. @throws {ConfigError} */
  openPlan(name: string): Promise<Plan>;
  /** Arguments of deno that start this very program in the project's folder. */
  denoArgs(): Promise<readonly string[]>;
  /**
   * The compute backend that is there.
   * @param measure whether `auto` may measure, which starts processes and writes; default: true
   */
  resolveCompute(
    wanted: Plan["compute"],
    measure?: boolean,
  ): Promise<{ backend: string; why: string }>;
}

export interface Command {
  readonly help: string;
  /** Does what the words after the command's name ask for, and returns the exit code. */
  run(args: string[], tools: CommandTools): Promise<number>;
}

/** Name → the module that has it as its default export. */
export type Commands = Readonly<Record<string, () => Promise<{ default: Command }>>>;
