import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { describeAdapter } from "../../../packages/compute/webgpu_adapter.ts";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { fetchPackage, npmPackages, webGpuModule } from "../../../packages/compute/npm_package.ts";
import { deviceOpened, readTensor } from "../../../packages/compute/read_tensor.ts";
import { watch } from "../../../packages/compute/webgpu.ts";
import { machine } from "../../backends.ts";

/** As much of a GPUDevice as is watched. */
class Device extends EventTarget {
  readonly end = Promise.withResolvers<{ reason: string; message: string }>();
  readonly lost = this.end.promise;

  fail(error: GPUError): void {
    this.dispatchEvent(
      Object.assign(new Event("uncapturederror", { cancelable: true }), { error }),
    );
  }
}

async function reading(fail: (device: Device) => void): Promise<Float32Array> {
  await openBackend("wasm");
  const device = new Device();
  watch(device as unknown as GPUDevice, "A GPU");
  fail(device);
  await new Promise((resolve) => setTimeout(resolve)); // lets what was told arrive
  const tensor = tf.tensor1d([1, 2]);
  try {
    return await readTensor(tensor);
  } finally {
    tensor.dispose();
    deviceOpened();
  }
}

Deno.test("read() gives what the device computed, and throws what it told: lost, full, refused", async () => {
  assert.deepEqual([...await reading(() => {})], [1, 2]);
  const info = { reason: "unknown", message: "the driver restarted" };
  await assert.rejects(
    reading((device) => device.end.resolve(info)),
    /Cannot compute on "webgpu": A GPU was lost \(unknown: the driver restarted\)\. .*training resumes from the last epoch\. Or choose compute: wasm/,
  );
  await assert.rejects(
    reading((device) => device.fail(new GPUOutOfMemoryError("no room"))),
    /"webgpu": the memory of A GPU is too small \(no room\)\. Lower batchSize\. Or choose/,
  );
  await assert.rejects(
    reading((device) => device.fail(new GPUValidationError("a bad shader\nat line 3"))),
    /"webgpu": A GPU failed \(a bad shader\)/,
  );
});

Deno.test("describeAdapter() tells a GPU from a processor that does the work of one", () => {
  const of = (info: object) => describeAdapter({ info: info as GPUAdapterInfo });
  const real = { vendor: "4318", architecture: "ampere", description: "NVIDIA A100" };
  assert.deepEqual(of(real), { name: "NVIDIA A100", software: false });
  assert.deepEqual(of({ ...real, description: "" }), { name: "4318 ampere", software: false });
  assert.ok(of({ description: "llvmpipe (LLVM 15)" }).software);
  assert.ok(of({ ...real, isFallbackAdapter: true }).software);
});

Deno.test("fetchPackage() refuses what is not what was published, and says who did not answer", async () => {
  await using server = Deno.serve(
    { port: 0, onListen: () => {} },
    (request) => new Response("x", { status: request.url.includes("headers") ? 200 : 503 }),
  );
  const before = Deno.env.get("NPM_CONFIG_REGISTRY");
  Deno.env.set("NPM_CONFIG_REGISTRY", `http://127.0.0.1:${server.addr.port}`);
  try {
    await assert.rejects(
      fetchPackage(npmPackages.headers),
      /Cannot use node-api-headers 1\.9\.0: the SHA-512 of ".*node-api-headers-1\.9\.0\.tgz" is/,
    );
    await assert.rejects(
      fetchPackage(npmPackages.webgpu),
      /Cannot download @tensorflow\/tfjs-backend-webgpu 4\.22\.0 from ".*\/-\/tfjs-backend-webgpu-4\.22\.0\.tgz": it responded with 503/,
    );
    const stopped = AbortSignal.abort(new Error("stopped"));
    await assert.rejects(fetchPackage(npmPackages.webgpu, stopped), /^Error: stopped$/);
  } finally {
    if (before === undefined) Deno.env.delete("NPM_CONFIG_REGISTRY");
    else Deno.env.set("NPM_CONFIG_REGISTRY", before);
  }
});

/** Runs a script in a process of its own, whose drivers disturb no other test. */
async function run(script: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", script],
    cwd: fileURLToPath(new URL("../../../", import.meta.url)),
    env,
  }).output();
  return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
}

const start = `
  import * as tf from "@tensorflow/tfjs-core";
  import { openBackend } from "./packages/compute/open_backend.ts";
  import { readTensor as read } from "./packages/compute/read_tensor.ts";
`;
const tell =
  `.then((values) => console.log("read", values?.[0]), ({ message }) => console.log(message))`;

Deno.test("openBackend() says what to do where Deno finds no GPU", async () => {
  // Of the drivers of another system there are none.
  const said = await run(`${start} await openBackend("webgpu")${tell}`, {
    DENO_WEBGPU_BACKEND: Deno.build.os === "windows" ? "metal" : "dx12",
  });
  assert.match(said, /Cannot compute on "webgpu": there is no GPU that Deno can use\. Linux needs/);
});

const webgpu = machine.find(({ backend }) => backend === "webgpu")!;

Deno.test({
  name: `a device that is lost, or too small, is an error of who reads${
    webgpu.lack === undefined ? "" : ` (not here: ${webgpu.lack})`
  }`,
  ignore: webgpu.lack !== undefined,
  async fn() {
    await webGpuModule();
    const lost = await run(`${start}
      await openBackend("webgpu");
      // Little ones it computes on the processor.
      const square = () => tf.square(tf.tensor1d(new Float32Array(5000).fill(3)));
      await read(square())${tell};
      const later = square();
      tf.backend().device.destroy();
      await read(later)${tell};
      Deno.exit(0);
    `);
    assert.match(lost, /read 9\n[\s\S]*Cannot compute on "webgpu": .* was lost \(destroyed: /);
    const full = await run(`${start}
      await openBackend("webgpu");
      const most = tf.backend().device.limits.maxStorageBufferBindingSize;
      await read(tf.slice(tf.add(tf.zeros([most / 4 + 4096]), 1), 0, 1))${tell};
      Deno.exit(0);
    `);
    assert.match(full, /Cannot compute on "webgpu": the memory of .* is too small \(.*size/i);
  },
});
