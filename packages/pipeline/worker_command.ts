/** `deno task worker`: does shards and runs of sweeps for other machines. */
import { resolve } from "node:path";
import { artifactsOption, parseOptions, parseWhole } from "./args.ts";
import { type Command, EXIT } from "./app.ts";
import { UsageError } from "./errors.ts";
import { abortOnSignal } from "./interrupt.ts";

const command: Command = {
  help: `Process shards and runs of sweeps of pipelines with executor: bullmq on other machines.

  deno task worker [OPTIONS]

  --redis URL        Redis or Valkey: redis://host:6379, with TLS rediss://user:password@host:6379.
                     Default: the environment variable REDIS_URL, or redis://127.0.0.1:6379
  --ca FILE          certificate (PEM) of a private certificate authority
  --artifacts DIR    the artifact folder, which all machines share. Default: the project's
  --prefix NAME      as bullmq.prefix of the pipeline. Default: the name of the app
  --workers N        concurrent processes of a shard, and cores of a run. Default: all cores
  --lock-seconds N   seconds without a heartbeat until another worker takes the job. Default: 30
  --help

A worker processes one job at a time until it is stopped; a machine may have several workers. Ctrl-C
or SIGTERM returns the current job to the queue, and another worker resumes it. A worker refuses the
jobs of a run with other code, packages, Deno or kind of machine.

Exit codes: 0 stopped, 1 failed, 2 the command line is wrong.`,
  async run(args, context) {
    const { cwd, reporter } = context;
    const { values, positionals } = parseOptions(
      "worker",
      args,
      "redis= ca= artifacts= prefix= workers= lock-seconds= help",
    );
    if (positionals.length > 0) {
      throw new UsageError(
        `a worker takes no pipeline; it processes jobs of any. Got "${positionals[0]}"`,
      );
    }
    const { DEFAULT_LOCK_MS, placeOf, workerName } = await import("./remote_workers.ts");
    const { runWorker } = await import("./remote/worker.ts");
    const seconds = parseWhole("lock-seconds", values, 1, 2_000_000); // timers end at 2^31 ms
    const artifacts = artifactsOption(values, context, true);
    await Deno.mkdir(artifacts, { recursive: true }).catch((cause) => {
      const why = (cause as Error).message;
      throw new UsageError(`--artifacts ${artifacts}: not usable as a folder: ${why}`);
    });
    using interrupt = abortOnSignal(reporter);
    await runWorker({
      ...await placeOf({ ...values, ca: values.ca && resolve(cwd, values.ca) }, context),
      name: workerName(),
      lock: seconds === undefined ? DEFAULT_LOCK_MS : seconds * 1000,
      artifacts,
      workers: parseWhole("workers", values, 0) ?? 0,
      signal: interrupt.signal,
      log: (line) => reporter.log(line),
    }, context);
    return EXIT.ok;
  },
};

export default command;
