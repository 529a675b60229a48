/** The backends of the machine that runs the tests, and why it lacks the others. */
import {
  type Backend,
  backends,
  findInstallation,
  isOptional,
} from "../packages/compute/backends.ts";
import { webGpuModule } from "../packages/compute/npm_package.ts";
import { lookForGpu } from "../faces/commands/compute.ts";

async function lack(backend: Backend): Promise<string | undefined> {
  if (backend === "webgpu") {
    if (!await lookForGpu()) return "no GPU, not even in software";
    return await webGpuModule().then(() => undefined, () => "its package cannot be fetched");
  }
  if (isOptional(backend) && !await findInstallation(backend)) return "not installed";
  return undefined;
}

export const machine: readonly { readonly backend: Backend; readonly lack?: string }[] =
  await Promise.all(
    (Object.keys(backends) as Backend[]).map(async (backend) => ({
      backend,
      lack: await lack(backend),
    })),
  );
