/** Identity of a pipeline: the path of its file. Its name is a label, not unique. */
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { sha256 } from "./fingerprint.ts";

/** Returns the path of a pipeline's file: from the project where it lies in it, else absolute. */
export async function identityOf(file: string, project: string): Promise<string> {
  const real = (path: string) => Deno.realPath(path).catch(() => path); // it need not be there
  const path = join(await real(dirname(file)), basename(file));
  const inside = relative(await real(project), path);
  const outside = /^\.\.([\\/]|$)/.test(inside) || isAbsolute(inside);
  return (outside ? path : inside).replaceAll("\\", "/");
}

/** Returns an identity as it is typed: "experiments/first". */
export function typed(identity: string): string {
  return identity.replace(/\.yaml$/, "");
}

/** Returns the name that earlier versions gave a pipeline whose YAML gives none. */
export function formerName(identity: string): string {
  return identity.replace(/\.ya?ml$/, "").replace(/[^\w.-]+/g, "-");
}

/** Returns a file name for an identity, another for each. */
export function fileNameOf(identity: string): string {
  const hash = sha256(identity).slice(0, 16);
  return `${formerName(identity).slice(-60)}-${hash}`;
}

/** Text that YAML reads as itself without quotes; what is doubtful is left out. */
const PLAIN =
  /^(?!(true|false|null)$)(\.{0,2}\/)?[\p{L}_/$]((?!: | #)[\p{L}\p{N}\p{P}\p{S} ])*(?<![: ])$/iu;

/** Returns a value as `--set KEY=` takes it. */
export function argument(value: unknown): string {
  return typeof value === "string" && PLAIN.test(value) ? value : JSON.stringify(value ?? null);
}

/** Quotes a word for a shell where it needs it. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/**
 * Returns the command that runs a pipeline with these values in place of its own, quoted for a shell:
 * `deno task run experiments/first --set split.test=0.1 --seed 3`.
 */
export function commandOf(identity: string, overrides: Readonly<Record<string, unknown>>): string {
  const options = Object.entries(overrides).map(([key, value]) =>
    key === "seed" ? `--seed ${value}` : `--set ${shellQuote(`${key}=${argument(value)}`)}`
  );
  return ["deno task run", shellQuote(typed(identity)), ...options].join(" ");
}
