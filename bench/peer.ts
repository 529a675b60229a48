/**
 * A peer is a program that computes the same: it reads one order a line, as JSON, and answers each with
 * one line. All peers stay open together and take turns.
 */
import { join } from "node:path";
import { cacheFolder } from "../packages/compute/cache_folder.ts";
import { TextLineStream } from "../packages/pipeline/text_line_stream.ts";
import { DENO, outputOf } from "./harness.ts";

export type ReportNetwork = "gender" | "age";
/** Those, the best network, which has a head for each task, and the other built-in ones for gender. */
export const NETWORKS = ["gender", "age", "best", "residual", "mobile"] as const;
export type NetworkName = typeof NETWORKS[number];

/** Orders by name. Times in the answers are milliseconds. */
export interface Orders {
  /** Makes the network and a batch, and takes steps for some seconds. → {} */
  prepare: { network: NetworkName; batch: number };
  /** Takes steps, each timed. → { ms: number[] } */
  steps: { network: NetworkName; batch: number; count: number };
  /** Fits, validation and all. → { ms } */
  fit: { network: NetworkName; batch: number; rows: number; epochs: number };
  infer: { network: NetworkName; rows: number };
  /** Trains one epoch on the first rows of a file. → { ms: number[] } */
  epoch: { network: ReportNetwork; batch: number; rows: number; file: string };
  /** → { bytes: peak memory of the process } */
  memory: unknown;
  /** Finds faces in a file of RGB bytes. → { ms, faces } */
  detect: { file: string; width: number; height: number };
  /** Trains a network on a dataset. → { ms: of each epoch, metric, weights } */
  learn: {
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
  };
}

/** An order: its name, `op`, and the rest. */
export type Order = { [K in keyof Orders]: { op: K } & Orders[K] }[keyof Orders];

export interface Answer {
  ms?: number | number[];
  /** On the test rows: accuracy, or mean absolute error. */
  metric?: number;
  /** Weights of the network, counted one by one. */
  weights?: number;
  bytes?: number;
  /** x, y, width, height and score of each. */
  faces?: number[][];
  error?: string;
}

/** Number of characters of stderr that are kept. */
const LAST_WORDS = 2000;

export class Peer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #heard: Promise<void>;
  #stderr = "";

  constructor(readonly name: string, command: string, args: string[]) {
    this.#process = new Deno.Command(command, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { TF_CPP_MIN_LOG_LEVEL: "3", CUDA_VISIBLE_DEVICES: "" },
    }).spawn();
    this.#lines = this.#process.stdout.pipeThrough(new TextLineStream()).getReader();
    this.#writer = this.#process.stdin.getWriter();
    this.#heard = this.#listen();
  }

  /** @throws if the peer ends, with its last output, or answers with an error */
  async ask(order: Order): Promise<Answer> {
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

  async [Symbol.asyncDispose](): Promise<void> {
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

export const inPeers = (name: string) => join(import.meta.dirname!, "peers", name);

/** A Deno of the same version, for a peer written in TypeScript. */
export function denoPeer(name: string, script: string): Peer {
  return new Peer(name, Deno.execPath(), [...DENO, inPeers(script)]);
}

/** A peer's side: answers each order on standard input with one line, errors included. */
export async function servePeer(
  answers: { [K in keyof Orders]?: (order: Orders[K]) => Promise<Answer> },
): Promise<void> {
  for await (const line of Deno.stdin.readable.pipeThrough(new TextLineStream())) {
    const { op, ...order }: Order = JSON.parse(line);
    const answer = answers[op] as (order: unknown) => Promise<Answer>;
    console.log(JSON.stringify(await answer(order).catch((error) => ({ error: String(error) }))));
  }
}

/** TensorFlow's build for processors alone is published for these. */
const slim = Deno.build.arch === "x86_64" && Deno.build.os !== "darwin";

/** Python's packages by peer; exact versions, which reports name. */
export const packages = {
  keras: ["keras==3.15.1", `${slim ? "tensorflow-cpu" : "tensorflow"}==2.21.0`, "numpy==2.4.6"],
  torch: ["torch==2.15.0", "numpy==2.4.6"],
  scipy: ["scipy==1.17.1", "numpy==2.4.6"],
  cleanlab: ["cleanlab==2.9.0"],
  dlib: ["dlib-bin==20.0.1.post1", "numpy==2.4.6"],
} as const;

/**
 * Returns the path of a Python that has the peer's packages: `given`, or one in the user's cache folder,
 * which is made the first time.
 * @throws if there is no Python 3, or the packages cannot be installed
 */
export async function pythonFor(peer: keyof typeof packages, given: string | undefined) {
  if (given !== undefined) return given;
  const wanted = packages[peer], windows = Deno.build.os === "windows";
  const folder = join(cacheFolder(), "../faces-bench", wanted.join("+").replaceAll("==", "-"));
  const python = join(folder, windows ? "Scripts/python.exe" : "bin/python");
  const whole = join(folder, "whole"); // written last: without it the folder is made anew
  if (await Deno.stat(whole).then(() => true, () => false)) return python;
  console.error(`Installing ${wanted.join(", ")} in ${folder}, once ...`);
  try {
    await outputOf(windows ? "python" : "python3", ["-m", "venv", "--clear", folder]);
    await outputOf(python, ["-m", "pip", "install", "--quiet", ...wanted]);
  } catch (cause) {
    const wayOut = "It needs Python 3 with venv and the network; or name a Python with --python.";
    throw new Error(`Cannot set up the Python peer. ${(cause as Error).message} ${wayOut}`);
  }
  await Deno.writeTextFile(whole, "");
  return python;
}
