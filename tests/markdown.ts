/** The project's documents, taken apart: links, headings, code spans, fenced code. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../", import.meta.url));

export interface Fence {
  /** The info string: "sh", "sh no-run: needs Redis", "ts". */
  readonly info: string;
  readonly code: string;
}

export interface MarkdownFile {
  /** Path from the project's root. */
  readonly path: string;
  readonly text: string;
  /** The text without fenced code, HTML comments and code spans. */
  readonly prose: string;
  /** Targets of links and images. */
  readonly links: readonly string[];
  /** Anchors of headings, as GitHub makes them. */
  readonly anchors: ReadonlySet<string>;
  /** Contents of `code spans`. */
  readonly spans: readonly string[];
  readonly fences: readonly Fence[];
}

/** Reads every document of the project. */
export async function markdownFiles(): Promise<MarkdownFile[]> {
  const found: string[] = [];
  const walk = async (folder: string) => {
    for await (const { name, isDirectory, isFile } of Deno.readDir(join(root, folder))) {
      // A kit has photos in data, perhaps with documents of theirs.
      if (/^\.|^(artifacts|data|node_modules)$/.test(name)) continue;
      const path = join(folder, name);
      if (isDirectory) await walk(path);
      else if (isFile && name.endsWith(".md")) found.push(path);
    }
  };
  await walk("");
  return await Promise.all(
    found.sort().map(async (path) => parse(path, await Deno.readTextFile(join(root, path)))),
  );
}

/** Returns the commands of a document's shell examples that run, `deno task test` apart. */
export function shellExamples({ fences }: MarkdownFile): { line: string; words: string[] }[] {
  return fences.filter(({ info }) => info === "sh").flatMap(({ code }) =>
    code.replace(/\\\n\s*/g, " ").split("\n").map((line) => ({
      line,
      words: line.replace(/(^| )#.*$/, "").replace(/^npx -y deno@[\d.]+/, "deno").trim().split(
        /\s+/,
      ),
    }))
  ).filter(({ words }) => words[0] !== "" && words[2] !== "test"); // the tests are running
}

const FENCE = /^( *)(`{3,})([^\n]*)\n([\s\S]*?)\n\1\2`*$/gm;

function parse(path: string, text: string): MarkdownFile {
  const fences = [...text.matchAll(FENCE)].map(([, , , info, code]) => ({
    info: info.trim(),
    code,
  }));
  const unfenced = text.replace(FENCE, "").replace(/<!--[\s\S]*?-->/g, "");
  const seen = new Map<string, number>();
  const anchors = new Set(
    [...unfenced.matchAll(/^#{1,6} +(.*)$/gm)].map(([, heading]) => {
      const slug = heading.trim().toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
  return {
    path,
    text,
    prose: unfenced.replace(/`[^`]*`/g, "``"),
    links: [...unfenced.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target),
    anchors,
    spans: [...unfenced.matchAll(/`([^`\n]+(?:\n[^`\n]+)?)`/g)].map(([, span]) =>
      span.replace(/\s+/g, " ")
    ),
    fences,
  };
}
