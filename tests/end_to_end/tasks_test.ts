/** Every task of deno.json, with its very permissions, where nothing is cached yet. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { markdownFiles, shellExamples } from "../markdown.ts";

const root = new URL("../../", import.meta.url);
const { tasks }: { tasks: Record<string, { command: string }> } = JSON.parse(
  await Deno.readTextFile(new URL("deno.json", root)),
);

const PIPELINE = `name: tiny
artifacts: ./artifacts
stages:
  download: { sampleFaces: 30 }
  matParse:
  faceCrop: { detector: metadata, workers: 1 }
  resize32:
  split:
  trainGender: { epochs: 1 }
  evaluate: { framing: 1, sensitivity: 20 }
  webcamServe: { port: 0 }
`;

const SHARED = ["--remote", "shared", "--artifacts", "artifacts"];

Deno.test("every task has the permissions that it needs where nothing is cached", async (t) => {
  const folder = await Deno.makeTempDir({ prefix: "tasks-" });
  /** A task's command with an empty cache; a path may stand in for the tests that it names. */
  const start = async (task: string, args: readonly string[], path?: string) => {
    const all = tasks[task]!.command.replace(/^CORES=1 /, "").split(/ &+ /)[0]!.split(" ");
    // With a path of its own: among those of the task is this test, which would start itself.
    const words = path === undefined
      ? all
      : [...all.filter((word) => !/^tests\//.test(word)), path];
    const cache = await Deno.makeTempDir({ dir: folder, prefix: "cache-" });
    return new Deno.Command(Deno.execPath(), {
      // Permissions are named in the project's configuration, wherever the script lies.
      args: [
        words[1]!,
        "--config",
        fileURLToPath(new URL("deno.json", root)),
        ...words.slice(2),
        ...args,
      ],
      cwd: root,
      env: { INIT_CWD: folder, FACES_CACHE: join(cache, "none"), NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  };
  const run = async (task: string, args: readonly string[], path?: string) => {
    const { code, stdout, stderr } = await (await start(task, args, path)).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    strictEqual(code, 0, `${task}: ${out}${err}`);
    return out + err;
  };
  const steps: Record<string, () => Promise<unknown>> = {
    async run() {
      match(await run("run", ["p.yaml"]), /8 ran|7 ran/);
    },
    async predict() {
      await Deno.mkdir(join(folder, "photos"));
      match(await run("predict", ["photos", "--model", "p.yaml"]), /0 faces in 0 photos/);
    },
    async serve() {
      const process = await start("serve", ["p.yaml"]);
      let text = "", running = true;
      for await (const bytes of process.stdout) {
        text += new TextDecoder().decode(bytes);
        if (running && /http:\/\/\S+/.test(text)) {
          process.kill("SIGINT");
          running = false;
        }
      }
      const err = await new Response(process.stderr).text();
      await process.status;
      match(text, /http:\/\//, err);
    },
    schema: () => run("schema", ["--check"]),
    async ui() {
      const process = await start("ui", ["--port", "0", "--artifacts", "artifacts"]);
      let text = "";
      for await (const bytes of process.stderr) {
        text += new TextDecoder().decode(bytes);
        const url = text.match(/http:\/\/\S+/)?.[0];
        if (url === undefined) continue;
        const health = await fetch(`${url}/health`);
        deepStrictEqual(await health.json(), { status: "ready" });
        break;
      }
      process.kill("SIGINT");
      await Promise.all([process.status, process.stdout.cancel()]);
      match(text, /http:\/\//);
    },
    push: () => run("push", ["p.yaml", ...SHARED]),
    pull: () => run("pull", ["p.yaml", ...SHARED]),
    remote: () => run("remote", ["status", ...SHARED]),
    compute: () => run("compute", ["--help"]),
    worker: () => run("worker", ["--help"]),
    bench: () => run("bench", ["--help"]),
    data: () => run("data", ["--help"]),
    kit: () => run("kit", ["--help"]),
    evaluate: () => run("evaluate", ["p.yaml", "--on", "p.yaml"]),
    new: () => run("new", ["--help"]),
    test: () => run("test", [], "tests/packages/pipeline/errors_test.ts"),
  };
  try {
    await Deno.writeTextFile(join(folder, "p.yaml"), PIPELINE);
    for (const [task, step] of Object.entries(steps)) {
      await t.step(task, async () => void await step());
    }
    // Of others, or of what a machine may lack; tests/long/builds_test.ts has build:….
    const others = Object.keys(tasks).filter((task) => !/^(ok|test:.*|build:.*)$/.test(task));
    // tests/docs_test.ts runs the documents' examples, with the permissions of their tasks.
    const shown = (await markdownFiles()).flatMap(shellExamples).map(({ words }) => words[2]!);
    deepStrictEqual(new Set([...Object.keys(steps), ...shown]), new Set(others));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
