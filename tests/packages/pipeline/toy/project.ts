/** A project in a temporary folder: its files, runs of its pipelines here or in a process. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type Config, readConfig } from "../../../../packages/pipeline/config/config.ts";
import { ConfigError } from "../../../../packages/pipeline/errors.ts";
import { createPlan, type Plan, type Selection } from "../../../../packages/pipeline/plan.ts";
import { DenoLock } from "../../../../packages/pipeline/cache/deno_lock.ts";
import { ImportMap } from "../../../../packages/pipeline/cache/import_map.ts";
import { ModuleHasher } from "../../../../packages/pipeline/cache/module_graph.ts";
import { fromFileUrl, readTextIfExists } from "../../../../packages/pipeline/paths.ts";
import { Registry } from "../../../../packages/pipeline/registry.ts";
import { createReporter } from "../../../../packages/pipeline/reporter.ts";
import { parseOverride } from "../../../../packages/pipeline/config/override.ts";
import type { RunReport } from "../../../../packages/pipeline/run/run_report.ts";
import { runPlan } from "../../../../packages/pipeline/run/run_pipeline.ts";
import { ArtifactStore } from "../../../../packages/pipeline/artifact_store.ts";
import { execute } from "../../../in_process.ts";
import { toyApp } from "./app.ts";
import { stages } from "./stages.ts";

const repository = fromFileUrl(new URL("../../../../", import.meta.url));
const runner = join(repository, "packages/pipeline/");

/** URL to import `packages/pipeline/stage.ts` from a module that a test writes. */
export const stageUrl = new URL("../../../../packages/pipeline/stage.ts", import.meta.url).href;

/** A plugin's stage whose parameters depth and speed have no effect with `mode: still`. */
export const WAVE = `import { z } from "npm:zod@4.6.7";
import { defineStage, refuseUnused } from "${stageUrl}";
import { numbers } from "${new URL("stages.ts", import.meta.url).href}";
const fields = z.strictObject({ mode: z.string(), depth: z.int().default(1), speed: z.int().default(2) });
export default defineStage({
  name: "wave", summary: "Wave", inputs: {}, outputs: { numbers },
  params: refuseUnused(fields, ({ mode }) =>
    mode === "still" ? { depth: "with mode: still", speed: "with mode: still" } : {}),
  async run(_, __, { outputs }) {
    await Deno.writeTextFile(outputs.numbers + "/numbers.txt", "1");
  },
});
`;

export interface RunOptions extends Selection {
  /** As after --set. */
  set?: readonly string[];
  dryRun?: boolean;
  services?: boolean;
  signal?: AbortSignal;
  backend?: string;
  /** Called with all that was written so far. */
  onText?: (text: string) => void;
  /** Id of a stage of a plugin that counts as one of the program's own, which load modules late. */
  builtIn?: string;
}

export interface Ran {
  /** If it was recorded. */
  id?: string;
  report: RunReport;
  /** What a person would have seen. */
  text: string;
  /** Stage → status. */
  statuses: Record<string, string>;
  /** Stage → reason. */
  why: Record<string, string>;
}

export interface Ended {
  code: number;
  out: string;
  err: string;
}

export class Project implements AsyncDisposable {
  private constructor(readonly folder: string) {}

