/**
 * The project's figures, each measured beside its peer in one run:
 *
 *     deno task bench train --help
 *     deno task bench scale --help
 *     deno task bench mat --help
 *     deno task bench kills --help
 *     deno task bench profile --help
 *     deno task bench detect --help
 *     deno task bench crop --help
 *     deno task bench parity --help
 */
const benches: Record<string, () => Promise<{ bench(args: string[]): Promise<void> }>> = {
  train: () => import("./train.ts"),
  serve: () => import("./serve.ts"),
  parity: () => import("./parity.ts"),
  scale: () => import("./scale.ts"),
  mat: () => import("./mat.ts"),
  kills: () => import("./kills.ts"),
  profile: () => import("./profile.ts"),
  detect: () => import("./detect.ts"),
  crop: () => import("./crop.ts"),
};

if (import.meta.main) {
  const [name, ...args] = Deno.args;
  const load = benches[name];
  if (load === undefined) {
    const known = Object.keys(benches).join(", ");
    console.error(`Cannot measure "${name ?? ""}": there is no such bench. Take one of ${known}.`);
    Deno.exit(2);
  }
  await (await load()).bench(args).catch((error: Error) => {
    console.error(error.message);
    Deno.exit(1);
  });
}
