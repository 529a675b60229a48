/** Training and inference of the report's networks: ours beside Keras, taking turns. */
import { parseArgs } from "node:util";
import { type NetworkName, Peer } from "./peer.ts";
import { packages, pythonFor } from "./python.ts";

const help = `deno task bench train [options]

Trains the report's networks with this project's engine and with Keras on TensorFlow, in turns, and
prints the medians. The first time, Keras is installed in the user's cache folder.

  --networks LIST   of gender, age (both)
  --batches LIST    images in a step (16,64,256)
  --rounds N        how often each takes its turn (7)
  --steps N         steps in a turn (10)
  --only-steps      without whole fits and inference
  --python PATH     a Python that has ${packages.keras.join(" and ")}
  --json            one JSON object on stdout
`;

interface Row {
  network: NetworkName;
  batch: number;
  /** Milliseconds a step. */
  ours: number;
  keras: number;
  ratioToKeras: number;
}

interface Whole {
  network: NetworkName;
  /** Seconds for 3 epochs of 5,000 rows at batch 64, and validation on 1,000. */
  fit: Record<string, number>;
  /** Seconds for the predictions of 10,000 faces. */
  infer: Record<string, number>;
}

export async function bench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      networks: { type: "string", default: "gender,age" },
      batches: { type: "string", default: "16,64,256" },
      rounds: { type: "string", default: "7" },
      steps: { type: "string", default: "10" },
      "only-steps": { type: "boolean", default: false },
      python: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const networks = values.networks.split(",") as NetworkName[];
  const batches = values.batches.split(",").map(Number);
  const rounds = Number(values.rounds), count = Number(values.steps);
  const here = (file: string) => new URL(file, import.meta.url);
  const python = values.python ?? await pythonFor("keras");
  const peers = [
    new Peer("ours", Deno.execPath(), [
      ...["run", "--quiet", "--no-prompt", "--allow-read", "--allow-write", "--allow-env"],
      ...["--allow-sys", "--allow-ffi", here("./peers/ours.ts").href],
    ]),
    new Peer("keras", python, [here("./peers/keras_peer.py").pathname]),
  ];
  const say = (line: string) => console.error(line);
  const each = async (order: Parameters<Peer["ask"]>[0]) => {
    const answers: Record<string, number[]> = {};
    for (const peer of peers) {
      answers[peer.name] = [await peer.ask(order)].flatMap((a) => a.ms ?? []);
    }
    return answers;
  };

  const train: Row[] = [];
  for (const network of networks) {
    for (const batch of batches) {
      await each({ op: "prepare", network, batch });
      const times: Record<string, number[]> = { ours: [], keras: [] };
      for (let round = 0; round < rounds; round++) {
        const now = await each({ op: "steps", network, batch, count });
        for (const { name } of peers) times[name].push(median(now[name]));
      }
      const ours = median(times.ours), keras = median(times.keras);
      train.push({ network, batch, ours, keras, ratioToKeras: ours / keras });
      say(
        `${network.padEnd(7)} batch ${String(batch).padStart(3)}: ours ${ms(ours)} a step ` +
          `(${Math.round(batch / ours * 1000).toLocaleString("en")} images/s), ` +
          `Keras ${ms(keras)}, ratio ${(ours / keras).toFixed(2)}`,
      );
    }
  }
  const whole: Whole[] = [];
  if (!values["only-steps"]) {
    for (const network of networks) {
      const fit: Record<string, number[]> = { ours: [], keras: [] };
      const infer: Record<string, number[]> = { ours: [], keras: [] };
      for (let round = 0; round < 3; round++) {
        const fits = await each({ op: "fit", network, batch: 64, rows: 5000, epochs: 3 });
        const inferred = await each({ op: "infer", network, rows: 10_000 });
        for (const { name } of peers) {
          fit[name].push(fits[name][0] / 1000);
          infer[name].push(inferred[name][0] / 1000);
        }
      }
      whole.push({ network, fit: medians(fit), infer: medians(infer) });
      for (
        const [what, times] of [["3 epochs of 5,000", fit], ["10,000 predictions", infer]] as const
      ) {
        const [ours, keras] = [median(times.ours), median(times.keras)];
        say(
          `${network.padEnd(7)} ${what}: ours ${ours.toFixed(2)} s, Keras ${keras.toFixed(2)} s, ` +
            `ratio ${(ours / keras).toFixed(2)}`,
        );
      }
    }
  }
  const memory: Record<string, number | null> = {};
  for (const peer of peers) {
    memory[peer.name] = (await peer.ask({ op: "memory" })).bytes ?? null;
    if (memory[peer.name]) say(`${peer.name}: peak memory ${(memory[peer.name]! / 1e6) | 0} MB`);
    await peer.close();
  }
  if (values.json) {
    const machine = {
      cores: navigator.hardwareConcurrency,
      os: Deno.build.os,
      arch: Deno.build.arch,
    };
    console.log(
      JSON.stringify({ machine, packages: packages.keras, train, whole, memory }, null, 2),
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function medians(times: Record<string, number[]>): Record<string, number> {
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}
