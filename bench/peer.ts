/**
 * A peer is a program that trains the same networks: it reads one order a line, as JSON, and
 * answers each with one line. All peers stay open for the whole run and take turns, so that what
 * else the machine does meets them alike.
 */
import { TextLineStream } from "./lines.ts";

export type NetworkName = "gender" | "age";

/** What a peer is told. Times in the answers are milliseconds. */
export type Order =
  /** Makes the network and a batch, and takes a few steps to warm up. → {} */
  | { op: "prepare"; network: NetworkName; batch: number }
  /** Takes steps, each timed. → { ms: number[] } */
  | { op: "steps"; network: NetworkName; batch: number; count: number }
  /** Fits, validation and all. → { ms } */
  | { op: "fit"; network: NetworkName; batch: number; rows: number; epochs: number }
  /** Predicts. → { ms } */
  | { op: "infer"; network: NetworkName; rows: number }
  /** → { bytes: the most memory that the process ever held, or null } */
  | { op: "memory" };

export interface Answer {
  ms?: number | number[];
  bytes?: number | null;
  error?: string;
}

export class Peer {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  constructor(readonly name: string, command: string, args: string[]) {
    this.#process = new Deno.Command(command, {
      ...{ args, stdin: "piped", stdout: "piped", stderr: "null" },
      env: { TF_CPP_MIN_LOG_LEVEL: "3", CUDA_VISIBLE_DEVICES: "" },
    }).spawn();
    this.#lines = this.#process.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())
      .getReader();
    this.#writer = this.#process.stdin.getWriter();
  }

  async ask(order: Order): Promise<Answer> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
    for (;;) {
      const { value, done } = await this.#lines.read();
      if (done) throw new Error(`Cannot go on: ${this.name} ended at ${JSON.stringify(order)}`);
      if (!value.startsWith("{")) continue; // something that a library printed
      const answer = JSON.parse(value) as Answer;
      if (answer.error) throw new Error(`${this.name}: ${answer.error}`);
      return answer;
    }
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#process.status;
  }
}
