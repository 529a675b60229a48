/** `deno task new`: writes a plugin, its test and a pipeline that uses it; or the types of the API. */
import { dirname, join, resolve } from "node:path";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { didYouMean, joinWords, problemsOf, UsageError } from "../../packages/pipeline/errors.ts";
import { Registry } from "../../packages/pipeline/registry.ts";

/**
 * A file and its test for each kind; NAME stands for the name. The file begins with the line of a
 * pipeline that uses it, and a blank one.
 */
const TEMPLATES = new URL("./templates/", import.meta.url);
const kinds = [...Deno.readDirSync(TEMPLATES)].filter(({ name }) => name.endsWith("_test.txt"))
  .map(({ name }) => name.replace("_test.txt", "")).sort();

const template = (file: string) => Deno.readTextFile(new URL(`${file}.txt`, TEMPLATES));

const command: Command = {
  help: `Write a plugin to start from: its file, its test, and a pipeline that uses it.

  deno task new KIND NAME
  deno task new types [FOLDER]

  KIND     ${joinWords(kinds, "or")}
  NAME     in camelCase, such as myStage; its name in YAML
  FOLDER   where the plugin is written. Default: the current folder
  --help

new types writes plugin_api.d.ts: the types of the argument of export default (api) => ..., for a
plugin that lies elsewhere. It needs no file of this project beside it.

new KIND writes plugins/NAME.ts, tests/plugins/NAME_test.ts and experiments/NAME.yaml; existing files
are never replaced. Each one works as it is: test it, run it, then change it. A preset is run on
your own folder of photos.

Exit codes: 0 written, 2 wrong command line, or a file exists.`,
  async run(args, { project, reporter, cwd, stages }) {
    const { positionals: [kind, name, ...more] } = parseOptions("new", args, "help");
    if (kind === "types" && more.length === 0) {
      const path = resolve(cwd, name ?? ".", "plugin_api.d.ts");
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, await template("plugin_api"));
      reporter.log(`wrote ${path}`);
      return EXIT.ok;
    }
    if (kind === undefined || name === undefined || more.length > 0) {
      throw new UsageError(`expected a kind and a name: deno task new stage myStage`);
    }
    if (!kinds.includes(kind)) {
      throw new UsageError(
        `there is no kind "${kind}".${didYouMean(kind, [...kinds, "types"])} ` +
          `Take ${joinWords(kinds, "or")}, or types.`,
      );
    }
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) {
      throw new UsageError(`the name "${name}" is not in camelCase, such as myStage`);
    }
    if (kind === "stage" && stages.some((stage) => stage.name === name)) {
      throw new UsageError(`there is a stage "${name}" already: choose another name`);
    }
    const module = `plugins/${name}.ts`;
    const definition = { extends: kind, name, summary: kind };
    const registry = new Registry().add(stages);
    registry.extensions.push({ kind, name, module, definition }); // not made yet, so unchecked
    const check = () => Promise.all(registry.names().map((one) => registry.get(one)));
    const [taken] = await problemsOf([[[], check]]);
    if (taken) throw new UsageError(taken.message);
    const [use, code] = (await template(kind)).split(/\n\n(.*)/s);
    const pipeline = `# yaml-language-server: $schema=./NAME.schema.json
extends: ../pipeline.yaml
plugins: [../plugins/NAME.ts]
stages:
  ${use}
`;
    const files = {
      [join("plugins", `${name}.ts`)]: code!,
      [join("tests", "plugins", `${name}_test.ts`)]: await template(`${kind}_test`),
      [join("experiments", `${name}.yaml`)]: pipeline,
    };
    for (const path of Object.keys(files)) {
      const exists = await Deno.stat(join(project, path)).then(() => true, () => false);
      if (exists) throw new UsageError(`${path} exists already: choose another name`);
    }
    for (const [path, text] of Object.entries(files)) {
      const written = text.replaceAll("NAME", name);
      await Deno.mkdir(join(project, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(project, path), written, { createNew: true });
      reporter.log(`wrote ${path}`);
    }
    reporter.log(`Next: deno test -A tests/plugins/${name}_test.ts`);
    reporter.log(`      deno task schema experiments/${name}`);
    reporter.log(`      deno task run experiments/${name}`);
    return EXIT.ok;
  },
};
export default command;
