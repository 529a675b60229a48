/** The page's files, made once when the server starts; no path of a request reaches the disk. */
import { createHash } from "node:crypto";
import { bundle } from "./bundle.ts";
import { card, type CardFacts } from "./card.ts";

export interface Asset {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers:
    & { readonly "content-type": string; readonly etag: string }
    & Readonly<
      Record<string, string>
    >;
}

/** By path, such as "/page.js". */
export type Assets = ReadonlyMap<string, Asset>;

export interface AssetOptions extends CardFacts {
  /** The report's page, if there is one. */
  readonly report?: string;
}

const web = new URL("../web/", import.meta.url);
const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

/** The report brings its style along, and needs nothing else. */
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Reads and bundles the page. What it has to know of the service is written into it. */
export async function buildAssets(options: AssetOptions): Promise<Assets> {
  const read = (name: string) => Deno.readTextFile(new URL(name, web));
  // "<" would let "</script>" through.
  const facts = JSON.stringify(options.service).replaceAll("<", "\\u003c");
  const page = (await read("index.html")).replace('"{{service}}"', () => facts);
  const assets = new Map([
    ["/", asset(types.html, page)],
    ["/style.css", asset(types.css, await read("style.css"))],
    ["/favicon.svg", asset(types.svg, await read("favicon.svg"))],
    ["/page.js", asset(types.js, await bundle(new URL("main.ts", web)))],
    ["/card", asset(types.html, card(options))],
  ]);
  if (options.report !== undefined) {
    const headers = { "content-security-policy": reportPolicy };
    assets.set("/report", asset(types.html, options.report, headers));
  }
  return assets;
}

function asset(
  type: string,
  content: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Asset {
  const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { body, headers: { "content-type": type, "cache-control": "no-cache", etag, ...headers } };
}
