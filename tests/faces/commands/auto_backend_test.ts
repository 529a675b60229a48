import assert from "node:assert/strict";
import { join } from "node:path";
import { chooseAuto, pickFastest, type Probes } from "../../../faces/commands/auto_backend.ts";
import type { BackendStatus } from "../../../faces/commands/compute/measure_backend.ts";
import type { Backend, Places } from "../../../packages/compute/backends.ts";

function usable(name: Backend, best: number, software?: true): BackendStatus {
  const timing = { version: "1", batch: 64, msPerStep: best * 1.2, bestMsPerStep: best };
  return { name, usable: true, why: "", ...(software ? { software } : {}), ...timing };
}

const broken = (name: Backend): BackendStatus => ({
  name,
  usable: false,
  why: "its driver crashed",
});

/** Returns the given results, and records the calls. */
function fakeProbes(
  times: Partial<Record<Backend, number>>,
  gpu?: { name: string; software: boolean },
) {
  const asked: string[] = [];
  const probes: Probes = {
    lookForGpu() {
      asked.push("gpu");
      return Promise.resolve(gpu);
    },
    measureBackend(name) {
      asked.push(name);
      const time = times[name];
      return Promise.resolve(time === undefined ? broken(name) : usable(name, time));
    },
  };
  return { probes, asked };
}

async function inPlaces(test: (places: Places) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "choose-" });
  const root = join(folder, "project");
  await Deno.mkdir(root);
  await Deno.writeTextFile(join(root, "deno.json"), '{ "imports": {} }');
  try {
    await test({ root, cache: join(folder, "cache") });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function install(places: Places, backend: "node" | "node-gpu", text = "{}"): Promise<void> {
  await Deno.mkdir(join(places.cache, backend), { recursive: true });
  await Deno.writeTextFile(join(places.cache, backend, "installation.json"), text);
}

const gpu = { name: "A GPU", software: false };
const llvmpipe = { name: "llvmpipe", software: true };

Deno.test("chooseAuto() measures again where what it remembers is damaged", async () => {
  await inPlaces(async (places) => {
    const { probes } = fakeProbes({}, undefined);
    const choice = await chooseAuto(() => {}, places, probes);
    const path = join(places.cache, "compute.json");
    const kept = await Deno.readTextFile(path);
    for (
      const text of [
        ...["", "{", "null", "[]", "{}", kept.slice(0, -9), kept.replace('"wasm"', '"wasn"')],
        ...[kept.replace("chosen", "chosem"), kept.replace("checksum", "checksuM")],
      ]
    ) {
      await Deno.writeTextFile(path, text);
      const { probes, asked } = fakeProbes({}, undefined);
      assert.deepEqual(await chooseAuto(() => {}, places, probes), choice);
      assert.deepEqual(asked, ["gpu"], text);
    }
  });
});

Deno.test("chooseAuto() takes wasm without measuring where nothing else is there", async () => {
  for (const found of [undefined, llvmpipe]) {
    await inPlaces(async (places) => {
      const { probes, asked } = fakeProbes({}, found);
      const lines: string[] = [];
      const choice = await chooseAuto((line) => lines.push(line), places, probes);
      assert.deepEqual(choice, { backend: "wasm", why: "no other is installed or has a GPU" });
      assert.deepEqual([asked, lines], [["gpu"], []]);
    });
  }
});

Deno.test("chooseAuto() measures once, takes the fastest with the reason", async () => {
  await inPlaces(async (places) => {
    await install(places, "node");
    const { probes, asked } = fakeProbes({ wasm: 14, webgpu: 3, node: 55 }, gpu);
    const lines: string[] = [];
    const choose = () => chooseAuto((line) => lines.push(line), places, probes);
    assert.deepEqual(await choose(), {
      backend: "webgpu",
      why: "the fastest (best step: webgpu 3.0, wasm 14.0, node 55.0 ms)",
    });
    assert.deepEqual(asked, ["gpu", "wasm", "webgpu", "node"]);
    assert.match(lines.join(), /^measuring wasm, webgpu, node once, to choose the fastest/);
    assert.equal((await choose()).backend, "webgpu");
    assert.equal(asked.length, 4, "the second time, nothing is measured");
  });
});

Deno.test("chooseAuto() takes the next backend if one does not run", async () => {
  await inPlaces(async (places) => {
    await install(places, "node");
    const { probes } = fakeProbes({ wasm: 90, node: 55 }, gpu);
    const { backend, why } = await chooseAuto(() => {}, places, probes);
    assert.equal(backend, "node");
    assert.match(why, /the fastest .*; webgpu does not run: its driver crashed$/);
  });
});

Deno.test("chooseAuto() measures again after an installation, and logs the change", async () => {
  await inPlaces(async (places) => {
    const lines: string[] = [];
    const log = (line: string) => void lines.push(line);
    assert.equal((await chooseAuto(log, places, fakeProbes({}).probes)).backend, "wasm");
    await install(places, "node-gpu");
    const { probes } = fakeProbes({ wasm: 14, "node-gpu": 2 });
    assert.equal((await chooseAuto(log, places, probes)).backend, "node-gpu");
    assert.match(lines.at(-1)!, /auto now chooses node-gpu instead of wasm: the fastest/);
    await install(places, "node-gpu", "another version");
    assert.equal((await chooseAuto(log, places, fakeProbes({ wasm: 14 }).probes)).backend, "wasm");
  });
});

Deno.test("chooseAuto() measures again when what it remembers cannot be read", async () => {
  await inPlaces(async (places) => {
    await install(places, "node");
    await Deno.writeTextFile(join(places.cache, "compute.json"), '{"circumstances": ');
    const { probes, asked } = fakeProbes({ wasm: 14, node: 55 });
    assert.equal((await chooseAuto(() => {}, places, probes)).backend, "wasm");
    assert.deepEqual(asked, ["gpu", "wasm", "node"]);
  });
});

Deno.test("pickFastest() keeps wasm without a clear speedup, and never picks cpu or llvmpipe", () => {
  const of = (...findings: BackendStatus[]) => pickFastest(findings).backend;
  assert.equal(of(usable("wasm", 14), usable("node", 13)), "wasm");
  assert.equal(of(usable("wasm", 14), usable("node", 12)), "node");
  assert.equal(of(usable("wasm", 14), usable("cpu", 1), usable("webgpu", 1, true)), "wasm");
  assert.match(
    pickFastest([usable("wasm", 14), usable("node", 13)]).why,
    /^about as fast as the fastest \(best step: node 13.0, wasm 14.0 ms\)$/,
  );
});