  /** Makes a project of these files; it goes when it is disposed of. */
  static async make(files: Record<string, string> = {}): Promise<Project> {
    const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "project-" }));
    const project = new Project(folder);
    await project.write({ "deno.json": "{}", ...files });
    return project;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  async write(files: Record<string, string>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(this.path(name)), { recursive: true });
      await Deno.writeTextFile(this.path(name), text);
    }
  }

  /** Reads a pipeline, as the command line does. */
  async config(name = "pipeline.yaml", set: readonly string[] = [], user = "."): Promise<Config> {
    return await readConfig(this.path(name), {
      project: this.folder,
      cwd: this.path(user),
      registry: new Registry().add(stages),
      overrides: set.map(parseOverride),
    });
  }

  async plan(name = "pipeline.yaml", set: readonly string[] = []): Promise<Plan> {
    return createPlan(await this.config(name, set));
  }

  /** The message of the ConfigError that a pipeline ends in. */
  async mistakes(yaml: string, set: readonly string[] = [], user = "."): Promise<string> {
    await this.write({ "pipeline.yaml": yaml });
    try {
      createPlan(await this.config("pipeline.yaml", set, user));
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.message;
    }
    assert.fail("the pipeline is valid");
  }

  /** Runs a pipeline in this process. */
  async run(
    { set = [], dryRun, services, signal, backend, onText, builtIn, ...selection }: RunOptions = {},
  ): Promise<
    Ran
  > {
    const plan = await this.plan("pipeline.yaml", set);
    const stages = plan.stages.map((one) => ({ ...one, plugin: one.plugin && one.id !== builtIn }));
    const planned = { ...plan, stages };
    let text = "";
    const reporter = createReporter({
      terminal: false,
      color: false,
      columns: () => 80,
      write: (added) => {
        text += added;
        onText?.(text);
      },
    });
    const { report, id } = await runPlan(planned, selection, {
      project: this.folder,
      store: new ArtifactStore(planned.artifacts),
      moduleHasher: new ModuleHasher(
        this.folder,
        join(planned.artifacts, ".cache/modules.json"),
        await ImportMap.read(this.folder),
      ),
      denoLock: new DenoLock(await readTextIfExists(this.path("deno.lock"))),
      excludedFolders: [runner],
      resolveCompute: (wanted) =>
        Promise.resolve({ backend: backend ?? (wanted === "auto" ? "wasm" : wanted), why: "" }),
      reporter,
      signal: signal ?? new AbortController().signal,
    }, { dryRun, services });
    const by = (key: "status" | "why") =>
      Object.fromEntries(report.stages.map((stage) => [stage.id, stage[key]]));
    return { id, report, text, statuses: by("status"), why: by("why") };
  }

  /** Text of a file of a stage's output, after a run. */
  async output({ report }: Pick<Ran, "report">, id: string, file: string): Promise<string> {
    const [folder] = Object.values(report.stages.find((stage) => stage.id === id)!.outputs);
    return await Deno.readTextFile(this.path(folder!, file));
  }

  /** Paths of all files below a folder, from it, sorted. */
  async files(folder = "artifacts"): Promise<string[]> {
    const found: string[] = [];
    const walk = async (path: string) => {
      for await (const entry of Deno.readDir(this.path(folder, path))) {
        const inner = path ? `${path}/${entry.name}` : entry.name;
        if (entry.isDirectory) await walk(inner);
        else found.push(inner);
      }
    };
    if (await Deno.stat(this.path(folder)).catch(() => undefined)) await walk("");
    return found.sort();
  }

  /** Waits until the toy stage `slow` stands at its gate. */
  async atTheGate(): Promise<void> {
    for (;;) {
      const all = await this.files().catch(() => []);
      const done = all.filter((name) => /^\.work\/slow-.*\/scratch\/\d+$/.test(name));
      if (done.length >= 3) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** The toy program as a process. @param root the repository, which may have other paths */
  spawn(
    args: readonly string[],
    env: Record<string, string> = {},
    root = repository,
  ): Deno.ChildProcess {
    return new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--no-prompt", "--allow-all", "--config"],
        ...[
          join(root, "deno.json"),
          join(root, "tests/packages/pipeline/toy/main.ts"),
          ...args,
        ],
      ],
      cwd: this.folder,
      env: { INIT_CWD: this.folder, ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs the toy program to its end in this process. */
  async here(...args: string[]): Promise<Ended> {
    return await execute(args, toyApp(this.folder));
  }

  /** Runs the toy program to its end. */
  async cli(...args: string[]): Promise<Ended> {
    return await ended(this.spawn(args));
  }
}

/** What a process writes to stdout, while it runs. */
export function reading(child: Deno.ChildProcess) {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let out = "";
  const more = async () => {
    const { value, done } = await reader.read();
    out += value ?? "";
    return !done;
  };
  return {
    /** Waits for a text. */
    async until(text: string): Promise<void> {
      while (!out.includes(text)) assert.ok(await more(), `no "${text}" in ${out}`);
    },
    /** Reads to the end. */
    async rest(): Promise<{ code: number; out: string }> {
      while (await more());
      await child.stderr.cancel();
      return { code: (await child.status).code, out };
    },
  };
}

export async function ended(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: decode(stdout), err: decode(stderr) };
}
