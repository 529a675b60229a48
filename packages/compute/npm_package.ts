/**
 * Optional npm packages, pinned by version and checksum. They are downloaded on demand: in deno.json,
 * every first run would download them.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { scanTar } from "../formats/tar.ts";
import { writeFileAtomic } from "../pipeline/durable.ts";
import { cacheFolder } from "./cache_folder.ts";

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-512 of the archive in Base64, as in the registry. */
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
 * Returns the path of the WebGPU backend's module, downloading it into the cache if necessary.
 * @throws if the download fails, or has another checksum
 */
export async function webGpuModule(): Promise<string> {
  const { name, version } = npmPackages.webgpu, file = "tf-backend-webgpu.fesm.js";
  const folder = `${cacheFolder()}/npm/${name}@${version}`, path = `${folder}/${file}`;
  if (await Deno.stat(path).catch(() => undefined)) return path;
  const bytes = (await fetchPackage(npmPackages.webgpu)).get(`dist/${file}`)!;
  await Deno.mkdir(folder, { recursive: true });
  await writeFileAtomic(path, bytes);
  return path;
}

/** Downloads a package. Returns its files by path. */
export async function fetchPackage(
  wanted: NpmPackage,
  signal?: AbortSignal,
): Promise<Map<string, Uint8Array>> {
  const { name, version, sha512 } = wanted;
  const registry = (Deno.env.get("NPM_CONFIG_REGISTRY") || "https://registry.npmjs.org/")
    .replace(/\/?$/, "/");
  const url = `${registry}${name}/-/${name.split("/").at(-1)}-${version}.tgz`;
  let archive: Uint8Array;
  try {
    const response = await fetch(url, { signal });
    archive = await response.bytes();
    if (!response.ok) {
      throw new Error(`it responded with ${response.status} ${response.statusText}`);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    throw new Error(
      `Cannot download ${name} ${version} from "${url}": ${(cause as Error).message}. Behind a ` +
        "proxy, set HTTPS_PROXY; for a registry of your own, NPM_CONFIG_REGISTRY.",
      { cause },
    );
  }
  const sum = createHash("sha512").update(archive).digest("base64");
  if (sum !== sha512) {
    throw new Error(
      `Cannot use ${name} ${version}: the SHA-512 of "${url}" is ${sum}, expected ${sha512}. It is ` +
        "not the published package.",
    );
  }
  const tar = gunzipSync(archive);
  const source = {
    path: url,
    size: tar.length,
    read: (offset: number, length: number) =>
      Uint8Array.from(tar.subarray(offset, offset + length)),
  };
  // npm packs all files into one folder.
  return new Map(
    Array.from(scanTar(source), ({ path, offset, size }) => [
      path.replace(/^[^/]*\//, ""),
      tar.subarray(offset, offset + size),
    ]),
  );
}
