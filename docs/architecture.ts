/**
 * Draws the rooms and their imports as the Mermaid diagram of docs/architecture.md.
 *
 *     deno run -A docs/architecture.ts
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const page = join(root, "docs/architecture.md");
const IMPORT = /(?:\bfrom|\bimport\(|\bimport)\s*"((?:\.|@reproducible\/)[^"]*)"/g;
const MARKERS = /(<!-- rooms -->\n)[\s\S]*?(<!-- \/rooms -->)/;

/** Reads the list of rooms from the test that keeps their order, from the bottom up. */
export async function readRooms(): Promise<string[]> {
  const test = await Deno.readTextFile(join(root, "tests/architecture_test.ts"));
  const list = test.match(/const ROOMS = \[([^\]]*)\]/);
  if (!list) throw new Error("Cannot find the list ROOMS in tests/architecture_test.ts.");
  return [...list[1].matchAll(/"([^"]+)"/g)].map(([, room]) => room);
}

/** Returns the Mermaid diagram: arrows from importer to imported, without those that follow. */
export async function roomsDiagram(): Promise<string> {
  const rooms = await readRooms();
  const roomOf = (path: string) =>
    rooms.find((room) => path === room || path.startsWith(`${room}/`));
  const edges = new Map(rooms.map((room) => [room, new Set<string>()]));
  for (const room of rooms) {
    const files = room.endsWith(".ts")
      ? [""]
      : await readdir(join(root, room), { recursive: true });
    for (const path of files.map((file) => join(room, file))) {
      if (!path.endsWith(".ts") || /\/(assembly|node_modules)\//.test(path)) continue;
      for (const [, to] of (await Deno.readTextFile(join(root, path))).matchAll(IMPORT)) {
        const target = to.replace("@reproducible/", "packages/");
        const other = roomOf(to === target ? join(path, "..", to) : target);
        if (other && room !== other) edges.get(room)!.add(other);
      }
    }
  }
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    [...edges.get(from)!].some((next) =>
      next === to || (!seen.has(next) && (seen.add(next), reaches(next, to, seen)))
    );
  const id = (room: string) => room.replace(/\W/g, "_");
  const arrows = rooms.toReversed().flatMap((from) =>
    [...edges.get(from)!].sort().filter((to) =>
      ![...edges.get(from)!].some((between) => between !== to && reaches(between, to))
    ).map((to) => `  ${id(from)} --> ${id(to)}`)
  );
  const box = (name: string) => `  ${id(name)}["${name}"]`;
  const group = (title: string) => [
    `  subgraph ${title}`,
    ...rooms.filter((room) => room.startsWith(`${title}/`)).map((room) => `  ${box(room)}`),
    "  end",
  ];
  const single = rooms.filter((room) => !/^(packages|faces)\//.test(room)).map(box);
  return ["flowchart TD", ...single, ...group("faces"), ...group("packages"), ...arrows].join("\n");
}

/** Puts the diagram into the page's text, between its markers. */
export function insertDiagram(text: string, diagram: string): string {
  return text.replace(
    MARKERS,
    (_, open, close) => `${open}\n\`\`\`mermaid\n${diagram}\n\`\`\`\n\n${close}`,
  );
}

if (import.meta.main) {
  const text = await Deno.readTextFile(page);
  await Deno.writeTextFile(page, insertDiagram(text, await roomsDiagram()));
}
