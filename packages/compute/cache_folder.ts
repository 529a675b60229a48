/** Where this project keeps what it downloads, compiles and measures for a person's machine. */

const NAME = "face-experiments";

/**
 * FACES_CACHE, if that is set, else a folder in the person's cache folder, as each system has it. It
 * may not be there yet.
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
