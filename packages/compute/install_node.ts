/**
 * Makes the backends `node` and `node-gpu` for the TensorFlow of today: the binding of tfjs-node,
 * compiled from the sources in its npm package against the TensorFlow in a wheel of PyPI. Python is
 * not needed. What npm itself installs is TensorFlow 2.9 of 2022, for CUDA 11.2.
 */
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache_folder.ts";
import { fetchPackage, npmPackages } from "./npm_package.ts";
import { installFolder, type OptionalBackend } from "./backends.ts";
import { moveDurably } from "../pipeline/durable.ts";
import { compileBinding, findCompiler } from "./install/compiler.ts";
import { findWheel, indexUrl, type Wheel } from "./install/pypi.ts";
import { requirementsOf } from "./install/python_versions.ts";
import { fetchWheel, megabytes, unpackWheel, type Work } from "./install/wheel.ts";

/** The version whose binding was tried. */
export const usualTensorflow = "2.21";

/** What an installation says of itself. */
export interface InstallationRecord {
  backend: OptionalBackend;
  tfjsNode: string;
  tensorflow: string;
  compiler: string;
  wheels: { file: string; sha256: string }[];
  installedAt: string;
}

const ARCHITECTURES: Partial<Record<typeof Deno.build.arch, string>> = {
  x86_64: "x86_64",
  aarch64: "aarch64",
};

/** The libraries, and the few of thousands of headers that the binding is compiled with. */
const LIBRARY = /^tensorflow\/libtensorflow_(cc|framework)\.so\.2$/;
const HEADER =
  /^tensorflow\/include\/(tensorflow\/c|tensorflow\/core\/platform|xla\/tsl\/c|xla\/tsl\/platform|tsl)\//;
const METADATA = /^[^/]+\.dist-info\/METADATA$/;

/**
 * Installs a backend in the person's cache folder, in place of what is there.
 * @param tensorflow a version, or the beginning of one: "2.21"
 */
