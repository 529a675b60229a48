/** What the project's process says to its broker, which alone talks to Redis, and what it hears. */

/** Address of Redis. */
export interface RedisPlace {
  /** redis://host:6379, or rediss:// for TLS; a user and a password may stand in it. */
  readonly url: string;
  /** A certificate (PEM) of the authority that signed the server's, if the system does not know it. */
  readonly ca?: string;
}

/** First words. */
export type BrokerOpening =
  & { readonly redis: RedisPlace; readonly prefix: string }
  & (
    | { readonly role: "coordinator"; readonly run: string }
    /** `lock`: ms after which a worker that is not heard of has lost its job. */
    | { readonly role: "worker"; readonly name: string; readonly lock: number }
  );

/** A job that is handed out. */
export interface Job {
  readonly id: string;
  readonly data: unknown;
  /** Jobs without are taken first, then those of 1, and so on. */
  readonly priority?: number;
}

/** Requests of a coordinator. */
export type CoordinatorAsks =
  | { readonly add: readonly Job[] }
  /** How jobs are, and that the run is alive. */
  | { readonly look: readonly string[] }
  /** Takes jobs out of the queue, whose results are in. */
  | { readonly remove: readonly string[] }
  /** The run is over: nobody wants these any more. */
  | { readonly leave: readonly string[] };

/** Progress of a worker with its job. */
export interface JobProgress {
  readonly items: number;
  /** What it is at. */
  readonly note: string;
  readonly worker: string;
}

/** State of a job. */
export type JobState =
  | { readonly id: string; readonly state: "gone" | "waiting" }
  | { readonly id: string; readonly state: "active"; readonly standing?: JobProgress }
  | { readonly id: string; readonly state: "done"; readonly result: unknown }
  | { readonly id: string; readonly state: "failed"; readonly reason: string };

export interface JobsSnapshot {
  readonly jobs: readonly JobState[];
  readonly workers: number;
  /** Workers that refused a job since the last look, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

/** What a worker asks. It has to ask something before its lock runs out, or its broker ends. */
export type WorkerAsks =
  /** The next job, or null if none comes within a moment. */
  | { readonly take: true }
  /** Whether the job is still this worker's, and wanted. */
  | { readonly hold: JobProgress }
  | { readonly done: unknown }
  | { readonly fail: string }
  /** Puts the job in hand back for another worker; why this one does not do it. */
  | { readonly refuse: string }
  /** Takes no more, and puts the job in hand back. */
  | { readonly giveBack: true };

/** A job as a worker takes it; its data is to be validated. */
export interface ClaimedJob {
  readonly id: string;
  readonly data: unknown;
}

export interface LeaseStatus {
  readonly ours: boolean;
  readonly why?: string;
}
