/** `deno task worker`: does shards and runs of sweeps for other machines. */
import { resolve } from "node:path";
import { parseOptions } from "./args.ts";
import type { Command } from "./app.ts";
import { UsageError } from "./errors.ts";
import { onStopSignal } from "../workers/stop_signals.ts";

const command: Command = {
  help: `Process shards and runs of sweeps of pipelines with executor: bullmq on other machines.

  deno task worker [OPTIONS]

  --redis URL        Redis or Valkey: redis://host:6379, with TLS rediss://user:password@host:6379.
                     Unless given, what the environment's REDIS_URL says, or redis://127.0.0.1:6379
  --ca FILE          certificate (PEM) of the authority that signed the server's, if it is your own
  --artifacts DIR    the artifact folder, which all machines share; the project's unless given
  --prefix NAME      as bullmq.prefix of the pipeline. Default: the name of the app
  --workers N        concurrent processes of a shard, and cores of a run. Default: all cores
  --lock-seconds N   how long a worker may be silent until its job goes to another one (30)
  --help

It works until it is stopped, one job at a time; a machine may have several workers. Ctrl-C or
SIGTERM: the job at hand goes back to the queue, and another worker goes on where it was.
A worker whose code, packages, Deno or kind of machine are not those of a run leaves its jobs to others.

Exit codes: 0 it was stopped, 1 it could not go on, 2 the command line is wrong.`,
  async run(args, context) {
    const { project, cwd, reporter } = context;
    const { values, positionals } = parseOptions("worker", args, {
      redis: { type: "string" },
      ca: { type: "string" },
      artifacts: { type: "string" },
      prefix: { type: "string" },
      workers: { type: "string", default: "0" },
      "lock-seconds": { type: "string" },
      help: { type: "boolean", short: "h" },
    });
    if (positionals.length > 0) {
      throw new UsageError(
        `a worker takes no pipeline, but any that comes; got "${positionals[0]}"`,
      );
    }
    const { localCapabilities } = await import("./remote/capabilities.ts");
    const { parseRedisAddress } = await import("./remote/broker_client.ts");
    const { usualLock, usualRedis, workerName } = await import("./remote_workers.ts");
    const { runWorker } = await import("./remote/worker.ts");
    const seconds = values["lock-seconds"];
    const artifacts = resolve(cwd, values.artifacts ?? `${project}/artifacts`);
    await Deno.mkdir(artifacts, { recursive: true }).catch((cause) => {
      const why = (cause as Error).message;
      throw new UsageError(`--artifacts ${artifacts}: it is no folder to work in: ${why}`);
    });
    const stop = new AbortController();
    using _listening = onStopSignal(() => stop.abort(new Error("stopped")));
    await runWorker({
      redis: await parseRedisAddress(
        values.redis ?? Deno.env.get("REDIS_URL") ?? usualRedis,
        values.ca && resolve(cwd, values.ca),
      ),
      prefix: values.prefix ?? context.name,
      name: workerName(),
      lock: seconds === undefined ? usualLock : whole("lock-seconds", seconds, 1) * 1000,
      artifacts,
      workers: whole("workers", values.workers, 0),
      signal: stop.signal,
      log: (line) => reporter.log(line),
      ...await localCapabilities(context, artifacts),
    });
    return 0;
  },
};

function whole(option: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= least) return value;
  throw new UsageError(`--${option} ${text}: expected a whole number, at least ${least}`);
}

export default command;
