/** Training and inference of the networks beside peers, in turns. */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { denoPeer, type NetworkName, NETWORKS, type Order, Peer } from "./peer.ts";
import { packages, parsePythons, pythonFor, type PythonPeer } from "./python.ts";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { machine, printReport, table, thousands, whole } from "./machine_table.ts";

const help = `deno task bench train [options]

Trains the report's networks, the best one, a residual and a mobile one, with this project's engine
and with its peers, in turns, and prints medians, after three seconds of warming up. The first time,
the peers' Python packages are installed in the user's cache folder.

  --peers LIST       of keras, torch, tfjs-node (keras); tfjs-node only where it is installed:
                     deno task compute install node
  --networks LIST    of ${NETWORKS.join(", ")} (all)
  --batches LIST     images in a step (16,64,256)
  --rounds N         how often each takes its turn (9)
  --turn MS          how long a turn takes; five steps at least (400)
  --only-steps       without whole fits, inference and memory
  --python PATH      a Python that has the peers' packages, or keras=PATH,torch=PATH
  --json             one JSON object on stdout, and the rest on stderr
`;

/** Peers by the name on the command line; in JSON they are `keras`, `torch`, `tfjsNode`. */
const known = ["keras", "torch", "tfjs-node"] as const;
type PeerName = typeof known[number];
type Name = "ours" | PeerName;

/** A number per peer; null for absent ones. */
type Times = { ours: number } & Record<"keras" | "torch" | "tfjsNode", number | null>;
type Compared = Times & { ratioToKeras: number | null };

/** Output of `--json`. */
export interface TrainReport {
  machine: ReturnType<typeof machine>;
  packages: Record<string, readonly string[]>;
  /** Selected peers that are not installed, with the reason. */
  absent: Partial<Record<PeerName, string>>;
  /** Milliseconds a step. */
  train: ({ network: NetworkName; batch: number } & Compared)[];
  /** Seconds for 3 epochs of 5,000 rows at batch 64, validation on 1,000 after each. */
  fit: ({ network: NetworkName; rows: number; epochs: number } & Compared)[];
  /** Seconds for the predictions of 10,000 faces. */
  infer: ({ network: NetworkName; rows: number } & Compared)[];
  /** Peak memory in bytes of a process with those fits and inferences. */
  memory: ({ network: NetworkName } & Compared)[];
}

const FIT = { batch: 64, rows: 5000, epochs: 3 } as const;
const INFER = { rows: 10_000 } as const;
/** Milliseconds between turns. */
const REST = 300;
/** Steps at the beginning of a turn that determine the number of timed steps. */
const WARM = 3;
/** Steps in a turn, at least. */
const LEAST = 5;

export async function bench(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      peers: { type: "string", default: "keras" },
      networks: { type: "string", default: NETWORKS.join() },
      batches: { type: "string", default: "16,64,256" },
      rounds: { type: "string", default: "9" },
      turn: { type: "string", default: "400" },
      "only-steps": { type: "boolean", default: false },
      python: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const networks = oneOf("networks", values.networks, NETWORKS);
  const wanted = oneOf("peers", values.peers, known);
  const batches = values.batches.split(",").map((text) => whole("batches", text));
  const rounds = whole("rounds", values.rounds), turn = whole("turn", values.turn);
  const say = (line: string) => console.error(line);

  const absent: TrainReport["absent"] = {};
  const openers = new Map<Name, () => Peer>([
    ["ours", () => denoPeer("ours", new URL("./peers/ours_peer.ts", import.meta.url))],
  ]);
  const pythons = parsePythons(values.python);
  for (const name of wanted) {
    try {
      openers.set(name, await opener(name, pythons));
    } catch (error) {
      // Keras is what the figure is about; without another peer there still is one.
      if (name === "keras") throw error;
      absent[name] = (error as Error).message;
      say(`${name} takes no part. ${absent[name]}`);
    }
  }
  const names = [...openers.keys()];
  const report: TrainReport = {
    machine: machine(),
    packages: Object.fromEntries(
      names.flatMap((name) => name in packages ? [[name, packages[name as PythonPeer]]] : []),
    ),
    ...{ absent, train: [], fit: [], infer: [], memory: [] },
  };
  let peers: Peer[] = [];
  const open = () => peers = Array.from(openers.values(), (opener) => opener());
  const close = async () => {
    for (const peer of peers) await peer.close();
    peers = [];
  };
  const each = async (order: Order) => {
    const answers: Record<string, number[]> = {};
    for (const peer of peers) {
      // Threads of a peer that has just worked spin for a while: they would slow down the next one.
      await delay(REST);
      const { ms, bytes } = await peer.ask(
        order.op === "steps" ? { ...order, count: await stepsIn(turn, peer, order) } : order,
      );
      answers[peer.name] = [ms ?? bytes ?? []].flat();
    }
    return answers;
  };
  /** Collects one number of each at every call, and compares their medians. */
  const collect = async (times: Record<string, number[]>, order: Order, unit: number) => {
    const now = await each(order);
    for (const name of names) {
      if (now[name].length > 0) (times[name] ??= []).push(median(now[name]) / unit);
    }
  };

  try {
    open();
    for (const network of networks) {
      for (const batch of batches) {
        await each({ op: "prepare", network, batch });
        const times: Record<string, number[]> = {};
        for (let round = 0; round < rounds; round++) {
          await collect(times, { op: "steps", network, batch, count: WARM }, 1);
        }
        report.train.push({ network, batch, ...compare(times) });
        say(sentence(`${network}, batch ${batch}`, report.train.at(-1)!, "ms a step"));
      }
    }
    await close();
    for (const network of values["only-steps"] ? [] : networks) {
      open(); // anew, so that the memory is that of a training
      const fit: Record<string, number[]> = {}, infer: Record<string, number[]> = {};
      for (let round = 0; round < 3; round++) {
        await collect(fit, { op: "fit", network, ...FIT }, 1000);
        await collect(infer, { op: "infer", network, ...INFER }, 1000);
      }
      const memory: Record<string, number[]> = {};
      await collect(memory, { op: "memory" }, 1);
      await close();
      report.fit.push({ network, rows: FIT.rows, epochs: FIT.epochs, ...compare(fit) });
      report.infer.push({ network, rows: INFER.rows, ...compare(infer) });
      if (memory.ours) report.memory.push({ network, ...compare(memory) });
      say(sentence(`${network}, 3 epochs of 5,000`, report.fit.at(-1)!, "s"));
      say(sentence(`${network}, 10,000 predictions`, report.infer.at(-1)!, "s"));
    }
  } finally {
    await close();
  }
  printReport(toMarkdown(report), values.json, report);
}

