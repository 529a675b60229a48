/** `deno task new`: all that it writes passes format, lint, its test and, in test:long, the types. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import command from "../../../faces/commands/new.ts";
import { METRIC_DIRECTIONS } from "../../../faces/evaluation/metrics.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { readConfig } from "../../../packages/pipeline/config/config.ts";
import { Registry } from "../../../packages/pipeline/registry.ts";
import { stages } from "../../../stages/mod.ts";
import { LONG } from "../../rounds.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
/** So long that lines with it would be broken. */
const PREFIX = "aPluginWithAVeryLongName";
const pluginApi = new URL("../../../plugins/plugin_process.ts", import.meta.url).href;
const KINDS = [
  ...["stage", "network", "detector", "metric", "loss"],
  ...["optimizer", "schedule", "sampling", "augmentation", "reportSection", "preset"],
];

/** A project whose modules are this one's, but plugins, tests and experiments are its own. */
async function emptyProject(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "new-" });
  for (const name of ["packages", "faces", "models", "stages", "main.ts", "pipeline.yaml"]) {
    await Deno.symlink(join(root, name), join(folder, name));
  }
  for (const name of ["deno.json", "deno.lock"]) {
    await Deno.copyFile(join(root, name), join(folder, name));
  }
  return folder;
}

Deno.test("new writes plugins that pass format, lint, types and their tests", async () => {
  const project = await emptyProject();
  const lines: string[] = [];
  const reporter = { log: (text: string) => void lines.push(text) };
  const context = { project, reporter, cwd: project, stages, pluginApi };
  const write = (kind: string) =>
    command.run([kind, `${PREFIX}${kind}`], context as unknown as CommandContext);
  try {
    for (const kind of KINDS) {
      strictEqual(await write(kind), 0);
      const file = join(project, "experiments", `${PREFIX}${kind}.yaml`);
      match(await Deno.readTextFile(file), new RegExp(`=\\./${PREFIX}${kind}.schema.json\n`));
      const registry = new Registry().add(stages);
      const config = await readConfig(file, { project, cwd: project, registry });
      deepStrictEqual(
        [...config.stages.flatMap((
          { extensions, use },
        ) => [...extensions.map(({ name }) => name), use])]
          .filter((name) => name === `${PREFIX}${kind}`),
        [`${PREFIX}${kind}`],
      );
    }
    match(lines.at(-2)!, /deno task schema experiments\/aPluginWithAVeryLongNamepreset/);
    match(lines.at(-1)!, /deno task run experiments\/aPluginWithAVeryLongNamepreset/);
    const deno = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd: project,
        env: { NO_COLOR: "1" },
      }).output();
      strictEqual(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    await deno("fmt", "--check", "plugins", "tests");
    await deno("lint", "plugins", "tests");
    const types = LONG ? [] : ["--no-check"]; // a check takes most of the time
    const tested = await deno("test", "-A", ...types, "plugins", "tests");
    match(tested, new RegExp(`${KINDS.length} passed`));
    await rejected(() => write("stage"), /stage\.ts exists already/);
    await rejected(
      () => command.run(["stage", "split"], context as never),
      /there is a stage "split" already/,
    );
    const more = Object.keys(METRIC_DIRECTIONS).concat("metric").map((name) => `metric ${name}`);
    const others = ["network plain", "network best", "loss focal", "detector metadata"];
    for (const taken of [...others, ...more]) {
      const [kind, name] = taken.split(" ");
      await rejected(
        () => command.run([kind, name], context as never),
        new RegExp(`Cannot add the ${kind} "${name}" of plugins/${name}.ts: there is one of that`),
      );
    }
    strictEqual(await command.run(["types", "a/folder"], context as never), 0);
    match(await Deno.readTextFile(join(project, "a/folder/plugin_api.d.ts")), /interface Api/);
    await rejected(() => write("stagee"), /Did you mean "stage"/);
    await rejected(() => command.run(["stage", "My-Stage"], context as never), /camelCase/);
  } finally {
    await Deno.remove(project, { recursive: true });
  }
});

async function rejected(run: () => Promise<unknown>, pattern: RegExp): Promise<void> {
  match(await run().then(() => "written", ({ message }: Error) => message), pattern);
}
