/**
 * Plugins from npm or from outside the project. Their declarations are read in a process without
 * rights, once for each content; their stages run in processes too.
 */
import { dirname, join } from "node:path";
import { z } from "zod";
import { DenoLock } from "./cache/deno_lock.ts";
import { ImportMap } from "./cache/import_map.ts";
import { ModuleHasher } from "./cache/module_graph.ts";
import type { Extension } from "./config/extension.ts";
import { factsSchema, noticeLoading, type Plugin, problemsSchema } from "./config/plugins.ts";
import { type Definition, NAME } from "./define.ts";
import { RunError } from "./errors.ts";
import { canonicalJson, sha256 } from "./fingerprint.ts";
import { fromFileUrl, pluginName, readTextIfExists } from "./paths.ts";
import { apiVersion } from "./plugin_api.ts";
import {
  cachePackages,
  type CallOptions,
  callPlugin,
  openPlugin,
  packagesFolder,
  type PluginProcess,
  type Sandbox,
} from "./sandbox.ts";
import type { CheckContext, Stage, StageContext } from "./stage.ts";
import { metricsSchema } from "./stage_record.ts";
import { readState, writeState } from "./state.ts";

export type Call =
  | { readonly declare: true }
  /** With its arguments as bytes; `of`: the options of its `open()`, whose result has the method. */
  | { readonly definition: string; readonly kind: string; readonly method: string; of?: unknown }
  | { readonly stage: string; readonly params: unknown }
    & (
      | { readonly external: { artifacts: string } }
      | { readonly check: { artifacts: string } }
      | {
        readonly run: { readonly inputs: Parameters<Stage["run"]>[0]; readonly context: Context };
      }
    );

/** The part of a stage's context that is data, as far as the stage declares it. */
type Context =
  & Pick<StageContext, "id" | "outputs" | "scratch">
  & Partial<Pick<StageContext, "seed" | "compute" | "lineage">>;

/** Minutes that reading declarations may take. */
const MAX_MINUTES = 1;

/** Number of lines that a stage may log. */
const MAX_LINES = 10_000;

const name = z.string().regex(NAME);
const line = z.string().max(500);
const kind = z.strictObject({
  kind: name,
  summary: line,
  files: z.record(z.string().regex(/^(?!.*\.\.)[^\\/].*$/), line),
  optional: z.array(line).optional(),
  volatile: z.array(line).optional(),
});
const params = z.record(z.string(), z.unknown());

const declarationsSchema = z.strictObject({
  stages: z.array(z.strictObject({
    name,
    summary: line,
    inputs: z.record(
      name,
      z.union([kind, z.strictObject({ all: kind, orNone: z.boolean(), named: z.boolean() })]),
    ),
    outputs: z.record(name, kind),
    params,
    ignoreInCacheKey: z.array(line),
    seeded: z.boolean(),
    compute: z.boolean(),
    lineage: z.boolean(),
    service: z.boolean(),
    external: z.boolean(),
    check: z.boolean(),
  })),
  definitions: z.array(z.looseObject({
    extends: name,
    name,
    summary: line,
    former: z.array(name).optional(),
    params: params.optional(),
    isData: z.boolean(),
  })),
});

/** A plugin's stages and definitions as JSON. */
export type Declarations = z.output<typeof declarationsSchema>;

const cacheSchema = z.object({ key: z.string(), declarations: declarationsSchema });

const eventSchema = z.union([
  z.tuple([z.literal("start"), z.number().min(0), line, z.number().min(0)]),
  z.tuple([z.literal("advance"), z.number(), line]),
  z.tuple([z.enum(["info", "warn"]), z.string().max(10_000)]),
], "expected start(total, unit, done), advance(items, note), info(text) or warn(text)");

const resultSchema = z.strictObject({
  metrics: metricsSchema.optional(),
  show: z.array(z.string().regex(/^(?!.*\.\.)[^\\/].*$/)).optional(),
  observed: z.record(z.string(), z.unknown()).optional(),
  caution: line.optional(),
}).nullish();

/** Reads a plugin's declarations, by a process or from the last time. */
export async function loadThirdParty(given: Omit<Sandbox, "modules">): Promise<Plugin> {
  try {
    return await load(given);
  } catch (cause) {
    const { state } = await Deno.permissions.query({ name: "run" });
    if (state === "granted") throw cause;
    const message =
      `plugin "${pluginName(given.specifier)}" is read by a process, which this command ` +
      "may not start. Run the pipeline once with --dry-run, which reads it for all commands";
    // Of a process that esbuild may not start, Deno throws one that explains nothing.
    throw new Error(message, cause instanceof TypeError ? {} : { cause });
  }
}

