/** A stage that hands its work to workers. */
import { join } from "node:path";
import { distributeShards } from "../../../../packages/pipeline/remote_workers.ts";
import { localStages } from "../../../../packages/pipeline/remote/run_shard.ts";
import { connectBroker } from "../../../../packages/pipeline/remote/broker_client.ts";
import type {
  CoordinatorRequest,
  JobsSnapshot,
} from "../../../../packages/pipeline/remote/protocol.ts";
import type { CodeVersion } from "../../../../packages/pipeline/remote/compatibility.ts";
import { app } from "../../../../main.ts";
import {
  bullmqSchema,
  type BullmqSettings,
} from "../../../../packages/pipeline/config/pipeline_schema.ts";
import faceCrop from "../../../../stages/faceCrop.ts";
import { testContext } from "../../../context.ts";
import { gradient, type Photo, photoArtifacts } from "../../../faces/detection/fixture.ts";

/** Cuts out the faces of photos, in shards of four. */
export class Job implements Disposable {
  /** Logged messages and warnings. */
  readonly told: string[] = [];
  readonly keys: string[] = [];
  readonly #abort = new AbortController();

  private constructor(
    readonly artifacts: string,
    readonly input: Awaited<ReturnType<typeof photoArtifacts>>,
    readonly code: CodeVersion,
  ) {}

  /** Photos that take some time each. */
  static async make(count = 40): Promise<Job> {
    const kinds = await Promise.all([0, 1, 2, 3, 4].map((kind) => gradient(kind, 1500)));
    const photos = Array.from({ length: count }, (_, i): Photo => (
      i === 7 ? { path: "gone.jpg" } : { path: `${i}.jpg`, bytes: kinds[i % 5] }
    ));
    return await Job.of(photos);
  }

  static async of(photos: readonly Photo[]): Promise<Job> {
    const artifacts = await Deno.makeTempDir({ prefix: "remote-" });
    const stage = await localStages(app);
    const found = await stage("faceCrop");
    return new Job(artifacts, await photoArtifacts(join(artifacts, "in"), photos), found!.code);
  }

  /** Runs faceCrop (with `metadata` unless the parameters say it), and returns the names and contents of the files that it made. */
  async run(
    workers?: Partial<BullmqSettings>,
    { code = this.code, params = {} }: { code?: CodeVersion; params?: Record<string, unknown> } =
      {},
  ): Promise<Record<string, Uint8Array>> {
    const all = faceCrop.params.parse({
      detector: "metadata",
      shardSize: 4,
      workers: 1,
      ...params,
    });
    // In its scratch lie the shards of this detector.
    const folder = join(this.artifacts, `${workers ? "far" : "near"}-${all.detector}`);
    const context = testContext(faceCrop, { folder, signal: this.#abort.signal });
    const settings = bullmqSchema.parse(workers ?? {});
    const tell = (message: string) => void this.told.push(message);
    const cacheKey = {
      use: "faceCrop",
      params: {},
      external: {},
      inputs: {},
      ...(faceCrop.compute(all) ? { compute: "wasm" } : {}),
      modules: code.modules,
      packages: code.packages,
    };
    const inputs = { archives: this.input.archives.path, table: this.input.table.path };
    const work = {
      use: "faceCrop",
      cacheKey,
      inputs,
      artifacts: this.artifacts,
      scratch: context.scratch,
      signal: context.signal,
      progress: context.progress,
      info: tell,
      warn: tell,
    };
    const keys = this.keys;
    const given = {
      ...context,
      ...workers && {
        remoteWorkers: {
          async *distribute(parts: Parameters<typeof distributeShards>[2]) {
            for await (const done of distributeShards(settings, work, parts, app)) {
              keys.push(done.key);
              yield done;
            }
          },
        },
      },
    };
    await faceCrop.run({ ...this.input }, all, given);
    return contents(context.outputs.faces);
  }

  interrupt(): void {
    this.#abort.abort(new Error("interrupted"));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.artifacts, { recursive: true });
  }
}

function contents(folder: string): Record<string, Uint8Array> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readFileSync(join(folder, name))]),
  );
}

/** Puts jobs of the run "x" into the queue, as anybody may who reaches it; returns why they failed. */
export async function failures(
  url: string,
  jobs: readonly unknown[],
  signal?: AbortSignal,
): Promise<string[]> {
  await using broker = await connectBroker<CoordinatorRequest>({
    role: "coordinator",
    redis: { url },
    prefix: "faces",
    run: "x",
  });
  const ids = jobs.map((_, i) => `x-${crypto.randomUUID()}-${i}`);
  await broker.request({ add: jobs.map((data, i) => ({ id: ids[i], data })) });
  for (;;) {
    signal?.throwIfAborted();
    const { jobs: states } = await broker.request<JobsSnapshot>({ look: ids });
    const over = states.filter(({ state }) => state === "failed" || state === "done");
    if (over.length === jobs.length) {
      return states.map((state) =>
        state.state === "failed"
          ? state.reason
          : state.state === "done"
          ? JSON.stringify(state.result)
          : ""
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
