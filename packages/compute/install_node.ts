/**
 * Installs the backends `node` and `node-gpu` with a current TensorFlow: compiles the binding of tfjs-node
 * against TensorFlow from a wheel of PyPI, without Python. npm installs TensorFlow 2.9 (2022, CUDA 11.2).
 */
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache_folder.ts";
import { fetchPackage, npmPackages } from "./npm_package.ts";
import { installFolder, type OptionalBackend } from "./backends.ts";
import { moveDurably } from "../pipeline/durable.ts";
import { compileBinding, findCompiler } from "./install/compiler.ts";
import { findWheel, indexUrl, type Wheel } from "./install/pypi.ts";
import { requirementsOf } from "./install/python_versions.ts";
import { formatGigabytes } from "../download/disk_space.ts";
import { fetchWheel, unpackWheel, type Work } from "./install/wheel.ts";

/** The tested version. */
export const usualTensorflow = "2.21";

/** Content of installation.json. */
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

/** The libraries, and the headers that the binding needs. */
const LIBRARY = /^tensorflow\/libtensorflow_(cc|framework)\.so\.2$/;
const HEADER =
  /^tensorflow\/include\/(tensorflow\/c|tensorflow\/core\/platform|xla\/tsl\/c|xla\/tsl\/platform|tsl)\//;
const METADATA = /^[^/]+\.dist-info\/METADATA$/;

/**
 * Installs a backend in the user's cache folder, replacing an earlier one.
 * @param tensorflow a version, or its first two numbers: "2.21"
 */
export async function installNode(
  backend: OptionalBackend,
  tensorflow: string,
  work: Work,
): Promise<InstallationRecord> {
  const architecture = ARCHITECTURES[Deno.build.arch];
  if (Deno.build.os !== "linux" || architecture === undefined) {
    throw new Error(
      `Cannot compile "${backend}" on ${Deno.build.os}: only Linux is supported. npm's package may ` +
        "run there, see deno task compute.",
    );
  }
  if (!/^\d+(\.\d+){1,2}$/.test(tensorflow)) {
    throw new Error(`Cannot install TensorFlow "${tensorflow}": expected a version, as in 2.21.`);
  }
  const compiler = await findCompiler();
  const index = await indexUrl();
  const platform = new RegExp(`manylinux[^-]*_${architecture}\\.whl$`);
  // tensorflow-cpu has no CUDA code; for ARM there is only tensorflow, which has none either.
  const name = backend === "node" && architecture === "x86_64" ? "tensorflow-cpu" : "tensorflow";
  const exact = tensorflow.split(".").length === 3;
  const conditions = `==${tensorflow}${exact ? "" : ".*"}`;
  const wheel = await findWheel(name, conditions, platform, index);
  const size = wheel.size === undefined ? "" : `, ${formatGigabytes(wheel.size)}`;
  work.line(`${wheel.name} ${wheel.version} from ${index}${size}`);

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
        `Cannot use "${wheel.file}": it has no libtensorflow_cc.so.2, unlike wheels of ` +
          `TensorFlow 2.13 and later. Use --tensorflow ${usualTensorflow}.`,
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
    // They are as large as the installation.
    for (const { file } of wheels) await Deno.remove(join(downloads, file));
    return record;
  } catch (error) {
    await Deno.remove(aside, { recursive: true }).catch(() => {});
    throw error;
  }
}

/** Downloads and unpacks the CUDA libraries that TensorFlow's wheel requires, each a wheel. */
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
      "Cannot install node-gpu: this wheel of TensorFlow requires no CUDA libraries (its extra " +
        '"and-cuda" is empty). There are none for this machine or version.',
    );
  }
  const wheels: Wheel[] = [];
  for (const { name, conditions } of requirements) {
    wheels.push(await findWheel(name, conditions, platform, index));
  }
  const total = wheels.reduce((sum, { size = 0 }) => sum + size, 0);
  work.line(`and ${wheels.length} CUDA libraries, ${formatGigabytes(total)}`);
  for (const wheel of wheels) {
    const path = await fetchWheel(wheel, downloads, work);
    // The paths of Python's site-packages, where TensorFlow searches them.
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

/** Removes an installation. Returns false if there was none. */
export async function uninstallNode(backend: OptionalBackend): Promise<boolean> {
  try {
    await Deno.remove(installFolder(backend), { recursive: true });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