async function load(given: Omit<Sandbox, "modules">): Promise<Plugin> {
  const { specifier, project } = given;
  await refuseSharedFolder(specifier, project);
  const before = await contentOf(specifier, given);
  const sandbox = { ...given, modules: before.files };
  const name = `${sha256(specifier).slice(0, 16)}.json`;
  const file = join(project, "artifacts/.cache/plugins", name);
  const { value } = await readState<z.output<typeof cacheSchema>>(file, { shape: cacheSchema });
  let declarations = value?.key === before.key ? value.declarations : undefined;
  if (!declarations) {
    const bare = { ...sandbox, allow: [], minutes: Math.min(given.minutes, MAX_MINUTES) };
    if (before.packages.length > 0) await cachePackages(specifier, project);
    using _notice = noticeLoading(specifier);
    const answer = await callPlugin(bare, { declare: true });
    declarations = validated(declarationsSchema, answer, specifier);
    // A download may have locked the package.
    const { key } = await contentOf(specifier, given);
    await Deno.mkdir(dirname(file), { recursive: true })
      .then(() => writeState(file, { key, declarations }))
      .catch(() => {}); // a read-only folder
  }
  return {
    stages: declarations.stages.map((stage) => ({
      name: stage.name,
      module: specifier,
      plugin: true,
      load: () => Promise.resolve({ default: stageOf(stage, sandbox) }),
    })),
    extensions: declarations.definitions.map(({ params, isData, ...one }) => ({
      kind: one.extends,
      name: one.name,
      module: specifier,
      isData,
      definition: {
        ...one,
        ...(params && { params: toZod(params) }),
        call: undefined,
        sandbox: isData ? undefined : sandbox,
      } as Definition,
    })),
  };
}

/** The plugin may read its folder, which must be its own. */
async function refuseSharedFolder(specifier: string, project: string): Promise<void> {
  if (!specifier.startsWith("file:")) return;
  const written = dirname(fromFileUrl(specifier));
  const folder = await Deno.realPath(written).catch(() => undefined);
  if (folder === undefined) {
    throw new Error(`cannot load plugin "${pluginName(specifier)}": there is no folder ${written}`);
  }
  const shared = [project, Deno.env.get("HOME")].find((other) =>
    other !== undefined && join(other, "/").startsWith(join(folder, "/"))
  );
  if (shared === undefined) return;
  const name = pluginName(specifier);
  throw new Error(
    `plugin "${name}" lies in "${folder}", which has ${shared} in it, and it may read its folder. ` +
      "Name a file in a folder of its own",
  );
}

/** Returns a hash of a module's code and of its API's, and the files of the project that it imports. */
async function contentOf(specifier: string, { project, api }: Pick<Sandbox, "project" | "api">) {
  const imports = await ImportMap.read(project);
  const cache = join(project, "artifacts", ".cache", "plugin_modules.json");
  const hasher = new ModuleHasher(project, cache, imports);
  const graph = await hasher.graph(specifier, []), { modules: ours } = await hasher.graph(api, []);
  await hasher.close();
  const lock = new DenoLock(await readTextIfExists(join(project, "deno.lock")));
  const packages = lock.versions(graph.packages);
  const content = { apiVersion, deno: Deno.version.deno, modules: graph.modules, ours, packages };
  const files = Object.keys(graph.modules)
    .filter((path) => /^(?!\.|\/|artifacts\/).*\.([cm]?[jt]s|wasm)$/.test(path))
    .map((path) => join(project, path));
  return { key: sha256(canonicalJson(content)), files, packages: graph.packages };
}

function toZod(schema: Record<string, unknown>): z.ZodObject {
  return z.fromJSONSchema(schema) as unknown as z.ZodObject;
}

function validated<T>(schema: z.ZodType<T>, value: unknown, specifier: string, part = ""): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new RunError(
    `${part}plugin "${pluginName(specifier)}" answered what is not valid: ${
      z.prettifyError(error)
    }`,
  );
}

/** Returns a stage whose functions run in processes. */
function stageOf(declared: Declarations["stages"][number], sandbox: Sandbox): Stage {
  const { name, seeded, compute, external, check, params: schema, ...rest } = declared;
  const call = async <T>(schema: z.ZodType<T>, task: Call): Promise<T> =>
    validated(schema, await callPlugin(sandbox, task), sandbox.specifier);
  const stage = {
    ...rest,
    name,
    bounded: true,
    params: toZod(schema),
    seeded: () => seeded,
    canBeSeeded: seeded,
    compute: () => compute,
    external: async (params: unknown, { artifacts } = { artifacts: "" }) =>
      external ? await call(factsSchema, { stage: name, params, external: { artifacts } }) : {},
    ...(check && {
      // Parameters of other stages may have passwords.
      check: (params: unknown, { artifacts }: CheckContext) =>
        call(problemsSchema, { stage: name, params, check: { artifacts } }),
    }),
  };
  return Object.freeze({ ...stage, run: runner(stage, sandbox) });
}

