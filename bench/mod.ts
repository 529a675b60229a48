/** The project's figures, each measured beside its peer in one run: `deno task bench --help`. */
interface Bench {
  says: string;
  load(): Promise<{ bench(args: string[]): Promise<void> }>;
}

const benches: Record<string, Bench> = {
  train: {
    says: "a training step, whole trainings, predictions and memory, beside Keras and others",
    load: () => import("./train_bench.ts"),
  },
  parity: {
    says: "the same networks learnt here and in Keras: are they as good?",
    load: () => import("./parity_bench.ts"),
  },
  scale: {
    says: "an epoch of 10,000, 100,000 and 460,000 images: time of a step, memory",
    load: () => import("./scale_bench.ts"),
  },
  profile: {
    says: "the time of each kernel of a training step",
    load: () => import("./profile_bench.ts"),
  },
  detect: {
    says: "each detector's speed and finds, beside dlib",
    load: () => import("./detect_bench.ts"),
  },
  crop: {
    says: "cutting up to 100,000 photos: speed of the workers, time and memory",
    load: () => import("./crop_bench.ts"),
  },
  mat: { says: "reading IMDB's MATLAB file, beside SciPy", load: () => import("./mat_bench.ts") },
  serve: {
    says: "the web server: photos, and the live view",
    load: () => import("./serve_bench.ts"),
  },
  kills: {
    says: "a pipeline that is killed again and again: does it leave the same bytes?",
    load: () => import("../tests/kills.ts"),
  },
  same: {
    says: "a small pipeline at another commit and here: are all results the same bytes?",
    load: () => import("../tests/same_results.ts"),
  },
};

const help = `Measure the project beside its peers.

  deno task bench BENCH [OPTIONS]           (deno task bench BENCH --help tells a bench's options)

${Object.entries(benches).map(([name, { says }]) => `  ${name.padEnd(9)}${says}`).join("\n")}`;

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