/** Returns the number of steps in `turn` ms, estimated from the order's steps. */
async function stepsIn(turn: number, peer: Peer, order: Order & { op: "steps" }): Promise<number> {
  const { ms } = await peer.ask(order);
  return Math.max(LEAST, Math.round(turn / median([ms!].flat())));
}

/** Returns a function that starts a peer. @throws if it cannot be installed or started */
async function opener(
  name: PeerName,
  pythons: Partial<Record<PythonPeer, string>>,
): Promise<() => Peer> {
  if (name === "tfjs-node") {
    const open = () => denoPeer(name, new URL("./peers/tfjs_node_peer.ts", import.meta.url));
    await tried(open);
    return open;
  }
  const python = pythons[name] ?? await pythonFor(name);
  const script = new URL(`./peers/${name}_peer.py`, import.meta.url);
  const open = () => new Peer(name, python, [fileURLToPath(script)]);
  await tried(open);
  return open;
}

/** @throws the peer's error if it does not start */
async function tried(open: () => Peer): Promise<void> {
  const peer = open();
  try {
    await peer.ask({ op: "memory" });
  } finally {
    await peer.close();
  }
}

/** Medians, and ours as a share of Keras's. */
export function compare(times: Record<string, readonly number[]>): Compared {
  const of = (name: Name) => times[name] ? median(times[name]) : null;
  const ours = median(times.ours), keras = of("keras");
  return {
    ...{ ours, keras, torch: of("torch"), tfjsNode: of("tfjs-node") },
    ratioToKeras: keras === null ? null : ours / keras,
  };
}

function sentence(what: string, times: Compared, unit: string): string {
  return `${what}: ` +
    ([["ours", times.ours], ["Keras", times.keras], ["PyTorch", times.torch], [
      "tfjs-node",
      times.tfjsNode,
    ]] as const)
      .filter(([, time]) => time !== null)
      .map(([name, time]) => `${name} ${time!.toFixed(2)}`).join(", ") +
    ` ${unit}${times.ratioToKeras === null ? "" : `, ratio ${times.ratioToKeras.toFixed(2)}`}`;
}

/** The report's figures as a Markdown table; peers that were not selected have no column. */
export function toMarkdown({ train, fit, infer, memory, absent }: TrainReport): string {
  const all = [...train, ...fit, ...infer, ...memory];
  const columns = (
    [["ours", "ours"], ["keras", "Keras"], ["torch", "PyTorch"], ["tfjsNode", "tfjs-node"]] as const
  ).filter(([key]) =>
    all.some((row) => row[key] !== null) || (key === "torch" && absent.torch) ||
    (key === "tfjsNode" && absent["tfjs-node"])
  );
  const cells = (row: Compared, show: (value: number) => string) => [
    ...columns.map(([key]) => row[key] === null ? "–" : show(row[key])),
    row.ratioToKeras === null ? "–" : row.ratioToKeras.toFixed(2),
  ];
  const rows = [
    ...train.map((row) => [
      `${row.network}, batch ${row.batch}: a step`,
      ...cells(row, (ms) => `${ms.toFixed(1)} ms`),
      thousands(row.batch / row.ours * 1000),
    ]),
    ...fit.map((row) => [
      `${row.network}, ${row.epochs} epochs of ${thousands(row.rows)}`,
      ...cells(row, (s) => `${s.toFixed(2)} s`),
      thousands(row.rows * row.epochs / row.ours),
    ]),
    ...infer.map((row) => [
      `${row.network}, ${thousands(row.rows)} predictions`,
      ...cells(row, (s) => `${s.toFixed(2)} s`),
      thousands(row.rows / row.ours),
    ]),
    ...memory.map((row) => [
      `${row.network}, peak memory`,
      ...cells(row, (bytes) => `${thousands(bytes / 1e6)} MB`),
      "",
    ]),
  ];
  const titles = ["", ...columns.map(([, title]) => title), "ours / Keras", "ours, images/s"];
  const why = Object.entries(absent).map(([name, reason]) =>
    `\n\n${name}: ${reason.split("\n").slice(0, 2).join(" ")}`
  );
  return table(titles, rows) + why.join("");
}

function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T[] {
  return text.split(",").filter(Boolean).map((name) => {
    if (!allowed.includes(name as T)) {
      throw new Error(
        `Cannot read "--${option} ${text}": "${name}" is not one of ${allowed.join(", ")}.`,
      );
    }
    return name as T;
  });
}
