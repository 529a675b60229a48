/** The project's figures, each measured beside its peer in one run: `deno task bench --help`. */
interface Bench {
  summary: string;
  load(): Promise<{ bench(args: string[]): Promise<void> }>;
}

const benches: Record<string, Bench> = {
  train: {
    summary: "a training step, whole trainings, predictions and memory, beside Keras and others",
    load: () => import("./train_bench.ts"),
  },
  parity: {
    summary: "the same networks trained here and in Keras: accuracy and MAE",
    load: () => import("./parity_bench.ts"),
  },
  scale: {
    summary: "an epoch of 10,000, 100,000 and 460,000 images: time of a step, memory",
    load: () => import("./scale_bench.ts"),
  },
  profile: {
    summary: "the time of each kernel of a training step",
    load: () => import("./profile_bench.ts"),
  },
  detect: {
    summary: "speed and recall of each detector, beside dlib",
    load: () => import("./detect_bench.ts"),
  },
  crop: {
    summary: "cropping up to 100,000 photos: speedup of workers, time, memory",
    load: () => import("./crop_bench.ts"),
  },
  copies: {
    summary: "which changed photos are found as copies, and false alarms",
    load: () => import("./copies_bench.ts"),
  },
  labels: {
    summary: "precision of the audit on flipped labels, beside Cleanlab",
    load: () => import("./labels_bench.ts"),
  },
  mat: {
    summary: "reading IMDB's MATLAB file, beside SciPy",
    load: () => import("./mat_bench.ts"),
  },
  serve: {
    summary: "the web server: photos, and the live view",
    load: () => import("./serve_bench.ts"),
  },
  kills: {
    summary: "a pipeline killed at random moments leaves the same bytes",
    load: () => import("../tests/kills.ts"),
  },
  same: {
    summary: "a small pipeline at another commit and here gives the same bytes",
    load: () => import("../tests/same_results.ts"),
  },
};

const help = `Measure the project beside its peers.

  deno task bench BENCH [OPTIONS]           (deno task bench BENCH --help lists its options)

${
  Object.entries(benches).map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`).join("\n")
}`;

if (import.meta.main) {
  const [name, ...args] = Deno.args;
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(help);
    Deno.exit(name === undefined ? 2 : 0);
  }
  const bench = benches[name];
  if (bench === undefined) {
    const known = Object.keys(benches).join(", ");
    console.error(`Cannot measure "${name}": there is no such bench. Take one of ${known}.`);
    Deno.exit(2);
  }
  await (await bench.load()).bench(args).catch((error: Error) => {
    console.error(error.message);
    Deno.exit(1);
  });
}
