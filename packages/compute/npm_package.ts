/**
 * Packages of npm that only some people need. Named in deno.json or deno.lock, every first run would
 * download them; so they are fetched here, when they are needed, each pinned by its version and by
 * the checksum of its archive.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { writeFileAtomic } from "../pipeline/durable.ts";
import { cacheFolder } from "./cache_folder.ts";

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** As the registry gives it: sha512 of the archive, in base 64. */
  readonly sha512: string;
}

export const npmPackages = {
  webgpu: {
    name: "@tensorflow/tfjs-backend-webgpu",
    version: "4.22.0",
    sha512:
      "lvIc7Af4Tl2BCdYp43iQmSCRq3asaKT0q2xaErphXiUZ+jqeB0bQa0ZvQys1Xatvto0U4/c90DVsHPfvkn5ftg==",
  },
  node: {
    name: "@tensorflow/tfjs-node",
    version: "4.22.0",
    sha512:
      "uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==",
  },
  headers: {
    name: "node-api-headers",
    version: "1.9.0",
    sha512:
      "2oNILP4jXwRB4ywnYKjVk1YyJ96n2D4EOVJO6S3oYZ5PtbJrw3Yt9TpAuX3nBLMuzn74rnfGQrv13pS9vC+YiA==",
  },
} as const satisfies Record<string, NpmPackage>;

/**
 * The path of one file of a package, fetched into the cache if it is not there.
 * @throws if it cannot be fetched or is not what it should be, saying why
 */
export async function npmFile(wanted: NpmPackage, file: string): Promise<string> {
  const folder = `${cacheFolder()}/npm/${wanted.name}@${wanted.version}`;
  const path = `${folder}/${file.split("/").at(-1)}`;
  if (await Deno.stat(path).catch(() => undefined)) return path;
  const bytes = (await fetchPackage(wanted)).get(file);
  if (bytes === undefined) throw new Error(`${wanted.name} ${wanted.version} has no ${file}.`);
  await Deno.mkdir(folder, { recursive: true });
  await writeFileAtomic(path, bytes);
  return path;
}

/** The path of the WebGPU backend's module, fetched if it is not there. */
export function webGpuModule(): Promise<string> {
  return npmFile(npmPackages.webgpu, "dist/tf-backend-webgpu.fesm.js");
}

/** The files of a package, by their paths in it. */
export async function fetchPackage(wanted: NpmPackage): Promise<Map<string, Uint8Array>> {
  const { name, version, sha512 } = wanted;
  const registry = (Deno.env.get("NPM_CONFIG_REGISTRY") || "https://registry.npmjs.org/")
    .replace(/\/?$/, "/");
  const url = `${registry}${name}/-/${name.split("/").at(-1)}-${version}.tgz`;
  let archive: Uint8Array;
  try {
    const response = await fetch(url);
    archive = await response.bytes();
    if (!response.ok) throw new Error(`it answered ${response.status} ${response.statusText}`);
  } catch (cause) {
    throw new Error(
      `Cannot fetch ${name} ${version} from "${url}": ${
        (cause as Error).message
      }. Behind a proxy, ` +
        "set HTTPS_PROXY; with a registry of your own, NPM_CONFIG_REGISTRY.",
      { cause },
    );
  }
  const sum = createHash("sha512").update(archive).digest("base64");
  if (sum !== sha512) {
    throw new Error(
      `Cannot use ${name} ${version}: what "${url}" sent has the SHA-512 ${sum}, but ${sha512} is ` +
        "what was published. Something on the way changes it.",
    );
  }
  return filesOf(gunzipSync(archive));
}

/**
 * Files of a tar as npm writes it: plain ustar, all below one folder, which is taken off. (The
 * checksum was right, so nothing that is malformed or meant badly comes here.)
 */
function filesOf(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (from: number, length: number) =>
    new TextDecoder().decode(tar.subarray(from, from + length)).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const size = parseInt(text(at + 124, 12), 8);
    const prefix = text(at + 345, 155);
    const path = (prefix ? `${prefix}/` : "") + text(at, 100);
    const kind = text(at + 156, 1);
    if (kind === "0" || kind === "") {
      files.set(path.replace(/^[^/]*\//, ""), tar.subarray(at + 512, at + 512 + size));
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
