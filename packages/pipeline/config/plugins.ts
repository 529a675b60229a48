/**
 * Stages from outside, and what is added to their choices: a file or an npm package whose default
 * export is a stage or an extension, a list of them, or a function of the API that returns these.
 */
import { z } from "zod";
import { checkMembers, described } from "../check_definition.ts";
import { method } from "../define.ts";
import { cut, placeIn, quote } from "../errors.ts";
import { type Extension, isExtension } from "./extension.ts";
import { isRecord } from "../fingerprint.ts";
import { pluginName } from "../paths.ts";
import type { LazyStage } from "../registry.ts";
import { apiVersion } from "../plugin_api.ts";
import type { All, Kind, Stage } from "../stage.ts";
import { RESERVED } from "./stage_config.ts";

export interface Plugin {
  readonly stages: readonly LazyStage[];
  readonly extensions: readonly Extension[];
}

/** Time in ms after which a plugin that is loading is named. */
const NOTICE_MS = 10_000;

/** Names a plugin that takes long to load: Deno names no module whose top level never ends. */
export function noticeLoading(specifier: string): Disposable {
  const notice = () => console.error(`waiting for plugin "${pluginName(specifier)}" to load`);
  const timer = setTimeout(notice, NOTICE_MS);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/**
 * Imports a plugin and lists its stages and extensions.
 * @param specifier a file URL, or an npm package (`npm:name@1.2.3`, or a bare name of deno.json)
 * @param api returns what a default export that is a function receives
 */
export async function loadPlugin(
  specifier: string,
  api: () => Promise<object> = () => import("../plugin_api.ts"),
): Promise<Plugin> {
  const name = pluginName(specifier);
  let exported: unknown[];
  using _notice = noticeLoading(specifier);
  try {
    const module = await import(specifier) as { default?: unknown; apiVersion?: unknown };
    const make = typeof module.default === "function" ? module.default : undefined;
    const version = module.apiVersion ??
      (make && !specifier.startsWith("file:") ? undefined : apiVersion);
    if (version !== apiVersion) {
      throw new Error(
        `its apiVersion is ${version === undefined ? "none" : quote(version)}, and this is ` +
          `version ${apiVersion}. Take another version of the plugin, or write: ` +
          `export const apiVersion = ${apiVersion};`,
      );
    }
    exported = [make ? await make(await api()) : module.default].flat();
  } catch (cause) {
    const at = placeIn(cause, specifier);
    const { code, message = "" } = Object(cause) as { code?: unknown; message?: string };
    const why = code === "ERR_MODULE_NOT_FOUND" && !message.startsWith("SyntaxError")
      ? `, which imports a missing file at ${at}. CHANGELOG.md lists files that moved`
      : `, which throws at ${at}`;
    throw new Error(`cannot load plugin "${name}"${at ? why : ""}`, { cause });
  }
  if (exported.length === 0) throw new Error(`plugin "${name}" has no stages in its list`);
  return {
    stages: exported.filter((one) => !isExtension(one))
      .map((stage) => stageOf(stage as Stage, name, specifier)),
    extensions: exported.filter(isExtension).map((definition) => {
      const { extends: kind, name } = definition;
      return { kind, name, module: specifier, definition };
    }),
  };
}

function isKind(value: unknown): value is Kind {
  return typeof (value as Partial<Kind> | undefined)?.kind === "string";
}

const wiring = (isOne: (value: unknown) => boolean) =>
  z.custom(
    (map) => isRecord(map) && Object.values(map).every(isOne),
    "expected name: kind, as in { images }, or {}",
  );

/** Members of a stage that `defineStage` does not fill in. */
const stageMembers = z.looseObject({
  ...described,
  inputs: wiring((value) => isKind(value) || isKind((value as Partial<All> | null)?.all)),
  outputs: wiring(isKind),
  run: method,
});

function stageOf(stage: Stage, name: string, specifier: string): LazyStage {
  if (typeof stage?.name !== "string") {
    throw new Error(
      `plugin "${name}" has no stage as its default export. Write: export default defineStage({ ... }), ` +
        "or outside the project: export default (api) => api.defineStage({ ... }).",
    );
  }
  const title = `stage "${stage.name}" of plugin "${name}"`;
  const refuse = (why: string) => {
    throw new Error(`${title} ${why}`);
  };
  // Without TypeScript anything may be exported; `defineStage` fills in what is left out.
  if (typeof stage.canBeSeeded !== "boolean" || typeof stage.external !== "function") {
    refuse("is a plain object. Write: export default defineStage({ ... }).");
  }
  checkMembers(stage, stageMembers, title);
  // `def` is zod's own account of a schema; of another major version it is not there.
  const { type, catchall } = (stage.params as Partial<z.ZodObject>)?.def ?? {};
  if (type !== "object" || catchall?._zod.def.type !== "never") {
    refuse("would let unknown parameters pass: declare its params with z.strictObject of zod 4");
  }
  const taken = RESERVED.find((key) => Object.hasOwn(stage.params.shape, key));
  if (taken !== undefined) {
    refuse(`has a parameter "${taken}", which is the runner's own word for every stage: rename it`);
  }
  const load = () => Promise.resolve({ default: checked(stage) });
  return { name: stage.name, module: specifier, plugin: true, load };
}

/** The schema of what `external` of a stage returns. */
export const factsSchema = z.record(z.string(), z.string())
  .describe("texts by name, such as { photos: digest }");

/** The schema of what `check` of a stage returns. */
export const problemsSchema = z.array(z.strictObject({
  path: z.array(z.union([z.string(), z.number()])).default([]),
  message: z.string(),
})).describe('a list of { path: ["parameter"], message }');

/** Returns a stage that refuses facts and problems of another form: undefined would change no key. */
function checked(stage: Stage): Stage {
  const parsed = <T>(method: string, schema: z.ZodType<T>, value: unknown): T => {
    const { success, data } = schema.safeParse(value);
    if (success) return data;
    const returned = `${method}() returned ${cut(Deno.inspect(value))}`;
    throw new Error(`Cannot use stage "${stage.name}": ${returned}. Return ${schema.description}.`);
  };
  const { external, check } = stage;
  return Object.freeze({
    ...stage,
    external: async (...given: Parameters<Stage["external"]>) =>
      parsed("external", factsSchema, await external(...given)),
    ...(check && {
      check: async (...given: Parameters<typeof check>) =>
        parsed("check", problemsSchema, await check(...given) ?? []),
    }),
  });
}
