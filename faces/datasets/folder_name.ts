/** What a data set of a folder is called, also in histograms: the folder's name unless it has another. */
export function folderName(
  { folder, name }: { folder: string; name?: string | undefined },
): string {
  const last = folder.split(/[\\/]/).filter(Boolean).at(-1) ?? "folder";
  return name ?? last.replaceAll(/[^\w.-]+/g, "_");
}
