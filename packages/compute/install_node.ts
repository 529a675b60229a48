/**
 * Installs the backends `node` and `node-gpu` with a current TensorFlow: compiles the binding of tfjs-node
 * against TensorFlow from PyPI, which pip downloads. The package itself downloads TensorFlow 2.9 (2022, CUDA 11.2).
 */
import { dirname, join } from "node:path";
import { installFolder, type OptionalBackend } from "./backends.ts";
import { fetchPackage, npmPackages } from "./npm_package.ts";
import { moveDurably } from "../pipeline/durable.ts";
import { jsonText } from "../pipeline/state.ts";

/** The tested version. */
export const usualTensorflow = "2.21";

/** Python of the wheel; TensorFlow's libraries are the same for all. */
const PYTHON = "3.11";
const LIBRARIES = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"];

/**
 * Installs a backend in the user's cache folder, replacing an earlier one. Logs the progress of pip.
 * @param tensorflow a version, or its first two numbers: "2.21"
 */
export async function installNode(
  backend: OptionalBackend,
  tensorflow: string,
  signal?: AbortSignal,
): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new Error(
      `Cannot compile "${backend}" on ${Deno.build.os}: only Linux is supported. Choose compute: wasm.`,
    );
  }
  if (!/^\d+(\.\d+){1,2}$/.test(tensorflow)) {
    throw new Error(`Cannot install TensorFlow "${tensorflow}": expected a version, as in 2.21.`);
  }
  const compiler = Deno.env.get("CXX") || "g++";
  const apt = "for example: apt install g++ python3-pip";
  await run(compiler, ["--version"], `Install a C++ compiler, or set CXX to its path; ${apt}`);
  await run("python3", ["-m", "pip", "--version"], `Install Python 3 with pip; ${apt}`);

  const place = installFolder(backend), aside = `${place}.part`;
  await Deno.remove(aside, { recursive: true }).catch(() => {});
  const site = join(aside, "site"), libraries = join(aside, "tensorflow");
  await Deno.mkdir(libraries, { recursive: true });
  try {
    const exact = tensorflow.split(".").length === 3;
    const version = `==${tensorflow}${exact ? "" : ".*"}`;
    // tensorflow-cpu has no CUDA code; for ARM there is only tensorflow, which has none either.
    const name = Deno.build.arch === "x86_64" ? "tensorflow-cpu" : "tensorflow";
    const cuda = `tensorflow[and-cuda]${version}`;
    const wanted = backend === "node" ? ["--no-deps", name + version] : [cuda];
    const into = ["--target", site, "--no-compile", "--no-cache-dir"];
    const wheels = ["--only-binary", ":all:", "--python-version", PYTHON];
    await run(
      "python3",
      ["-m", "pip", "install", ...into, ...wheels, ...wanted],
      "Select another version with --tensorflow, or an index with PIP_INDEX_URL",
      { stdout: "inherit", stderr: "inherit", signal },
    );
    for (const file of LIBRARIES) {
      await Deno.rename(join(site, "tensorflow", file), join(libraries, file)).catch((cause) => {
        const why = `it has no ${file}, unlike TensorFlow 2.13 and later`;
        const wayOut = `Use --tensorflow ${usualTensorflow}.`;
        throw new Error(`Cannot use TensorFlow ${tensorflow}: ${why}. ${wayOut}`, { cause });
      });
    }
    // The paths of Python's site-packages, where TensorFlow searches them.
    if (backend === "node-gpu") await Deno.rename(join(site, "nvidia"), join(aside, "nvidia"));
    await writePackage(await fetchPackage(npmPackages.node, signal), join(aside, "package"));
    await writePackage(await fetchPackage(npmPackages.headers, signal), join(aside, "headers"));
    const binding = join(aside, "package", "binding");
    await run(
      compiler,
      [
        ...["-std=c++17", "-O2", "-shared", "-fPIC", "-DNAPI_VERSION=8"],
        ...["-I", join(site, "tensorflow", "include"), "-I", join(aside, "headers", "include")],
        ...["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => join(binding, file)),
        ...["-o", join(libraries, "tfjs_binding.node"), `-L${libraries}`],
        ...[...LIBRARIES.map((file) => `-l:${file}`), "-Wl,-rpath,$ORIGIN"],
      ],
      "Try another TensorFlow (--tensorflow 2.20) or compiler (CXX=clang++)",
      { stderr: "inherit", signal },
    );
    await Deno.remove(site, { recursive: true });
    await Deno.remove(join(aside, "headers"), { recursive: true });
    const record = {
      backend,
      tfjsNode: npmPackages.node.version,
      tensorflow,
      compiler,
      installedAt: new Date().toISOString(),
    };
    await Deno.writeTextFile(join(aside, "installation.json"), jsonText(record));
    await Deno.remove(place, { recursive: true }).catch(() => {});
    await moveDurably(aside, place);
  } catch (error) {
    await Deno.remove(aside, { recursive: true }).catch(() => {});
    throw error;
  }
}

/** Runs a program. @throws if it fails, with the way out */
async function run(
  command: string,
  args: string[],
  wayOut: string,
  options: Deno.CommandOptions = { stderr: "null" },
): Promise<void> {
  let why: string;
  try {
    const { success, code } = await new Deno.Command(command, { args, ...options }).output();
    if (success) return;
    why = `it ended with exit code ${code}`;
  } catch (error) {
    why = (error as Error).message;
  }
  options.signal?.throwIfAborted();
  throw new Error(`Cannot run "${[command, ...args].join(" ").slice(0, 80)}": ${why}. ${wayOut}.`);
}

async function writePackage(files: ReadonlyMap<string, Uint8Array>, folder: string) {
  for (const [name, bytes] of files) {
    if (!/^(dist|binding|include)\/|^package\.json$/.test(name) || /\.d\.ts$/.test(name)) continue;
    const path = join(folder, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeFile(path, bytes);
  }
}