export async function installNode(
  backend: OptionalBackend,
  tensorflow: string,
  work: Work,
): Promise<InstallationRecord> {
  const architecture = ARCHITECTURES[Deno.build.arch];
  if (Deno.build.os !== "linux" || architecture === undefined) {
    throw new Error(
      `Cannot compile "${backend}" on ${Deno.build.os}: it is written for Linux. npm's package ` +
        "may run there, see deno task compute.",
    );
  }
  if (!/^\d+(\.\d+){1,2}$/.test(tensorflow)) {
    throw new Error(`Cannot install TensorFlow "${tensorflow}": expected a version, as in 2.21.`);
  }
  const compiler = await findCompiler();
  const index = await indexUrl();
  const platform = new RegExp(`manylinux[^-]*_${architecture}\\.whl$`);
  // tensorflow-cpu leaves out what is for CUDA; for ARM there is only the whole, which has none.
  const name = backend === "node" && architecture === "x86_64" ? "tensorflow-cpu" : "tensorflow";
  const exact = tensorflow.split(".").length === 3;
  const conditions = `==${tensorflow}${exact ? "" : ".*"}`;
  const wheel = await findWheel(name, conditions, platform, index);
  work.line(`${wheel.name} ${wheel.version} from ${index}` + sizeOf(wheel));

  const downloads = join(cacheFolder(), "downloads");
  await Deno.mkdir(downloads, { recursive: true });
  const place = installFolder(backend);
  const aside = `${place}.part`;
  await Deno.remove(aside, { recursive: true }).catch(() => {});
  await Deno.mkdir(join(aside, "tensorflow"), { recursive: true });
  try {
    const wheels = [wheel];
    const path = await fetchWheel(wheel, downloads, work);
    const wanted = (file: string) => LIBRARY.test(file) || HEADER.test(file) || METADATA.test(file);
    const names = await unpackWheel(path, aside, wanted, work);
    if (names.filter((file) => LIBRARY.test(file)).length < 2) {
      throw new Error(
        `Cannot use "${wheel.file}": it lacks libtensorflow_cc.so.2, which wheels of TensorFlow ` +
          `2.13 and later have. Take --tensorflow ${usualTensorflow}.`,
      );
    }
    if (backend === "node-gpu") {
      const metadata = await Deno.readTextFile(
        join(aside, names.find((file) => METADATA.test(file))!),
      );
      wheels.push(...await unpackCuda(metadata, platform, index, { downloads, aside }, work));
    }
    work.line(`compiling the binding with ${compiler.version}`);
    await writePackage(await fetchPackage(npmPackages.node), join(aside, "package"));
    await writePackage(await fetchPackage(npmPackages.headers), join(aside, "headers"));
    const binding = join(aside, "package", "binding");
    await compileBinding(compiler, {
      sources: ["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => join(binding, file)),
      include: [join(aside, "tensorflow", "include"), join(aside, "headers", "include")],
      libraries: join(aside, "tensorflow"),
      output: join(aside, "tensorflow", "tfjs_binding.node"),
    });
    await Deno.remove(join(aside, "tensorflow", "include"), { recursive: true });
    await Deno.remove(join(aside, "headers"), { recursive: true });
    const record: InstallationRecord = {
      backend,
      tfjsNode: npmPackages.node.version,
      tensorflow: wheel.version,
      compiler: compiler.version,
      wheels: wheels.map(({ file, sha256 }) => ({ file, sha256 })),
      installedAt: new Date().toISOString(),
    };
    const text = JSON.stringify(record, null, 2) + "\n";
    await Deno.writeTextFile(join(aside, "installation.json"), text);
    await Deno.remove(place, { recursive: true }).catch(() => {});
    await moveDurably(aside, place);
    // They would be fetched again, but are as large as what was made of them.
    for (const { file } of wheels) await Deno.remove(join(downloads, file));
    return record;
  } catch (error) {
    await Deno.remove(aside, { recursive: true }).catch(() => {});
    throw error;
  }
}

/** Fetches the libraries of CUDA that TensorFlow's wheel asks for, each a wheel of its own. */
async function unpackCuda(
  metadata: string,
  platform: RegExp,
  index: string,
  { downloads, aside }: { downloads: string; aside: string },
  work: Work,
): Promise<Wheel[]> {
  const requirements = requirementsOf(metadata, "and-cuda");
  if (requirements.length === 0) {
    throw new Error(
      "Cannot install node-gpu: this wheel of TensorFlow names no libraries of CUDA (its extra " +
        '"and-cuda" is empty). For this machine or version there are none.',
    );
  }
  const wheels: Wheel[] = [];
  for (const { name, conditions } of requirements) {
    wheels.push(await findWheel(name, conditions, platform, index));
  }
  const total = wheels.reduce((sum, { size = 0 }) => sum + size, 0);
  work.line(`and ${wheels.length} libraries of CUDA, ${megabytes(total)}`);
  for (const wheel of wheels) {
    const path = await fetchWheel(wheel, downloads, work);
    // As in Python's site-packages: TensorFlow looks for them beside itself, by these paths.
    await unpackWheel(path, aside, (file) => /^nvidia\/.*\.so(\.\d+)*$/.test(file), work);
  }
  return wheels;
}

async function writePackage(
  files: ReadonlyMap<string, Uint8Array>,
  folder: string,
): Promise<void> {
  for (const [name, bytes] of files) {
    if (!/^(dist|binding|include)\/|^package\.json$/.test(name) || /\.d\.ts$/.test(name)) continue;
    const path = join(folder, name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeFile(path, bytes);
  }
}

function sizeOf({ size }: Wheel): string {
  return size === undefined ? "" : `, ${megabytes(size)}`;
}

/** Removes what was installed; false if there was nothing. */
export async function uninstallNode(backend: OptionalBackend): Promise<boolean> {
  try {
    await Deno.remove(installFolder(backend), { recursive: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
