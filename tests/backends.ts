/** The backends of the machine that runs the tests, and why it lacks the others. */
import {
  type Backend,
  backends,
  findInstallation,
  isOptional,
} from "../packages/compute/backends.ts";
import { lookForGpu } from "../faces/commands/compute/measure_backend.ts";

async function lack(backend: Backend): Promise<string | undefined> {
  if (backend === "webgpu") return await lookForGpu() ? undefined : "no GPU, not even in software";
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
