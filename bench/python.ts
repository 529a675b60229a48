/** Pythons of the bench's own, one a peer, with pinned packages, in the user's cache folder. */
import { join } from "node:path";

export type PythonPeer = "keras" | "torch" | "scipy" | "dlib" | "cleanlab";

/** TensorFlow's build for processors alone is published for these. */
const slim = Deno.build.arch === "x86_64" && Deno.build.os !== "darwin";

/** Packages by peer; exact versions, which reports name. */
export const packages: Record<PythonPeer, readonly string[]> = {
  keras: ["keras==3.15.1", `${slim ? "tensorflow-cpu" : "tensorflow"}==2.21.0`, "numpy==2.4.6"],
  torch: ["torch==2.15.0", "numpy==2.4.6"],
  scipy: ["scipy==1.17.1", "numpy==2.4.6"],
  cleanlab: ["cleanlab==2.9.0"],
  dlib: ["dlib-bin==20.0.1.post1", "numpy==2.4.6"],
};

/** Warnings before installations that take long. */
const warnings: Partial<Record<PythonPeer, string>> = {
  torch: Deno.build.os === "linux"
    ? "The package index has PyTorch for Linux only with CUDA's libraries, some gigabytes; a " +
      "Python with a lighter build may be named with --python torch=PATH."
    : undefined,
};

/**
 * The path of a Python that has the peer's packages; the first time, it is made.
 * @throws if there is no Python 3, or the packages cannot be installed
 */
export async function pythonFor(peer: PythonPeer): Promise<string> {
  const folder = join(cacheFolder(), "faces-bench", packages[peer].join("+").replaceAll("==", "-"));
  const python = Deno.build.os === "windows"
    ? join(folder, "Scripts", "python.exe")
    : join(folder, "bin", "python");
  const whole = join(folder, "whole"); // written last: without it the folder is made anew
  if (await exists(whole)) return python;
  console.error(`Installing ${packages[peer].join(", ")} in ${folder}, once ...`);
  if (warnings[peer]) console.error(warnings[peer]);
  await must(Deno.build.os === "windows" ? "python" : "python3", [
    ...["-m", "venv", "--clear", folder],
  ]);
  await must(python, ["-m", "pip", "install", "--quiet", ...packages[peer]]);
  await Deno.writeTextFile(whole, "");
  return python;
}

/**
 * Reads `--python`: one path for all peers, or `keras=PATH,torch=PATH`.
 * @throws if a name before `=` is no peer's
 */
export function parsePythons(text: string | undefined): Partial<Record<PythonPeer, string>> {
  if (text === undefined) return {};
  if (!text.includes("=")) return { keras: text, torch: text };
  return Object.fromEntries(
    text.split(",").map((entry) => {
      const [peer, path] = entry.split(/=(.*)/s);
      if (!(peer in packages) || !path) {
        throw new Error(
          `Cannot read "--python ${text}": "${entry}" is not PEER=PATH with a peer of ` +
            `${Object.keys(packages).join(", ")}.`,
        );
      }
      return [peer, path];
    }),
  );
}

function cacheFolder(): string {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? ".";
  if (Deno.build.os === "windows") return Deno.env.get("LOCALAPPDATA") ?? home;
  if (Deno.build.os === "darwin") return join(home, "Library", "Caches");
  return Deno.env.get("XDG_CACHE_HOME") || join(home, ".cache");
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function must(command: string, args: string[]): Promise<void> {
  // To stderr, all of it: stdout may be read as JSON.
  const why = await new Deno.Command(command, { args, stdout: "null", stderr: "inherit" }).output()
    .then(({ success }) => success ? undefined : "it failed, see above", String);
  if (why !== undefined) {
    throw new Error(
      `Cannot set up the Python peer: "${command} ${args.join(" ")}": ${why}. It needs Python 3 ` +
        `with venv and the network; or name a Python that has the packages with --python.`,
    );
  }
}
