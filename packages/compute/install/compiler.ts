/** The C++ compiler of the machine. */

/** Command and version. */
export interface Compiler {
  readonly command: string;
  readonly version: string;
}

/** Returns CXX if it is set, else the first of g++, clang++ and c++ that runs. */
export async function findCompiler(): Promise<Compiler> {
  const asked = Deno.env.get("CXX");
  const candidates = asked ? [asked] : ["g++", "clang++", "c++"];
  for (const command of candidates) {
    const version = await tryRun(command, ["--version"]);
    if (version !== undefined) return { command, version: version.split("\n")[0] };
  }
  throw new Error(
    `Cannot compile: there is no C++ compiler (tried ${candidates.join(", ")}). Install one: ` +
      "apt install g++, dnf install gcc-c++, or apk add g++; or set CXX to its path.",
  );
}

async function tryRun(command: string, args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      return undefined;
    }
    throw error;
  }
}

/**
 * Compiles tfjs-node's binding against the TensorFlow of a wheel.
 * @throws the compiler's errors
 */
export async function compileBinding(
  { command, version }: Compiler,
  { sources, include, libraries, output }: {
    sources: readonly string[];
    include: readonly string[];
    /** Folder of libtensorflow_cc and libtensorflow_framework, and of the output. */
    libraries: string;
    output: string;
  },
): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, {
    args: [
      ...["-std=c++17", "-O2", "-shared", "-fPIC", "-DNAPI_VERSION=8"],
      ...include.flatMap((folder) => ["-I", folder]),
      ...sources,
      ...["-o", output, `-L${libraries}`],
      ...["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"],
      "-Wl,-rpath,$ORIGIN",
    ],
    stderr: "piped",
  }).output();
  if (success) return;
  const errors = new TextDecoder().decode(stderr).trim();
  const first = errors.split("\n").filter((line) =>
    /error|undefined reference|cannot find/.test(line)
  );
  throw new Error(
    `Cannot compile tfjs-node's binding with ${version}: ` +
      `${(first.length > 0 ? first : errors.split("\n")).slice(0, 5).join("\n")}\n` +
      "Try another TensorFlow (--tensorflow 2.20) or compiler (CXX=clang++).",
  );
}
