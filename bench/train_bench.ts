/** Training and inference of the networks beside peers, in turns. */
import { setTimeout as delay } from "node:timers/promises";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { defineBench, megabytes, names, table, takeTurns, thousands } from "./harness.ts";
import { denoPeer, inPeers, NETWORKS, type Order, packages, Peer, pythonFor } from "./peer.ts";

const help = `deno task bench train [options]

Trains the 2021 networks, the deep one (best), a residual and a mobile one, with the engine and
with its peers, in turns, and prints medians, after three seconds of warm-up. The first time,
the peers' Python packages are installed in the user's cache folder; PyTorch has CUDA's libraries on
Linux, some gigabytes, unless --python names a lighter build.

  --peers LIST       of keras and torch (keras)
  --networks LIST    of ${NETWORKS.join(", ")} (all)
  --batches LIST     images in a step (16,64,256)
  --rounds N         how often each takes its turn (9)
  --turn MS          how long a turn takes; five steps at least (400)
  --only-steps       without whole trainings, predictions and memory
  --python PATH      a Python that has the peers' packages`;

const FIT = { batch: 64, rows: 5000, epochs: 3 } as const;
const INFER = { rows: 10_000 } as const;
/** Milliseconds between turns: threads of a peer spin for a while, which slows down the next one. */
const REST = 300;
/** Steps at the beginning of a turn that determine the number of timed steps, and the least of these. */
const WARM = 3, LEAST = 5;

/** Medians of what each peer took, and ours as a share of Keras's; null for absent peers. */
export type Compared = ReturnType<typeof compare>;

/** A measurement: of a step in ms, of all else in seconds, or of the peak memory in bytes. */
export type Row = { network: string; batch?: number; rows?: number; epochs?: number } & Compared;
export type TrainRows = Record<"train" | "fit" | "infer" | "memory", Row[]>;

const defaults = {
  peers: names(["keras", "torch"], ["keras"]),
  networks: names(NETWORKS),
  batches: [16, 64, 256],
  rounds: 9,
  turn: 400,
  "only-steps": false,
  python: undefined,
} as const;
export const bench = defineBench(help, defaults, async (values) => {
  const { networks, rounds, turn } = values;
  const pythons = new Map<string, string>();
  for (const name of values.peers) pythons.set(name, await pythonFor(name, values.python));
  const open = (name: string) =>
    name === "ours"
      ? denoPeer(name, "ours_peer.ts")
      : new Peer(name, pythons.get(name)!, [inPeers(`${name}_peer.py`)]);
  /** Lets each peer carry out an order in turns. Returns medians, in `unit`. */
  const measure = async (peers: readonly Peer[], order: Order, rounds = 1, unit = 1) => {
    const ask = async (peer: Peer) => {
      await delay(REST);
      let { ms, bytes } = await peer.ask(order);
      if (order.op === "steps") {
        const count = Math.max(LEAST, Math.round(turn / median(ms as number[])));
        ({ ms } = await peer.ask({ ...order, count }));
      }
      return median([ms ?? bytes ?? []].flat()) / unit;
    };
    return compare(
      await takeTurns(
        rounds,
        Object.fromEntries(peers.map((peer) => [peer.name, () => ask(peer)])),
      ),
    );
  };
  const withPeers = async (use: (peers: readonly Peer[]) => Promise<void>) => {
    await using stack = new AsyncDisposableStack();
    await use(["ours", ...values.peers].map((name) => stack.use(open(name))));
  };
  const found: TrainRows = { train: [], fit: [], infer: [], memory: [] };
  const add = (kind: keyof TrainRows, row: Row) => {
    found[kind].push(row);
    console.error(toMarkdown({ train: [], fit: [], infer: [], memory: [], [kind]: [row] }));
  };
  await withPeers(async (peers) => {
    for (const network of networks) {
      for (const batch of values.batches) {
        for (const peer of peers) await peer.ask({ op: "prepare", network, batch });
        const order = { op: "steps", network, batch, count: WARM } as const;
        add("train", { network, batch, ...await measure(peers, order, rounds) });
      }
    }
  });
  for (const network of values["only-steps"] ? [] : networks) {
    await withPeers(async (peers) => { // anew, so that the memory is that of a training
      const fit = await measure(peers, { op: "fit", network, ...FIT }, 3, 1000);
      const infer = await measure(peers, { op: "infer", network, ...INFER }, 3, 1000);
      add("fit", { network, rows: FIT.rows, epochs: FIT.epochs, ...fit });
      add("infer", { network, rows: INFER.rows, ...infer });
      add("memory", { network, ...await measure(peers, { op: "memory" }) });
    });
  }
  const used = Object.fromEntries(values.peers.map((name) => [name, packages[name]]));
  return { text: toMarkdown(found), json: { packages: used, ...found } };
});

export function compare(times: Record<string, readonly number[]>) {
  const of = (name: string) => times[name] ? median(times[name]) : null;
  const ours = median(times.ours), keras = of("keras");
  return { ours, keras, torch: of("torch"), ratioToKeras: keras && ours / keras };
}

const seconds = (s: number) => `${s.toFixed(2)} s`;
/** Name of each kind of rows, its figure as text, and the number of images in it. */
const KINDS: Record<
  keyof TrainRows,
  readonly [name: (row: Row) => string, show: typeof seconds, images: (row: Row) => number]
> = {
  train: [
    ({ batch }) => `batch ${batch}: a step`,
    (ms) => `${ms.toFixed(1)} ms`,
    ({ batch }) => batch! * 1000,
  ],
  fit: [
    ({ rows, epochs }) => `${epochs} epochs of ${thousands(rows!)}`,
    seconds,
    ({ rows, epochs }) => rows! * epochs!,
  ],
  infer: [({ rows }) => `${thousands(rows!)} predictions`, seconds, ({ rows }) => rows!],
  memory: [() => "peak memory", megabytes, () => 0],
};

/** The figures as a Markdown table; peers that were not selected have no column. */
export function toMarkdown(found: TrainRows): string {
  const all = Object.values(found).flat();
  const columns = (
    [["ours", "ours"], ["keras", "Keras"], ["torch", "PyTorch"]] as const
  ).filter(([key]) => all.some((row) => row[key] !== null));
  const kinds = Object.entries(KINDS) as [keyof TrainRows, typeof KINDS["fit"]][];
  return table(
    ["", ...columns.map(([, title]) => title), "ours / Keras", "ours, images/s"],
    kinds.flatMap(([kind, [name, show, images]]) =>
      found[kind].map((row) => [
        `${row.network}, ${name(row)}`,
        ...columns.map(([key]) => row[key] === null ? "–" : show(row[key])),
        row.ratioToKeras?.toFixed(2) ?? "–",
        images(row) === 0 ? "" : thousands(images(row) / row.ours),
      ])
    ),
  );
}
