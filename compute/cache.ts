/** Where this project keeps what it downloads, compiles and measures for a person's machine. */

const NAME = "face-experiments";

/** The person's cache folder, as each system has it, and ours in it. It may not be there yet. */
export function cacheFolder(): string {
  const of = (name: string) => Deno.env.get(name) || undefined;
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
