/** The project's figures, each measured beside its peer in one run: `deno task bench --help`. */
export const benches: Record<string, string> = {
  train: "a training step, whole trainings, predictions and memory, beside Keras and others",
  parity: "the same networks trained here and in Keras: accuracy and MAE",
  scale: "an epoch of 10,000, 100,000 and 460,000 images: time of a step, memory",
  profile: "the time of each kernel of a training step",
  detect: "speed and recall of each detector, beside dlib",
  crop: "cropping up to 100,000 photos: speedup of workers, time, memory",
  copies: "which changed photos are found as copies, and false alarms",
  labels: "precision of the audit on flipped labels, beside Cleanlab",
  mat: "reading IMDB's MATLAB file, beside SciPy",
  serve: "the web server: photos, and the live view",
  settings: "false-positive rates and power of tests of two settings, on drawn predictions",
  kills: "a pipeline killed at random moments leaves the same bytes",
  same: "a small pipeline at another commit and here gives the same bytes",
};
/** Modules that tests need as well. */
const shared: Record<string, string> = {
  kills: "../tests/kills.ts",
  same: "../tests/same_results.ts",
  settings: "../tests/settings_rates.ts",
};

export const moduleOf = (name: string) => shared[name] ?? `./${name}_bench.ts`;

const help = `Measure the project beside its peers.

  deno task bench BENCH [OPTIONS]           (deno task bench BENCH --help lists its options)

${Object.entries(benches).map(([name, summary]) => `  ${name.padEnd(9)}${summary}`).join("\n")}`;

if (import.meta.main) {
  const [name, ...args] = Deno.args;
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(help);
    Deno.exit(name === undefined ? 2 : 0);
  }
  if (!Object.hasOwn(benches, name)) {
    const known = Object.keys(benches).join(", ");
    console.error(`Cannot measure "${name}": there is no such bench. Take one of ${known}.`);
    Deno.exit(2);
  }
  const { bench } = await import(moduleOf(name));
  await bench(args).catch((error: Error) => {
    console.error(error.message);
    Deno.exit(1);
  });
}
