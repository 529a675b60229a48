/** Messages between a process and its broker, the only process that connects to Redis. */

export interface RedisAddress {
  /** redis://host:6379, or rediss:// for TLS; may contain user and password. */
  readonly url: string;
  /** Certificate (PEM) of the authority that signed the server's. Default: those of the system. */
  readonly ca?: string;
}

export type BrokerInit =
  & { readonly redis: RedisAddress; readonly prefix: string }
  & (
    | { readonly role: "coordinator"; readonly run: string }
    /** `lock`: ms without a request after which the worker's job is released. */
    | { readonly role: "worker"; readonly name: string; readonly lock: number }
  );

export interface Job {
  readonly id: string;
  readonly data: unknown;
  /** Jobs without a priority run first, then those of 1, and so on. */
  readonly priority?: number;
}

export type CoordinatorRequest =
  | { readonly add: readonly Job[] }
  /** Returns a `JobsSnapshot` and renews the run's heartbeat. */
  | { readonly look: readonly string[] }
  /** Removes jobs whose results have arrived; `leave` ends the run, whose remaining jobs these are. */
  | { readonly remove: readonly string[]; readonly leave?: true };

/** Progress of a worker with its job. */
export interface JobProgress {
  readonly items: number;
  /** Current step. */
  readonly note: string;
  readonly worker: string;
}

export type JobState =
  | { readonly id: string; readonly state: "gone" }
  | { readonly id: string; readonly state: "waiting" }
  | { readonly id: string; readonly state: "active"; readonly standing?: JobProgress }
  | { readonly id: string; readonly state: "done"; readonly result: unknown }
  | { readonly id: string; readonly state: "failed"; readonly reason: string };

export interface JobsSnapshot {
  readonly jobs: readonly JobState[];
  readonly workers: number;
  /** Workers that refused a job since the last snapshot, with the reason. */
  readonly refused: Readonly<Record<string, string>>;
}

/** Requests of a worker. Its broker exits when none arrives within the lock's duration. */
export type WorkerRequest =
  /** Returns the next job as `ClaimedJob`, or null if none arrives within half a second. */
  | { readonly take: true }
  /** Renews the lease; returns a `LeaseStatus`. */
  | { readonly hold: JobProgress }
  | { readonly done: unknown }
  | { readonly fail: string }
  /** Releases the job to other workers, with the reason. */
  | { readonly refuse: string }
  /** Releases the job and takes no further ones. */
  | { readonly giveBack: true };

/** A job as a worker takes it; its data is not validated yet. */
export type ClaimedJob = Pick<Job, "id" | "data">;

/** State of a worker's lease on its job. */
export interface LeaseStatus {
  readonly ours: boolean;
  /** Reason of the loss. */
  readonly why?: string;
}
