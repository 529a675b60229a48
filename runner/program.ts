/** What the command line is about, and what each command is handed. The runner knows no stage. */
import type { Command, Values } from "./arguments.ts";
import type { Commands } from "./command.ts";
import type { StageSource } from "./registry.ts";
import type { Reporter } from "./reporter.ts";
import type { FleetSettings } from "./config.ts";
import type { ChildReport } from "./sweep/child.ts";
import type { Order } from "./sweep/order.ts";
import type { RunsWork, Workshop } from "./workshop.ts";

/** What is heard of a run of a sweep on another machine; `index` is that of its order. */
export type RunNews =
  & { readonly index: number }
  & (
    | { readonly begins: true }
    | { readonly says: string }
    /** Its paths count from the folder that the machines share. */
    | { readonly ended: ChildReport }
  );

export interface Program {
  /** Folder of deno.json. */
  project: string;
  stages: readonly StageSource[];
  resolveCompute: Workshop["resolveCompute"];
  openFleet?: Workshop["openFleet"];
  checkFile?: Workshop["checkFile"];
  /** Whether workers on other machines can be reached; throws if not. */
  reachFleet?(settings: FleetSettings): Promise<void>;
  /** Has runs of a sweep done by workers on other machines. */
  sendRuns?(
    settings: FleetSettings,
    work: RunsWork,
    orders: readonly Order[],
  ): AsyncIterable<RunNews>;
  /** Arguments of deno that start this very program in the project's folder, for a run of a sweep. */
  self(): Promise<readonly string[]>;
  /** Commands beside the runner's own. */
  commands?: Commands;
}

export const EXIT = { ok: 0, failed: 1, config: 2, interrupted: 130 } as const;

/** A command of the command line. */
export interface Call {
  readonly command: Command;
  readonly values: Values;
  /** Names of pipelines or runs; a command that takes one pipeline gets one. */
  readonly names: readonly string[];
  readonly program: Program;
  readonly reporter: Reporter;
}

/** Does what it is called for and returns the exit code. */
export type CommandMain = (call: Call) => Promise<number>;
