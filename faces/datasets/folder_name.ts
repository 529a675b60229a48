/** Returns the name of a local data set. Default: the folder's name. */
export function folderName(
  { folder, name }: { folder: string; name?: string | undefined },
): string {
  const last = folder.split(/[\\/]/).filter(Boolean).at(-1) ?? "folder";
  return name ?? last.replaceAll(/[^\w.-]+/g, "_");
}
