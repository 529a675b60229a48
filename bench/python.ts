/** Pythons of the bench's own, one a peer, with pinned packages, in the user's cache folder. */
import { join } from "node:path";
import { cacheFolder } from "../packages/compute/cache_folder.ts";

type PythonPeer = "keras" | "scipy" | "dlib";

/** TensorFlow's build for processors alone is published for these. */
const slim = Deno.build.arch === "x86_64" && Deno.build.os !== "darwin";

/** Packages by peer. */
const packages: Record<PythonPeer, readonly string[]> = {
  keras: ["keras==3.15.1", `${slim ? "tensorflow-cpu" : "tensorflow"}==2.21.0`, "numpy==2.4.6"],
  scipy: ["scipy==1.17.1", "numpy==2.4.6"],
  dlib: ["dlib-bin==20.0.1.post1", "numpy==2.4.6"],
};

/**
 * The path of a Python that has the peer's packages; the first time, it is made.
 * @throws if there is no Python 3, or the packages cannot be installed
 */
export async function pythonFor(peer: PythonPeer): Promise<string> {
  const folder = join(cacheFolder(), "bench", packages[peer].join("+").replaceAll("==", "-"));
  const python = Deno.build.os === "windows"
    ? join(folder, "Scripts", "python.exe")
    : join(folder, "bin", "python");
  const whole = join(folder, "whole"); // written last: without it the folder is made anew
  if (await Deno.stat(whole).catch(() => undefined)) return python;
  console.error(`Installing ${packages[peer].join(", ")} in ${folder}, once ...`);
  await must(Deno.build.os === "windows" ? "python" : "python3", [
    ...["-m", "venv", "--clear", folder],
  ]);
  await must(python, ["-m", "pip", "install", "--quiet", ...packages[peer]]);
  await Deno.writeTextFile(whole, "");
  return python;
}

async function must(command: string, args: string[]): Promise<void> {
  const why = await new Deno.Command(command, { args, stdout: "null", stderr: "inherit" })
    .output()
    .then(({ success }) => success ? undefined : "it failed, see above", String);
  if (why !== undefined) {
    throw new Error(
      `Cannot set up the Python peer: "${command} ${args.join(" ")}": ${why}. It needs Python 3 ` +
        `with venv and the network; or name a Python that has the packages with --python.`,
    );
  }
}
