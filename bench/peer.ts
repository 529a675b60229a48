/**
 * A peer is a program that trains the same networks: it reads one order a line, as JSON, and
 * answers each with one line. All peers stay open together and take turns, so that what else the
 * machine does meets them alike.
 */
import { TextLineStream } from "../packages/pipeline/text_line_stream.ts";

/** The report's networks. */
export type ReportNetwork = "gender" | "age";
/** Those, the best network, which has a head for each task, and the other built-in ones for gender. */
export const NETWORKS = ["gender", "age", "best", "residual", "mobile"] as const;
export type NetworkName = typeof NETWORKS[number];

/** Milliseconds: runtimes that compile while they run, as V8 does, need as long. */
export const WARM_UP = 3000;

/** Orders to a peer. Times in the answers are milliseconds. */
export type Order =
  /** Makes the network and a batch, and takes steps for `WARM_UP` milliseconds. → {} */
  | { op: "prepare"; network: NetworkName; batch: number }
  /** Takes steps, each timed. → { ms: number[] } */
  | { op: "steps"; network: NetworkName; batch: number; count: number }
  /** Fits, validation and all. → { ms } */
  | { op: "fit"; network: NetworkName; batch: number; rows: number; epochs: number }
  /** Predicts. → { ms } */
  | { op: "infer"; network: NetworkName; rows: number }
  /** Only in the bench of scale: one epoch on the first rows of a file. → { ms: number[] } */
  | { op: "epoch"; network: ReportNetwork; batch: number; rows: number; file: string }
  /** → { bytes: peak memory of the process, or null } */
  | { op: "memory" };

/** Order to a detector: find faces in a file of RGB bytes. → { ms, faces } */
export interface DetectOrder {
  op: "detect";
  file: string;
  width: number;
  height: number;
}

/** Order to train a network on a dataset. → { ms: of each epoch, metric, weights } */
export interface LearnOrder {
  op: "learn";
  network: ReportNetwork;
  seed: number;
  /** Paths of .npy files: images, a label for each, and the rows that are for what. */
  images: string;
  labels: string;
  rows: Record<"train" | "validation" | "test", string>;
  batchSize: number;
  epochs: number;
  /** Patience of early stopping on val_loss, which restores the best weights. */
  patience: number;
  batchNormMomentum: number;
}

export interface Answer {
  ms?: number | number[];
  /** On the test rows: accuracy, or mean absolute error. */
  metric?: number;
  /** Weights of the network, counted one by one. */
  weights?: number;
  bytes?: number | null;
  /** x, y, width, height and score of each. */
  faces?: number[][];
  error?: string;
}

/** Number of characters of stderr that are kept. */
const LAST_WORDS = 2000;

export class Peer {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #heard: Promise<void>;
  #stderr = "";

  constructor(readonly name: string, command: string, args: string[]) {
    this.#process = new Deno.Command(command, {
      ...{ args, stdin: "piped", stdout: "piped", stderr: "piped" },
      env: { TF_CPP_MIN_LOG_LEVEL: "3", CUDA_VISIBLE_DEVICES: "" },
    }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextLineStream()).getReader();
    this.#writer = this.#process.stdin.getWriter();
    this.#heard = this.#listen();
  }

  /** @throws if the peer ends, with its last output, or answers with an error */
  async ask(order: Order | DetectOrder | LearnOrder): Promise<Answer> {
    const line = new TextEncoder().encode(`${JSON.stringify(order)}\n`);
    await this.#writer.write(line).catch(() => {}); // it ended, which the next read reports
    for (;;) {
      const { value, done } = await this.#lines.read();
      if (done) {
        await this.#heard;
        throw new Error(
          `Cannot measure ${this.name}: it ended at ${JSON.stringify(order)}. Its last output:\n` +
            (this.#stderr.trim() || "(none)"),
        );
      }
      if (!value.startsWith("{")) continue; // something that a library printed
      const answer = JSON.parse(value) as Answer;
      if (answer.error) throw new Error(`Cannot measure ${this.name}: ${answer.error}`);
      return answer;
    }
  }

  async close(): Promise<void> {
    await this.#writer.close().catch(() => {}); // it ended by itself
    await this.#lines.cancel();
    await this.#process.status;
    await this.#heard;
  }

  async #listen(): Promise<void> {
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
      this.#stderr = (this.#stderr + text).slice(-LAST_WORDS);
    }
  }
}

/** A Deno of the same version, for a peer written in TypeScript. */
export function denoPeer(name: string, script: URL, args: string[] = []): Peer {
  return new Peer(name, Deno.execPath(), [
    ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-write", "--allow-env"],
    ...["--allow-sys", "--allow-ffi", script.href, ...args],
  ]);
}

/** A peer's side: answers each order on standard input with one line, errors included. */
export async function servePeer<Order>(answer: (order: Order) => Promise<unknown>): Promise<void> {
  for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    const result = await answer(JSON.parse(line)).catch((error) => ({ error: String(error) }));
    console.log(JSON.stringify(result));
  }
}
