/** `plugins:` of a pipeline → stages and extensions in the registry. */
import { join, relative } from "node:path";
import type { z } from "zod";
import { formatError, type Problem } from "../errors.ts";
import { isRecord } from "../fingerprint.ts";
import { fromFileUrl, isUrl, resolveFrom, toFileUrl } from "../paths.ts";
import type { ConfigOptions } from "./config.ts";
import type { ConfigSource } from "./config_source.ts";
import { addChoices } from "./extension.ts";
import { pluginEntry } from "./pipeline_schema.ts";
import { loadPlugin, type Plugin } from "./plugins.ts";
import { schemasOf } from "./stage_config.ts";
import { valueAt } from "./schemas.ts";

type PluginEntry = z.output<typeof pluginEntry>;

/**
 * Loads plugins into the registry.
 * @param results folders that others may write to: a pull does
 * @returns a problem for each that does not load
 */
export async function loadPlugins(
  entries: readonly (string | PluginEntry)[],
  source: ConfigSource,
  results: readonly string[],
  options: ConfigOptions,
): Promise<Problem[]> {
  const { project, registry } = options;
  const problems: Problem[] = [];
  for (const [i, plugin] of entries.entries()) {
    const path = ["plugins", i], folder = source.folderOf(path);
    const { use, ...limits } = typeof plugin === "string"
      ? pluginEntry.parse({ use: plugin })
      : plugin;
    try {
      const specifier = pluginSpecifier(use, folder);
      const allow = limits.allow.map((right) => {
        const [, kind, file] = right.match(/^(read|write):(.+)$/) ?? [];
        return file === undefined ? right : `${kind}:${resolveFrom(file, folder)}`;
      });
      const bounds = { ...limits, allow, written: valueAt(source.values, path) };
      const { stages, extensions } = await loadWithRights(specifier, bounds, results, options);
      registry.add(stages);
      const schemas = extensions.length > 0 ? await schemasOf(source, registry) : new Map();
      for (const params of schemas.values()) addChoices(params, extensions); // throws at its line
      registry.extend(extensions);
    } catch (error) {
      const message = formatError(error) + await wayFromProject(use, folder, project);
      problems.push({ at: source.at(path), message });
    }
  }
  return problems;
}

/** Returns the path of a plugin that is missing in a folder and would be there from the project. */
async function wayFromProject(use: string, folder: string, project: string): Promise<string> {
  const meant = resolveFrom(use, project);
  const [there, near] = await Promise.allSettled([resolveFrom(use, folder), meant].map(Deno.lstat));
  if (there!.status === "fulfilled" || near!.status === "rejected") return "";
  const path = relative(folder, meant).replaceAll("\\", "/");
  return `\n  A path counts from the folder of its file: did you mean "${path}"?`;
}

/**
 * Loads a plugin here if it is the user's own or has all rights, else in processes of few rights.
 * @param written its entry in the YAML
 * @param results folders that others may write to: a pull does
 */
async function loadWithRights(
  specifier: string,
  { written, ...limits }: Omit<PluginEntry, "use"> & { written: unknown },
  results: readonly string[],
  { project, pluginApi: api = import.meta.resolve("../serve_plugin.ts") }: ConfigOptions,
): Promise<Plugin> {
  const { allow: rights } = limits, all = rights.includes("all");
  const path = specifier.startsWith("file:") ? fromFileUrl(specifier) : "";
  const within = (folder: string) => path.startsWith(join(folder, "/"));
  const own = within(project) && !/[\\/]node_modules[\\/]/.test(path) && !results.some(within);
  const { use: _, allow: __, ...bounds } = isRecord(written) ? written : {};
  if (own && rights.length > 0 && !all) bounds.allow = `[${rights.join(", ")}]`;
  const [bound] = own || all ? Object.entries(bounds) : [];
  if (bound) {
    const [which, way] = own
      ? ["file of the project", ", or keep the plugin outside the project"]
      : ["plugin with allow: [all]", " or all"];
    throw new Error(
      `${bound.join(": ")} bounds no ${which}: it has all rights. Remove ${bound[0]}${way}`,
    );
  }
  const { stages, extensions } = own || all
    ? await loadPlugin(specifier, async () => (await import(api)).api)
    : await import("../third_party.ts").then(({ loadThirdParty }) =>
      loadThirdParty({ ...limits, specifier, api, project })
    );
  if (own) return { stages, extensions };
  return {
    stages: stages.map((one) => ({ ...one, rights })),
    // Presets are data.
    extensions: extensions.map((one) => all || one.definition.sandbox ? { ...one, rights } : one),
  };
}

/** Returns the specifier of a plugin: a package as it is, a file as URL. */
export function pluginSpecifier(written: string, folder: string): string {
  const isPackage = /^(npm:|@?[a-z0-9][\w-]*(\/|$))/i.test(written) &&
    !/\.[cm]?[jt]sx?$/.test(written);
  return isPackage || isUrl(written) ? written : toFileUrl(resolveFrom(written, folder));
}
