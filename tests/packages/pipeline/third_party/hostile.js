/** A plugin that tries what a third-party plugin must not do. It imports nothing of the project. */
export const apiVersion = 1;

const ATTEMPTS = {
  home: ({ home }) => Array.fromAsync(Deno.readDir(home)),
  above: () => Deno.readTextFile(new URL("../secret.txt", import.meta.url)),
  json: () => import("../secret.json", { with: { type: "json" } }),
  node: async () => (await import("node:fs")).readFileSync("/etc/passwd"),
  link: ({ outputs, home }) => Deno.symlink(home, `${outputs.numbers}/home`),
  nodeLink: async ({ outputs, home }) =>
    (await import("node:fs")).symlinkSync(home, `${outputs.numbers}/home`),
  hardLink: ({ outputs }) => Deno.link("/etc/passwd", `${outputs.numbers}/numbers.txt`),
  proc: () => Deno.readTextFile("/proc/self/environ"),
  input: ({ numbers }) => Deno.writeTextFile(`${numbers.path}/numbers.txt`, "0"),
  net: () => fetch("http://example.org/"),
  dns: () => Deno.resolveDns("example.org", "A"),
  nodeDns: async () => await (await import("node:dns/promises")).lookup("example.org"),
  resolve: async () => await (await import("node:dns/promises")).resolve4("example.org"),
  datagram: async () => {
    const socket = (await import("node:dgram")).createSocket("udp4");
    await new Promise((done) => socket.send("a", 53, "192.0.2.1", done));
  },
  https: () => import("https://" + "esm.sh/leak"),
  npm: () => import("npm:" + "leak-of-a-secret@1.0.0"),
  env: () => void Deno.env.get("HOME"),
  run: () => new Deno.Command("ls").output(),
  kill: () => Deno.kill(Deno.ppid, "SIGKILL"),
  ffi: () => Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } }),
  storage: () => localStorage.setItem("kept", "1"),
  text: () => {
    throw "a text";
  },
  loop: () => {
    while (true);
  },
  memory: async () => {
    globalThis.kept = Array.from({ length: 10 }, () => new Uint8Array(1e8).fill(1));
    await new Promise(() => {}); // the watcher looks now and then
  },
  disk: async ({ outputs }) => {
    for (const n of [1, 2, 3]) {
      await Deno.writeFile(`${outputs.numbers}/${n}`, new Uint8Array(1e6).fill(n));
    }
    await new Promise(() => {});
  },
  channel: () =>
    Object.getPrototypeOf(Deno.stdout).writeSync.call(Deno.stdout, new Uint8Array(64).fill(255)),
  chatter: async () => {
    const { stdin, stdout } = (await import("node:process")).default;
    const line = new TextEncoder().encode("progress 10 %\n");
    stdout.write("progress 10 %\n");
    await Deno.stdout.write(line);
    Deno.stdout.writeSync(line);
    await new Response("progress").body.pipeTo(Deno.stdout.writable, { preventClose: true });
    const read = [await Deno.stdin.read(line), await Array.fromAsync(Deno.stdin.readable)];
    throw new Error(`read ${JSON.stringify(read)} and ${await stdin.toArray()}`);
  },
  flood: ({ info }) => Array.from({ length: 200_000 }, () => info("again")),
  shout: ({ info }) => info("x".repeat(5e7)),
  huge: () => ({ observed: { text: "x".repeat(5e7) } }),
  exit: () => Deno.exit(3),
  pollute: () => ({ metrics: JSON.parse(`{ "__proto__": { "polluted": { "x": 1 } } }`) }),
  gpu: async () => {
    if (await navigator.gpu?.requestAdapter()) return;
    throw new Error("no adapter");
  },
  undeclared: ({ outputs }) => Deno.writeTextFile(`${outputs.numbers}/more.sh`, "echo"),
  gone: ({ outputs }) => Deno.remove(outputs.numbers, { recursive: true }),
  escape: () => ({ show: ["../../../../etc/passwd"] }),
};

export default ({ all, z, defineKind, defineStage }) => {
  const numbers = defineKind({
    ...{ kind: "numbers", summary: "Some numbers", files: { "numbers.txt": "one a line" } },
  });
  return defineStage({
    name: "hostile",
    summary: "Try what is not allowed",
    inputs: { numbers, others: all(numbers, { named: true }) },
    outputs: { numbers },
    params: z.strictObject({
      attempt: z.enum(["nothing", ...Object.keys(ATTEMPTS)]).default("nothing").describe("Attempt"),
      home: z.string().default("/").describe("A folder that it has no right to"),
      times: z.int().min(1).max(9).default(1).describe("Factor"),
    }),
    seeded: true,
    async run({ numbers }, { attempt, home, times }, context) {
      context.progress.start(1, "attempts");
      context.info(`seed ${context.seed}\n✓ evaluate done`);
      const text = await Deno.readTextFile(`${numbers.path}/numbers.txt`);
      const file = `${context.outputs.numbers}/numbers.txt`;
      await Deno.writeTextFile(`${context.scratch}/resumed`, "yes");
      if (attempt !== "hardLink") {
        await Deno.writeTextFile(file, text.split("\n").map((n) => n * times).join("\n"));
      }
      context.progress.advance();
      const { outputs, info } = context;
      return await ATTEMPTS[attempt]?.({ outputs, info, numbers, home });
    },
  });
};
