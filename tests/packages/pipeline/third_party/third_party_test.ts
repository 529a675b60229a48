/** Third-party plugins: what they may do, what is refused, and what that costs. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { stageContextOf } from "../../../../packages/pipeline/run/stage_context.ts";
import type { StageContext } from "../../../../packages/pipeline/stage.ts";
import { loadThirdParty } from "../../../../packages/pipeline/third_party.ts";
import { mapOrdered } from "../../../../packages/workers/ordered_map.ts";
import { Project } from "../toy/project.ts";

const HOSTILE = new URL("./hostile.js", import.meta.url);

/** A project, and a plugin in a folder beside it. */
async function beside(files: Record<string, string | URL>) {
  const outside = await Deno.realPath(await Deno.makeTempDir({ prefix: "third-" }));
  await Deno.mkdir(join(outside, "plugin"));
  for (const [name, text] of Object.entries(files)) {
    const content = typeof text === "string" ? text : await Deno.readTextFile(text);
    await Deno.writeTextFile(join(outside, name), content);
  }
  const project = await Project.make();
  return {
    project,
    outside,
    plugin: join(outside, "plugin", "hostile.js"),
    async [Symbol.asyncDispose]() {
      await project[Symbol.asyncDispose]();
      await Deno.remove(outside, { recursive: true });
    },
  };
}

const SECRETS = { "secret.txt": "a secret", "secret.json": '{ "a": "secret" }' };

/** Attempt → the right that the message names. */
const REFUSED: Record<string, string> = {
  home: 'read:OUTSIDE"',
  above: 'read:OUTSIDE/secret.txt"',
  json: 'read:OUTSIDE/secret.json"',
  node: 'read:/etc/passwd"',
  link: 'all"',
  nodeLink: 'all"',
  hardLink: 'read:/etc/passwd"',
  proc: 'read:/proc/self/environ"',
  net: 'net:example.org:80"',
  dns: "net:",
  nodeDns: 'net:example.org"',
  resolve: 'net:example.org"',
  datagram: 'net:0.0.0.0:0"',
  https: 'all"',
  env: 'env:HOME"',
  run: 'run:ls"',
  kill: 'run"',
  ffi: "ffi:",
};

/** Attempt → the message of another kind. */
const ENDED: Record<string, RegExp> = {
  input: /Requires write access to .*\. Inputs are read-only: write into context\.outputs or/,
  text: /the plugin threw "a text", which is no Error/,
  npm: /not found in cache/,
  storage: /localStorage is not defined|setItem/,
  loop: /took more than 0\.03 minutes\. Set minutes: on its line of plugins/,
  memory: /took more than 0\.4 GB of memory\. Set memory: on its line of plugins/,
  disk: /took more than 0\.002 GB of disk\. Set disk: on its line of plugins/,
  channel: /ended: SIGKILL: .* Standard output is for messages alone, and has "\ufffd/,
  chatter: /^read \[null,\[\]\] and $/,
  flood: /logs more than 10000 lines/,
  huge:
    /Cannot send 50\.0 MB of run\(\) of the stage "hostile": at most 16 MB are read\. Shorten it/,
  shout: /Cannot send 50\.0 MB of info\(\): at most 16 MB are read/,
  exit: /ended: exit code 3: error: Deno\.exit\(\) was called at file:.*hostile\.js:\d+:\d+$/,
  gpu: /no adapter/,
  escape: /answered what is not valid/,
};

const pipeline = (plugin: string, rest: string) => `
plugins: [{ use: ${plugin}${rest} }]
stages:
  count: { to: 3 }
  hostile: { replaces: count }
`;

