/** The page's files, made once when the server starts; no path of a request reaches the disk. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Service } from "./api.ts";

export interface Asset {
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

/** By path, such as "/page.js". */
export type Assets = ReadonlyMap<string, Asset>;

const web = new URL("../web/", import.meta.url);

/** Reads and bundles the page. What it has to know of the service is written into it. */
export async function buildAssets(service: Service): Promise<Assets> {
  const html = await Deno.readTextFile(new URL("index.html", web));
  const css = await Deno.readTextFile(new URL("style.css", web));
  // "<" would let "</script>" through.
  const facts = JSON.stringify(service).replaceAll("<", "\\u003c");
  return new Map([
    ["/", asset("text/html; charset=utf-8", html.replace('"{{service}}"', () => facts))],
    ["/style.css", asset("text/css; charset=utf-8", css)],
    ["/page.js", asset("text/javascript; charset=utf-8", await bundle("main.ts"))],
  ]);
}

function asset(type: string, content: string | Uint8Array<ArrayBuffer>): Asset {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { type, body, etag };
}

async function bundle(entry: string): Promise<Uint8Array<ArrayBuffer>> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, web))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  return Uint8Array.from(outputFiles[0].contents);
}