/** Returns a stage that runs as a whole in a process, since definitions of plugins take part. */
export function inProcess(stage: Stage, extensions: readonly Extension[], module: string): Stage {
  const sandboxes = extensions.flatMap(({ definition }) => definition.sandbox ?? []);
  const [first, second] = new Map(sandboxes.map((one) => [one.specifier, one])).values();
  if (!first) return stage;
  if (second) {
    throw new Error(
      `it takes from two third-party plugins, "${first.specifier}" and ` +
        `"${second.specifier}", which would share their rights. Use one at a time`,
    );
  }
  const code = extensions.filter(({ isData }) => !isData).map(({ module }) => module);
  const plugins = [...new Set(code)].filter((one) => one !== first.specifier);
  const options = async (): Promise<CallOptions> => {
    const contents = [module, ...plugins].map((one) => contentOf(one, first));
    const files = (await Promise.all(contents)).flatMap(({ files }) => files);
    return { plugins, env: ENV, read: [...files, await packagesFolder()] };
  };
  return Object.freeze({ ...stage, bounded: true, run: runner(stage, first, options) });
}

/** Returns a stage that runs here, whose calls of plugins' functions go to a process of each. */
export function callingPlugins(stage: Stage): Stage {
  const run = async (...[inputs, params, context]: Parameters<Stage["run"]>) => {
    await using open = new AsyncDisposableStack();
    const processes = new Map<string, Promise<PluginProcess>>();
    const start = async (sandbox: Sandbox) =>
      open.use(await openPlugin(sandbox, { signal: context.signal }));
    const withCall = (one: Definition): Definition => {
      const { sandbox, extends: kind, name: definition } = one;
      if (!sandbox) return one;
      const call: Definition["call"] = async (method, schema, ...args) => {
        const { specifier } = sandbox;
        const process = await processes.getOrInsertComputed(specifier, () => start(sandbox));
        const answer = await process.call({ kind, definition, method } satisfies Call, args);
        return validated(schema, answer, specifier, `${method}() of ${kind} "${definition}" of `);
      };
      return { ...one, call };
    };
    const definitions = (kind: string) => context.definitions(kind).map(withCall);
    // Its getters throw for what the stage does not declare.
    const inner = Object.create(context, { definitions: { value: definitions } });
    return await stage.run(inputs, params, inner);
  };
  return Object.freeze({ ...stage, run });
}

/** Environment variables that built-in stages read. */
const ENV = ["CORES"];

function runner(
  stage: Pick<Stage, "name" | "seeded" | "compute" | "lineage" | "service">,
  sandbox: Sandbox,
  options = (): Promise<CallOptions> => Promise.resolve({}),
): Stage["run"] {
  return async (inputs, params, context) => {
    const more = await options(), compute = stage.compute(params);
    const { id, outputs, scratch, signal, progress } = context;
    let lines = 0;
    const onEvent = (event: unknown) => {
      const message = validated(eventSchema, event, sandbox.specifier);
      if (message[0] === "start") progress.start(message[1], message[2], message[3]);
      else if (message[0] === "advance") progress.advance(message[1], message[2] || undefined);
      else if (++lines <= MAX_LINES) context[message[0]](message[1]);
      else {
        const name = pluginName(sandbox.specifier);
        throw new Error(`plugin "${name}" logs more than ${MAX_LINES} lines`);
      }
    };
    const declared: Context = {
      id,
      outputs,
      scratch,
      ...(stage.seeded(params) && { seed: context.seed }),
      ...(compute && { compute: context.compute }),
      ...(stage.lineage && { lineage: context.lineage }),
    };
    const task: Call = { stage: stage.name, params, run: { inputs, context: declared } };
    const answer = await callPlugin(sandbox, task, {
      ...more,
      signal,
      endless: stage.service,
      onEvent,
      gpu: compute && context.compute === "webgpu",
      read: [...Object.values(inputs).flat().map(({ path }) => path), ...more.read ?? []],
      write: [...Object.values(outputs), scratch],
    });
    const result = validated(resultSchema, answer, sandbox.specifier);
    return result as Awaited<ReturnType<Stage["run"]>> ?? undefined;
  };
}