Deno.test("a hostile plugin is refused everything, and costs its stage only", async (t) => {
  await using place = await beside({ "plugin/hostile.js": HOSTILE, ...SECRETS });
  const { project, outside, plugin } = place;
  await project.write({ "pipeline.yaml": pipeline(plugin, "") });
  await t.step("does its work within its rights", async () => {
    const dry = await project.run({ dryRun: true });
    assert.match(dry.text, /hostile +runs: .*; third-party code, allow: \[\]\n/);
    const ran = await project.run({ set: ["hostile.times=2"] });
    assert.equal(await project.output(ran, "hostile", "numbers.txt"), "2\n4\n6", ran.text);
    assert.match(ran.text, /^ {2}hostile: seed 42\n {2}hostile: ✓ evaluate done$/m);
    const [folder] = Object.values(ran.report.stages[1]!.outputs);
    const record = await Deno.readTextFile(project.path(folder!, "../record.json"));
    assert.deepEqual(JSON.parse(record).rights, []);
  });
  await t.step("costs its stage only", async () => {
    const { statuses, why } = await project.run({ set: ["hostile.attempt=exit"] });
    assert.deepEqual(statuses, { count: "cached", hostile: "failed" });
    assert.match(why.hostile!, /^the process of plugin ".*hostile\.js" ended: exit code 3/);
  });
  await t.step("writes what it declares, and nothing else", async () => {
    const keep = async (attempt: string) =>
      (await project.run({ set: [`hostile.attempt=${attempt}`] })).why.hostile;
    assert.match((await keep("undeclared"))!, /^Cannot keep .*"more\.sh" is not declared/);
    assert.match((await keep("gone"))!, /^Cannot keep .* its folder is gone/);
  });
  const limited = async (limits: string) => {
    await project.write({ "limited.yaml": pipeline(plugin, limits) });
    return (await project.plan("limited.yaml")).stages[1]!.definition;
  };
  const { definition: stage } = (await project.plan()).stages[1]!;
  const stages: Record<string, typeof stage> = {
    loop: await limited(", minutes: 0.03"),
    memory: await limited(", memory: 0.4"),
    disk: await limited(", disk: 0.002"),
  };
  /** Runs an attempt, and returns its message. */
  const attempt = async (name: string) => {
    const folder = await Deno.makeTempDir({ dir: project.folder });
    const context = {
      id: "hostile",
      seed: 1,
      scratch: folder,
      outputs: { numbers: folder },
      signal: new AbortController().signal,
      progress: { start() {}, advance() {} },
      info() {},
      warn() {},
    } as unknown as StageContext;
    const params = { attempt: name, home: outside, times: 1 };
    const path = join(outside, "input");
    const inputs = { numbers: { kind: "numbers", stage: "count", digest: "", path } };
    return await (stages[name] ?? stage).run(inputs, params, context).then(
      () => "no error",
      (error: Error) => error.message,
    );
  };
  await Deno.mkdir(join(outside, "input"));
  await Deno.writeTextFile(join(outside, "input", "numbers.txt"), "1");
  const messages = new Map<string, string>();
  for await (
    const [name, message] of mapOrdered(
      Object.keys({ ...REFUSED, ...ENDED }),
      4,
      async (name): Promise<[string, string]> => [name, await attempt(name)],
    )
  ) messages.set(name, message);
  for (const [name, right] of Object.entries(REFUSED)) {
    const told = `allow: ["${right.replace("OUTSIDE", outside)}`;
    assert.ok(messages.get(name)!.includes(told), `${name}: ${messages.get(name)}`);
  }
  for (const [name, message] of Object.entries(ENDED)) {
    assert.match(messages.get(name)!, message, `${name}: ${messages.get(name)}`);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

Deno.test({
  name: "a plugin that loops ends with a killed run",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using place = await beside({ "plugin/hostile.js": "" });
    const pid = join(place.outside, "pid");
    await Deno.writeTextFile(
      place.plugin,
      `Deno.writeTextFileSync(${JSON.stringify(pid)}, String(Deno.pid)); for (;;);`,
    );
    const sandbox = {
      specifier: pathToFileURL(place.plugin).href,
      project: place.project.folder,
      api: import.meta.resolve("../../../../plugins/plugin_process.ts"),
      allow: ["write"],
      memory: 4,
      disk: 1,
      minutes: 1,
      modules: [],
    };
    const module = import.meta.resolve("../../../../packages/pipeline/sandbox.ts");
    const code = `import { callPlugin } from ${JSON.stringify(module)};
      await callPlugin(${JSON.stringify(sandbox)}, { declare: true });`;
    const run = new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", code],
      cwd: new URL("../../../..", import.meta.url),
      stderr: "null",
    }).spawn();
    const until = async (done: () => Promise<unknown>) => {
      for (let i = 0; !await done(); i++) {
        assert.ok(i < 1000, "the plugin is still running");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await until(() => Deno.readTextFile(pid).catch(() => ""));
    run.kill("SIGKILL");
    await run.status;
    const plugin = await Deno.readTextFile(pid);
    const alive = () => new Deno.Command("kill", { args: ["-0", plugin], stderr: "null" }).output();
    await until(async () => !(await alive()).success);
  },
});

Deno.test("a plugin's declarations are read again when the project's API changes", async () => {
  await using place = await beside({
    "plugin/hostile.js": `export default ({ word, defineStage, z }) => defineStage({
      name: "one", summary: word, inputs: {}, outputs: {}, params: z.strictObject({}), run() {} });`,
  });
  const { project, plugin } = place;
  const url = (path: string) => import.meta.resolve(`../../../../packages/${path}`);
  const { imports: { zod } } = JSON.parse(await Deno.readTextFile(new URL(url("../deno.json"))));
  await project.write({
    "deno.json": JSON.stringify({
      imports: { zod, "@reproducible/workers/worker_main": url("workers/worker_main.ts") },
    }),
    "word.ts": 'export const word = "before";',
    "api.ts": `import { api as base, servePlugin } from "${url("pipeline/serve_plugin.ts")}";
import { word } from "./word.ts";
export const api = { ...base, word };
if (import.meta.main) await servePlugin(api);`,
  });
  const summary = async () => {
    const { stages: [one] } = await loadThirdParty({
      specifier: pathToFileURL(plugin).href,
      project: project.folder,
      api: pathToFileURL(project.path("api.ts")).href,
      allow: [],
      memory: 1,
      disk: 1,
      minutes: 1,
    });
    return (await one!.load()).default.summary;
  };
  assert.equal(await summary(), "before");
  await project.write({ "word.ts": 'export const word = "after";' });
  assert.equal(await summary(), "after");
});

Deno.test({
  name: "a command that may start no process names the one that reads a plugin",
  permissions: { read: true, write: true, env: true, sys: true, run: false },
  async fn() {
    await using place = await beside({ "plugin/hostile.js": "" });
    await assert.rejects(
      loadThirdParty({
        specifier: pathToFileURL(place.plugin).href,
        project: place.project.folder,
        api: import.meta.resolve("../../../../packages/pipeline/serve_plugin.ts"),
        ...{ allow: [], memory: 1, disk: 1, minutes: 1 },
      }),
      ({ message, cause }: Error) =>
        /^plugin ".*hostile\.js" is read by a process, .* once with --dry-run/.test(message) &&
        cause === undefined,
    );
  },
});

Deno.test("a definition that passes for data is called by no module of its own", async () => {
  const klass = (name: string, more: string) =>
    `new class { extends = "number"; name = "${name}"; summary = "s"; of() { return 1; } ${more} }`;
  await using place = await beside({
    "plugin/hostile.js": `export default [${klass("own", "")}, { extends: "number",
      name: "data", summary: "s", value: 1 }];`,
  });
  const { project, plugin } = place;
  const sandbox = {
    specifier: pathToFileURL(plugin).href,
    project: project.folder,
    api: import.meta.resolve("../../../../packages/pipeline/serve_plugin.ts"),
    ...{ allow: [], memory: 1, disk: 1, minutes: 1 },
  };
  const { extensions } = await loadThirdParty(sandbox);
  const [own, data] = extensions;
  assert.ok(own!.definition!.sandbox, "its functions run in a process");
  assert.equal(data!.definition!.sandbox, undefined);
  // A process can claim that of anything: the runner's stages import the module that this names.
  const stage = { use: "any", extensions, project: project.folder };
  const context = stageContextOf(stage, {}, {} as never);
  assert.ok(context.extension("number", "own"));
  assert.equal(context.extension("number", "data"), undefined);
});

Deno.test("rights of a third-party plugin", async (t) => {
  await using place = await beside({ "plugin/hostile.js": HOSTILE });
  const { project, outside, plugin } = place;
  const starts = countStarts();
  await t.step("are granted by the line of the pipeline", async () => {
    await project.write({ "pipeline.yaml": pipeline(plugin, ", allow: [env:HOME]") });
    const ran = await project.run({ set: ["hostile.attempt=env"] });
    assert.equal(ran.statuses.hostile, "ran", ran.text);
    assert.match(ran.text, /third-party code, allow: \[env:HOME\]\n/);
    // Paths count from the YAML.
    const file = ", allow: [read:secret.txt]";
    await project.write({ "secret.txt": "s", "own/p.yaml": pipeline(plugin, file) });
    const { rights } = (await project.plan("own/p.yaml")).stages[1]!;
    assert.deepEqual(rights, [`read:${project.path("own/secret.txt")}`]);
  });
  await t.step("cost nothing where nothing runs", async () => {
    const before = starts.count;
    const { statuses } = await project.run({ set: ["hostile.attempt=env"] });
    assert.deepEqual(statuses, { count: "cached", hostile: "cached" });
    assert.equal(starts.count, before);
    await Deno.writeTextFile(plugin, (await Deno.readTextFile(plugin)).replace("Try what", "Try"));
    await project.plan();
    assert.ok(starts.count > before);
  });
  await t.step("leave messages about parameters at the YAML's lines", async () => {
    const wrong = (rest: string) =>
      project.mistakes(pipeline(plugin, "").replace("replaces: count", `replaces: count, ${rest}`));
    assert.match(
      await wrong("times: 12"),
      /^pipeline\.yaml:5:38: hostile\.times: expected at most 9, got 12/,
    );
    assert.match(await wrong("time: 1"), /5:31: hostile has no "time". Did you mean "times"\?/);
    assert.match(
      await wrong("attempt: kil"),
      /5:40: hostile\.attempt: expected .* Did you mean "kill"/,
    );
    const unknown = await project.mistakes(pipeline(plugin, ", allow: [internet]"));
    assert.match(unknown, /pipeline\.yaml:2:.*expected all, or net, env, sys/);
  });
  await t.step("are not there while its declarations are read", async () => {
    const reads = `const home = Deno.env.get("HOME");\n${await Deno.readTextFile(HOSTILE)}`;
    await Deno.writeTextFile(plugin, reads);
    assert.match(
      await project.mistakes(pipeline(plugin, ", allow: [env]")),
      /2:11: it has no right to that: [^]*which throws at .*hostile\.js:1:23[^]*env access to "HOME"/,
    );
    await Deno.writeTextFile(plugin, "while (true);");
    assert.match(
      await project.mistakes(pipeline(plugin, ", minutes: 0.02")),
      /2:11: the process of plugin ".*" took more than 0\.02 minutes/,
    );
  });
  await t.step("do not reach through links", async () => {
    await Deno.copyFile(HOSTILE, plugin);
    await Deno.symlink("/etc", join(outside, "plugin", "etc"));
    assert.match(
      await project.mistakes(pipeline(plugin, "")),
      /the plugin's folder has a link to elsewhere: .*plugin\/etc\. Remove it/,
    );
  });
  await t.step("need paths without a comma", async () => {
    const parted = join(outside, "a,b");
    await Deno.mkdir(parted);
    await Deno.copyFile(HOSTILE, join(parted, "hostile.js"));
    assert.match(
      await project.mistakes(pipeline(JSON.stringify(join(parted, "hostile.js")), "")),
      /2:11: Cannot run the plugin ".*": ".*a,b" has a comma, .*Rename the folder/,
    );
  });
  await t.step("are not there while it takes long to load, and it is named", async () => {
    const folder = join(outside, "long");
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(folder, "long.js"), "await new Promise(() => {});");
    const { setTimeout } = globalThis, { error } = console;
    const lines: string[] = [];
    const soon = (act: () => void, ms?: number) => setTimeout(act, ms === 10_000 ? 0 : ms);
    try {
      globalThis.setTimeout = soon as typeof setTimeout;
      console.error = (line) => lines.push(line);
      await project.mistakes(pipeline(join(folder, "long.js"), ", minutes: 0.02"));
    } finally {
      globalThis.setTimeout = setTimeout;
      console.error = error;
    }
    assert.match(lines.join("\n"), /^waiting for plugin ".*long\.js" to load$/m);
  });
  await t.step("need a folder of its own", async () => {
    const beside = join(project.folder, "..", `${crypto.randomUUID()}.js`);
    await Deno.copyFile(HOSTILE, beside);
    assert.match(
      await project.mistakes(pipeline(beside, "")),
      /Name a file in a folder of its own/,
    );
    await Deno.remove(beside);
    assert.match(
      await project.mistakes(pipeline(join(outside, "gone", "mine.js"), "")),
      /2:11: cannot load plugin ".*mine\.js": there is no folder .*gone$/m,
    );
  });
  await t.step("are all there for files of the project", async () => {
    await project.write({ "plugins/hostile.js": await Deno.readTextFile(HOSTILE) });
    const before = starts.count;
    await project.write({ "pipeline.yaml": pipeline("./plugins/hostile.js", "") });
    const { statuses, text } = await project.run({ set: ["hostile.attempt=env"] });
    assert.equal(statuses.hostile, "ran", text);
    assert.equal(starts.count, before);
  });
  await t.step(
    "are few for files among results, which others may have made, and packages",
    async () => {
      const text = await Deno.readTextFile(HOSTILE);
      for (const name of ["artifacts/a", "out/a", "node_modules/a"]) {
        await project.write({ [`${name}/hostile.js`]: text });
      }
      const encoded = pathToFileURL(project.path("node_modules/a/hostile.js")).href;
      const files = ["./artifacts/a/hostile.js", "./out/a/hostile.js"];
      for (const file of [...files, encoded.replace("node", "%6eode")]) {
        const yaml = pipeline(file, "") + (file.startsWith("./out") ? "artifacts: out\n" : "");
        await project.write({ "pipeline.yaml": yaml });
        const { statuses, text } = await project.run({
          set: ["hostile.attempt=env"],
          force: ["hostile"],
        });
        assert.equal(statuses.hostile, "failed", text);
        assert.match(text, /no right to that: .*env access to "HOME"/);
      }
    },
  );
  starts.restore();
});

/** Counts the processes that this one starts. */
function countStarts() {
  const { Command } = Deno;
  const starts = { count: 0, restore: () => void (Deno.Command = Command) };
  Deno.Command = class extends Command {
    constructor(...args: ConstructorParameters<typeof Command>) {
      starts.count++;
      super(...args);
    }
  };
  return starts;
}
