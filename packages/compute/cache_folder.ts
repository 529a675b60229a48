const NAME = "face-experiments";

/**
 * Returns the folder for downloads, compiled files and measurements of this machine, which may not exist:
 * FACES_CACHE, or a folder in the user's cache folder of the system.
 */
export function cacheFolder(): string {
  const of = (name: string) => Deno.env.get(name) || undefined;
  const own = of("FACES_CACHE");
  if (own !== undefined) return own;
  const home = of("HOME") ?? of("USERPROFILE") ?? ".";
  const caches = of("XDG_CACHE_HOME") ?? (
    Deno.build.os === "windows"
      ? of("LOCALAPPDATA") ?? `${home}/AppData/Local`
      : Deno.build.os === "darwin"
      ? `${home}/Library/Caches`
      : `${home}/.cache`
  );
  return `${caches}/${NAME}`;
}
