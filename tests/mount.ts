/** A small file system, or one that cannot be written to; undefined where this user may not mount one. */
export async function mounted(
  options: string,
  folder: string,
): Promise<AsyncDisposable | undefined> {
  await Deno.mkdir(folder, { recursive: true });
  const run = async (command: string, ...args: string[]) => {
    try {
      const { success } = await new Deno.Command(command, { args, stderr: "null" }).output();
      return success;
    } catch {
      return false;
    }
  };
  if (!await run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)) return undefined;
  return { [Symbol.asyncDispose]: async () => void await run("umount", folder) };
}
