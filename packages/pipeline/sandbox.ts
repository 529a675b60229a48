/**
 * The process of a third-party plugin. Deno's permissions are the boundary: it may read the plugin's
 * package, its inputs and what it writes, and has the rights that the pipeline grants.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { serialize } from "node:v8";
import { startChild } from "@reproducible/workers/child";
import { RunError } from "./errors.ts";
import { fromFileUrl, pluginName } from "./paths.ts";

/** A third-party plugin, and the limits of its processes. */
export interface Sandbox {
  /** File URL or package. */
  readonly specifier: string;
  /** Folder of the project. */
  readonly project: string;
  /** URL of the program that runs it; see `App.pluginApi`. */
  readonly api: string;
  /** Granted rights, as in the YAML. */
  readonly allow: readonly string[];
  /** Maximum memory of a process and size of what it writes in GB, and time of a call in minutes. */
  readonly memory: number;
  readonly disk: number;
  readonly minutes: number;
  /** Modules of the project that it imports. */
  readonly modules: readonly string[];
}

/** Rights of a call beside the package, and its observer. */
export interface CallOptions {
  readonly read?: readonly string[];
  readonly write?: readonly string[];
  readonly env?: readonly string[];
  /** Allows WebGPU, for which Deno asks no right though it loads the machine's drivers. */
  readonly gpu?: boolean;
  /** Further modules that the process loads. */
  readonly plugins?: readonly string[];
  readonly signal?: AbortSignal;
  /** True for a service, whose time is not bounded. */
  readonly endless?: boolean;
  onEvent?(event: unknown): void;
}

/** Maximum bytes of an answer: this process must hold it. */
export const MAX_MESSAGE = 16e6;

/**
 * Ends a process ($1) whose resident memory exceeds a limit ($2, in kB), whose folders ($4 and others)
 * exceed another ($3), or whose parent is gone.
 */
const WATCHER = `pid=$1 memory=$2 disk=$3 n=0; shift 3
end() { kill -9 $pid; echo $1; exit; }
while sleep 0.2; do
  kill -0 $PPID || end parent
  if [ -r /proc/$pid/statm ]; then read -r _ pages _ < /proc/$pid/statm; rss=$((pages * 4))
  else rss=$(ps -o rss= -p $pid); fi
  [ -z "$rss" ] && exit
  [ $rss -gt $memory ] && end memory
  n=$(((n + 1) % 5))
  [ $# -gt 0 ] && [ $n = 0 ] && [ $(du -skc "$@" | tail -n 1 | cut -f 1) -gt $disk ] && end disk
done 2> /dev/null`;

/** The process of a plugin, which answers one call after the other. */
export interface PluginProcess extends AsyncDisposable {
  /** @param args sent beside the task, as bytes @returns the answer as parsed JSON */
  call(task: unknown, args?: readonly unknown[]): Promise<unknown>;
}

/** Calls a function of a plugin in a new process, and returns its answer as parsed JSON. */
export async function callPlugin(
  sandbox: Sandbox,
  task: unknown,
  options: CallOptions = {},
): Promise<unknown> {
  await using process = await openPlugin(sandbox, options);
  return await process.call(task);
}

