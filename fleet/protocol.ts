/** What the project's process says to its broker, which alone talks to Redis, and what it hears. */

/** Where Redis is. */
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
    /** `lock`: ms after which a worker that is not heard of has lost its part. */
    | { readonly role: "worker"; readonly name: string; readonly lock: number }
  );

/** What a coordinator asks. */
export type CoordinatorAsks =
  | { readonly add: readonly { readonly id: string; readonly data: unknown }[] }
  /** How the parts are, and that the run is alive. */
  | { readonly look: readonly string[] }
  /** Takes parts out of the queue: their results are in, or nobody wants them any more. */
  | { readonly remove: readonly string[] };

/** How a part is. */
export type PartState =
  | { readonly id: string; readonly state: "gone" }
  | { readonly id: string; readonly state: "waiting" | "active"; readonly progress: number }
  | { readonly id: string; readonly state: "done"; readonly result: unknown }
  | { readonly id: string; readonly state: "failed"; readonly reason: string };

export interface Look {
  readonly parts: readonly PartState[];
  readonly workers: number;
  /** Workers that were turned away since the last look, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

/** What a worker asks. It has to ask something before its lock runs out, or its broker ends. */
export type WorkerAsks =
  /** The next part, or null if none comes within a moment. */
  | { readonly take: true }
  /** Whether the part is still this worker's, and wanted. */
  | { readonly hold: { readonly progress: number } }
  | { readonly done: unknown }
  | { readonly fail: string }
  /** Takes no more, and puts the part in hand back; `refusal` says why this worker does not do it. */
  | { readonly giveBack: { readonly refusal?: string } };

/** A part as a worker takes it; its data is to be validated. */
export interface Taken {
  readonly id: string;
  readonly data: unknown;
}

export interface Held {
  readonly ours: boolean;
  readonly why?: string;
}
