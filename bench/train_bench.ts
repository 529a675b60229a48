/** Training and inference of the networks beside Keras, in turns. */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { denoPeer, type NetworkName, NETWORKS, type Order, Peer } from "./peer.ts";
import { pythonFor } from "./python.ts";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { megabytes, readOptions, table, thousands } from "./options_table.ts";

const help = `deno task bench train [options]

Trains the report's networks, the best one, a residual and a mobile one with this project's engine
and with Keras, in turns, and prints medians, after three seconds of warming up. The first time, Keras is installed in the
user's cache folder.

  --networks LIST    of ${NETWORKS.join(", ")} (all)
  --batches LIST     images in a step (16,64,256)
  --rounds N         how often each takes its turn (9)
  --turn MS          how long a turn takes; five steps at least (400)
  --only-steps       without whole fits, inference and memory
  --python PATH      a Python that has Keras
`;

const FIT = { batch: 64, rows: 5000, epochs: 3 } as const;
const INFER = { rows: 10_000 } as const;
/** Milliseconds between turns. */
const REST = 300;
/** Steps at the beginning of a turn that determine the number of timed steps. */
const WARM = 3;
/** Steps in a turn, at least. */
const LEAST = 5;

/** Measurements of each peer. */
type Times = Record<"ours" | "keras", number[]>;

export async function bench(args: string[]): Promise<void> {
  const options = readOptions(help, args, {
    ...{ networks: NETWORKS, batches: [16, 64, 256], rounds: 9, turn: 400 },
    ...{ "only-steps": false, python: "" },
  }, { networks: NETWORKS });
  if (!options) return;
  const { batches, rounds, turn } = options, networks = options.networks as NetworkName[];
  const python = options.python || await pythonFor("keras");
  const script = fileURLToPath(new URL("./peers/keras_peer.py", import.meta.url));
  let peers: Peer[] = [];
  const open = () =>
    peers = [
      denoPeer("ours", new URL("./peers/ours_peer.ts", import.meta.url)),
      new Peer("keras", python, [script]),
    ];
  const close = async () => {
    for (const peer of peers.splice(0)) await peer.close();
  };
  /** Adds the median of each peer's answers. */
  const collect = async (times: Times, order: Order) => {
    for (const peer of peers) {
      // Threads of a peer that has just worked spin for a while: they would slow down the next one.
      await delay(REST);
      const { ms, bytes } = await peer.ask(
        order.op === "steps" ? { ...order, count: await stepsIn(turn, peer, order) } : order,
      );
      const values = [ms ?? bytes ?? []].flat();
      if (values.length > 0) times[peer.name as keyof Times].push(median(values));
    }
  };
  const rows: string[][] = [];
  const report = (...row: Parameters<typeof compare>) => {
    rows.push(compare(...row));
    console.error(rows.at(-1)!.join("  "));
  };
  const none = (): Times => ({ ours: [], keras: [] });

  try {
    open();
    for (const network of networks) {
      for (const batch of batches) {
        for (const peer of peers) await peer.ask({ op: "prepare", network, batch });
        const times = none();
        for (let round = 0; round < rounds; round++) {
          await collect(times, { op: "steps", network, batch, count: WARM });
        }
        report(`${network}, batch ${batch}: a step`, times, (ms) => `${ms.toFixed(1)} ms`, batch);
      }
    }
    await close();
    for (const network of options["only-steps"] ? [] : networks) {
      open(); // anew, so that the memory is that of a training
      const fit = none(), infer = none(), memory = none();
      for (let round = 0; round < 3; round++) {
        await collect(fit, { op: "fit", network, ...FIT });
        await collect(infer, { op: "infer", network, ...INFER });
      }
      await collect(memory, { op: "memory" });
      await close();
      const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
      const fitted = `${network}, ${FIT.epochs} epochs of ${thousands(FIT.rows)}`;
      report(fitted, fit, seconds, FIT.rows * FIT.epochs);
      report(`${network}, ${thousands(INFER.rows)} predictions`, infer, seconds, INFER.rows);
      report(`${network}, peak memory`, memory, megabytes);
    }
  } finally {
    await close();
  }
  console.log(`\n${table(["", "here", "Keras", "here / Keras", "images/s here"], rows)}`);
}

/** Returns the number of steps in `turn` ms, estimated from the order's steps. */
async function stepsIn(turn: number, peer: Peer, order: Order & { op: "steps" }): Promise<number> {
  const { ms } = await peer.ask(order);
  return Math.max(LEAST, Math.round(turn / median([ms!].flat())));
}

/**
 * Compares medians in a row of the table.
 * @param images number that are processed in these times, in ms
 */
export function compare(
  what: string,
  times: Times,
  show: (value: number) => string,
  images?: number,
): string[] {
  const [ours, keras] = [times.ours, times.keras].map(median);
  return [
    ...[what, show(ours), show(keras), (ours / keras).toFixed(2)],
    images === undefined ? "" : thousands(images / ours * 1000),
  ];
}