export async function openPlugin(
  sandbox: Sandbox,
  options: CallOptions = {},
): Promise<PluginProcess> {
  const { specifier, project, api, allow, memory, disk, minutes } = sandbox;
  const { signal, endless = false, onEvent } = options;
  signal?.throwIfAborted();
  const ready = Promise.withResolvers<unknown>();
  let current = ready;
  const end = Promise.withResolvers<never>();
  for (const { promise } of [ready, end]) promise.catch(() => {}); // reported by a call
  const name = pluginName(specifier);
  const fail = (why: string) => end.reject(new RunError(`the process of plugin "${name}" ${why}`));
  const child = startChild({
    module: new URL(api),
    opening: { plugins: [specifier, ...options.plugins ?? []], project },
    heap: Math.ceil(memory * 1000),
    maxMessage: MAX_MESSAGE,
    flags: await flagsOf(sandbox, options),
    env: options.gpu || allow.includes("ffi") ? {} : { DENO_WEBGPU_BACKEND: "none" },
  }, {
    reply(reply) {
      if ("error" in reply) current.reject(explained(reply.error, reply.stack, options.read));
      else if ("ready" in reply) current.resolve(undefined);
      else if (!reply.event) current.resolve(withoutPrototypes(reply.answer));
      else {
        try {
          onEvent?.(withoutPrototypes(reply.answer));
        } catch (error) {
          end.reject(error);
        }
      }
    },
    // The watcher, which may have ended it, knows the reason.
    crashed: (how) =>
      watching.finally(() =>
        end.reject(explained(`the process of plugin "${name}" ended: ${how}`))
      ),
  });
  const abort = () => end.reject(signal!.reason);
  signal?.addEventListener("abort", abort);
  const limits = { memory, disk };
  const watching = watch(child.pid, limits, options.write).then((over) => {
    if (over === "memory" || over === "disk") {
      fail(`took more than ${limits[over]} GB of ${over}. Set ${over}: on its line of plugins`);
    }
  });
  const call: PluginProcess["call"] = async (task, args) => {
    const timer = endless ? undefined : setTimeout(
      () => fail(`took more than ${minutes} minutes. Set minutes: on its line of plugins`),
      minutes * 60_000,
    );
    try {
      await Promise.race([end.promise, ready.promise]);
      current = Promise.withResolvers();
      child.send(task, args && serialize(args));
      return await Promise.race([end.promise, current.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
  let last: Promise<unknown> = Promise.resolve();
  return {
    call: (task, args) => last = last.catch(() => {}).then(() => call(task, args)),
    async [Symbol.asyncDispose]() {
      signal?.removeEventListener("abort", abort);
      fail("has ended");
      await child.close();
      await watching;
    },
  };
}

/** Watches a process until it ends. Returns the limit for which it was ended, if any. */
async function watch(
  pid: number,
  { memory, disk }: Pick<Sandbox, "memory" | "disk">,
  folders: readonly string[] = [],
): Promise<string> {
  if (Deno.build.os === "windows") return "";
  const limits = [memory, disk].map((gigabytes) => `${Math.ceil(gigabytes * 1e6)}`);
  const args = ["-c", WATCHER, "sh", `${pid}`, ...limits, ...folders];
  const { stdout } = await new Deno.Command("sh", { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout).trim();
}

/** Returns a copy of JSON without keys that could change the prototype of what it is merged into. */
function withoutPrototypes(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(
    JSON.stringify(value),
    (key, part) => key === "__proto__" ? undefined : part,
  );
}

/** Returns an error of the process, with the right that it lacks. @param inputs what it may read */
function explained(message: string, stack?: string, inputs: readonly string[] = []): Error {
  const [, kind, rest = ""] = message.match(/Requires (\w+) access(?: to (.*?))?, run again/) ?? [];
  const quoted = rest.match(/^"(.*)"$/)?.[1];
  const host = message.match(/(?:getaddrinfo EPERM|query\w+ UNKNOWN) (\S+)/)?.[1];
  const right = host !== undefined
    ? `net:${host}`
    : kind === "import" || /Deno\.symlink(Sync)?\(\)/.test(message)
    ? "all" // other code, or a link to everywhere
    : kind && (quoted === undefined ? kind : `${kind}:${quoted}`);
  const Plain = stack === undefined ? RunError : Error;
  // Results of other stages never change.
  const wayOut = kind === "write" && inputs.some((path) => quoted?.startsWith(join(path, "/")))
    ? "Inputs are read-only: write into context.outputs or context.scratch"
    : `If you trust the plugin, add to its line of plugins: allow: ["${right}"]`;
  const error = right === undefined
    ? new Plain(message)
    : new RunError(`it has no right to that: ${message.replace(/, run again[^]*/, "")}. ${wayOut}`);
  error.stack = stack ?? error.stack!;
  return error;
}

async function flagsOf(
  { specifier, allow, modules }: Sandbox,
  { read = [], write = [], env = [] }: CallOptions,
): Promise<string[]> {
  // Deno checks what is asked about an open file by its real path.
  const real = [...read, ...write].map((path) => Deno.realPath(path).catch(() => path));
  const given = [await packageFolder(specifier), ...modules, ...read, ...write];
  const own = { env, read: [...given, ...await Promise.all(real)], write };
  const rights = new Map<string, readonly string[]>(Object.entries(own));
  for (const right of allow) {
    const [kind = "", value = ""] = right.split(/:(.*)/s);
    rights.set(kind, [...rights.get(kind) ?? [], value]);
  }
  // Nothing is fetched: an import would reach any host of a registry.
  return ["--cached-only", "--no-remote", "--deny-import"].concat(
    [...rights].flatMap(([kind, values]) => {
      if (values.length === 0) return [];
      const parted = values.find((value) => value.includes(","));
      if (parted !== undefined) {
        const why = `"${parted}" has a comma, which ends a path in Deno's permissions`;
        throw new RunError(
          `Cannot run the plugin "${pluginName(specifier)}": ${why}. Rename the folder.`,
        );
      }
      return values.includes("") ? `--allow-${kind}` : `--allow-${kind}=${values.join(",")}`;
    }),
  );
}

/** Returns the folder of a plugin's package. @throws if it has more in it than the plugin */
async function packageFolder(specifier: string): Promise<string> {
  if (!specifier.startsWith("file:")) return await npmFolder(specifier);
  const folder = dirname(fromFileUrl(specifier));
  await refuseLinks(folder, folder);
  return folder;
}

/** Links would lead out of the folder, since Deno checks the path that is written. */
async function refuseLinks(folder: string, root: string): Promise<void> {
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) await refuseLinks(path, root);
    if (!isSymlink) continue;
    const target = await Deno.realPath(path).catch(() => "nothing");
    if (target.startsWith(join(await Deno.realPath(root), "/"))) continue;
    throw new RunError(`the plugin's folder has a link to elsewhere: ${path}. Remove it`);
  }
}

/** Downloads a plugin's packages, which runs nothing of them. */
export async function cachePackages(specifier: string, project: string): Promise<void> {
  const args = ["cache", "--quiet", "--config", join(project, "deno.json"), specifier];
  await deno(...args).catch((cause) => {
    throw new RunError(`cannot load plugin "${pluginName(specifier)}"`, { cause });
  });
}

/** Returns a package's folder in Deno's cache. */
async function npmFolder(specifier: string): Promise<string> {
  const code = `console.log(import.meta.resolve(${JSON.stringify(specifier)}))`;
  let folder = dirname(fileURLToPath((await deno("eval", "--quiet", code)).trim()));
  while (!await Deno.stat(join(folder, "package.json")).then(() => true, () => false)) {
    folder = dirname(folder);
  }
  return folder;
}

/** Returns the folder of all packages in Deno's cache. */
export async function packagesFolder(): Promise<string> {
  return JSON.parse(await deno("info", "--json")).npmCache;
}

async function deno(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
  }).output();
  if (!success) throw new RunError(new TextDecoder().decode(stderr).trim().replace(/^error: /, ""));
  return new TextDecoder().decode(stdout);
}
