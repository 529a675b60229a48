/** Finds wheels in an index of Python packages, as pip does: PEP 503 (HTML) and 691 (JSON). */
import { compareVersions, parseVersion, satisfies } from "./python_versions.ts";

/** A built package: a zip archive with its checksum. */
export interface Wheel {
  readonly name: string;
  readonly version: string;
  readonly file: string;
  readonly url: string;
  readonly sha256: string;
  /** Bytes, if the index lists them. */
  readonly size?: number;
}

const PYPI = "https://pypi.org/simple/";

/** Returns the index of pip: PIP_INDEX_URL, its configuration files, or PyPI. */
export async function indexUrl(): Promise<string> {
  const slash = (url: string) => url.replace(/\/?$/, "/");
  const env = Deno.env.get("PIP_INDEX_URL");
  if (env) return slash(env);
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  const config = Deno.env.get("XDG_CONFIG_HOME") ?? `${home}/.config`;
  const files = [
    Deno.env.get("PIP_CONFIG_FILE"),
    Deno.env.get("VIRTUAL_ENV") && `${Deno.env.get("VIRTUAL_ENV")}/pip.conf`,
    `${config}/pip/pip.conf`,
    `${home}/.pip/pip.conf`,
    "/etc/pip.conf",
  ];
  for (const file of files) {
    const text = file && await Deno.readTextFile(file).catch(() => undefined);
    const found = text && text.match(/^\s*index[-_]url\s*[=:]\s*(\S+)\s*$/m)?.[1];
    if (found) return slash(found);
  }
  return PYPI;
}

/**
 * Finds the newest wheel of a package that meets the conditions ("==2.21.*") and runs on this machine.
 * @param platform matches the end of its name
 * @throws if there is none, or the index does not respond
 */
export async function findWheel(
  name: string,
  conditions: string,
  platform: RegExp,
  index: string,
): Promise<Wheel> {
  const all = await listWheels(name, index);
  const fitting = all
    .map((wheel) => ({ wheel, version: parseVersion(wheel.version) }))
    .filter(({ wheel, version }) =>
      version !== undefined && platform.test(wheel.file) && satisfies(version, conditions)
    )
    // Of one version, the wheel for the newest Python; no Python code is used.
    .sort((a, b) => compareVersions(b.version!, a.version!) || python(b.wheel) - python(a.wheel));
  if (fitting.length > 0) return fitting[0].wheel;
  const there = [
    ...new Set(
      all.filter(({ file }) => platform.test(file)).map(({ version }) => version)
        .filter((version) => parseVersion(version)),
    ),
  ];
  throw new Error(
    `Cannot find ${name} ${conditions} for this machine (a wheel that ends in ${platform.source}) ` +
      `in "${index}". ` +
      (there.length === 0
        ? "It has none for this machine."
        : `It has ${there.slice(-6).join(", ")}: select one with --tensorflow.`),
  );
}

/** Returns 313 for cp313, and 0 for wheels of any Python. */
function python({ file }: Wheel): number {
  return Number(file.match(/-cp(\d+)-/)?.[1] ?? 0);
}

async function listWheels(name: string, index: string): Promise<Wheel[]> {
  const url = `${index}${name}/`;
  const fail = (why: string, cause?: unknown) =>
    new Error(
      `Cannot list the wheels in "${
        withoutLogin(url)
      }": ${why}. Behind a proxy, set HTTPS_PROXY; ` +
        "for an index of your own, PIP_INDEX_URL.",
      { cause },
    );
  let response, text;
  try {
    const accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5";
    response = await fetch(withoutLogin(url), { headers: { accept, ...login(url) } });
    text = await response.text();
  } catch (cause) {
    throw fail((cause as Error).message, cause);
  }
  if (!response.ok) throw fail(`it responded with ${response.status}`);
  const json = response.headers.get("content-type")?.includes("json");
  return (json ? fromJson(text, response.url) : fromHtml(text, response.url)).flatMap((file) => {
    // NAME-VERSION-PYTHON-ABI-PLATFORM.whl
    const version = file.file.match(/^[^-]+-([^-]+)-.*\.whl$/)?.[1];
    return version ? [{ name, version, ...file }] : [];
  });
}

type Listed = Pick<Wheel, "file" | "url" | "sha256" | "size">;

function fromJson(text: string, base: string): Listed[] {
  const { files } = JSON.parse(text) as {
    files: {
      filename: string;
      url: string;
      hashes: { sha256?: string };
      size?: number;
      yanked?: boolean | string;
    }[];
  };
  return files.flatMap(({ filename, url, hashes: { sha256 }, size, yanked }) =>
    sha256 && !yanked ? [{ file: filename, url: new URL(url, base).href, sha256, size }] : []
  );
}

function fromHtml(text: string, base: string): Listed[] {
  return [...text.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)].flatMap(([, attributes, label]) => {
    const href = attributes.match(/href="([^"]*)"/i)?.[1].replaceAll("&amp;", "&");
    if (href === undefined || /data-yanked/i.test(attributes)) return [];
    const url = new URL(href, base);
    const sha256 = url.hash.match(/sha256=([0-9a-f]{64})/i)?.[1].toLowerCase();
    url.hash = "";
    return sha256 ? [{ file: label.trim(), url: url.href, sha256 }] : [];
  });
}

/** Removes name and password, which pip's settings may contain and fetch() refuses. */
function withoutLogin(url: string): string {
  const plain = new URL(url);
  plain.username = plain.password = "";
  return plain.href;
}

function login(url: string): Record<string, string> {
  const { username, password } = new URL(url);
  if (!username) return {};
  return {
    authorization: `Basic ${
      btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)
    }`,
  };
}
