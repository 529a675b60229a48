/** A Python of the bench's own, with pinned packages, in the user's cache folder. */
import { join } from "node:path";

/** Packages by peer; what a peer is compared in must be said exactly. */
export const packages = {
  keras: ["keras==3.15.1", "tensorflow-cpu==2.21.0"],
} as const;

/**
 * The path of a Python that has the peer's packages; the first time, it is made.
 * @throws if there is no Python 3, or the packages cannot be installed
 */
export async function pythonFor(peer: keyof typeof packages): Promise<string> {
  const folder = join(cacheFolder(), "faces-bench", packages[peer].join("+").replaceAll("==", "-"));
  const python = Deno.build.os === "windows"
    ? join(folder, "Scripts", "python.exe")
    : join(folder, "bin", "python");
  const whole = join(folder, "whole");
  if (await exists(whole)) return python;
  console.error(`Installing ${packages[peer].join(" and ")} in ${folder}, once ...`);
  await must(Deno.build.os === "windows" ? "python" : "python3", ["-m", "venv", folder]);
  await must(python, ["-m", "pip", "install", "--quiet", ...packages[peer]]);
  await Deno.writeTextFile(whole, "");
  return python;
}

function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? ".";
  if (Deno.build.os === "windows") return Deno.env.get("LOCALAPPDATA") ?? home;
  if (Deno.build.os === "darwin") return join(home, "Library", "Caches");
  return Deno.env.get("XDG_CACHE_HOME") ?? join(home, ".cache");
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function must(command: string, args: string[]): Promise<void> {
  const why = await new Deno.Command(command, { args, stdout: "inherit", stderr: "inherit" })
    .output()
    .then(({ success }) => success ? undefined : "it failed, see above", String);
  if (why !== undefined) {
    throw new Error(
      `Cannot set up the Python peer: ${command} ${
        args.join(" ")
      }: ${why}. It needs Python 3 with ` +
        `venv and the network; or name a Python that has the packages with --python.`,
    );
  }
}
