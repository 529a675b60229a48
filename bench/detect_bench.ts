/** Speed and recall of the detectors beside dlib, image by image. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { agreement, type DetectReport, rows, type Said, toMarkdown } from "./detect_stats.ts";
import { drawn, folder, photos, type Picture, type Pictures } from "./detect_photos.ts";
import { ResultLog } from "./result_log.ts";
import { type DetectOrder, Peer } from "./peer.ts";
import { packages, pythonFor } from "./python.ts";
import { machine, parseOptions, printReport, whole } from "./machine_table.ts";

/** Variants of the detectors: options besides the defaults, by name. */
const variants: Readonly<Record<string, { name: string; minFace?: number }>> = {
  "dlibCnn": { name: "dlibCnn" },
  // As a _crop archive's faces may be looked for: most of the time they are large.
  "dlibCnn-minFace0.45": { name: "dlibCnn", minFace: 0.45 },
  "ssdMobilenetv1": { name: "ssdMobilenetv1" },
  "tinyFaceDetector": { name: "tinyFaceDetector" },
};
const known = Object.keys(variants);

const help = `deno task bench detect [options]

Runs dlib's CNN face detector and the project's detectors on the same images, each a process on one
core (on Linux, by taskset), in turns. The first run installs dlib in the user's cache folder. Also
reports the agreement of dlibCnn with dlib.

  --detectors LIST  of ${known.join(", ")} (all)
  --count N         pictures of each kind (40)
  --faces DIR       adds pictures of a folder: wiki_crop.tar and imdb_crop.tar with an expected.csv
  --all             all pictures of that folder (15,000: some three hours)
  --keep FILE       log of the detections; a later run resumes from it
  --without-dlib    only the project's own
  --python PATH     a Python that has dlib-bin and numpy
  --json            one JSON object on stdout, and the rest on stderr
`;

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, help, {
    detectors: known.join(","),
    count: "40",
    faces: undefined,
    all: false,
    keep: undefined,
    "without-dlib": false,
    python: undefined,
    json: false,
  });
  if (!values) return;
  const detectors = values.detectors.split(",");
  for (const name of detectors) {
    if (!Object.hasOwn(variants, name)) {
      throw new Error(`Cannot measure "${name}": it is none of ${known.join(", ")}.`);
    }
  }
  const count = whole("count", values.count);
  if (values.all && !values.faces) {
    throw new Error("Cannot take --all pictures without --faces DIR.");
  }
  const kept = new ResultLog<Said>(values.keep);
  const groups = [
    drawn(count),
    photos(),
    ...values.faces ? await folder(values.faces, values.all ? Infinity : count) : [],
  ];
  const peers = await open(detectors, values["without-dlib"] ? undefined : values.python ?? "");
  const say = (line: string) => console.error(line);
  const seen: { group: Pictures; picture: Omit<Picture, "image">; said: Record<string, Said> }[] =
    [];
  const folderPath = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    for (const group of groups) {
      say(`${group.count} pictures: ${group.title}`);
      for await (const { image, ...picture } of group.read()) {
        const file = join(folderPath, "picture.rgb");
        await Deno.writeFile(file, image.data);
        const { width, height } = image;
        const said: Record<string, Said> = {};
        for (const [name, peer] of peers) {
          const key = { detector: name, picture: picture.name, width, height };
          const before = kept.get(key);
          said[name] = before ?? await ask(peer, { op: "detect", file, width, height });
          if (!before) kept.add(key, said[name]);
        }
        seen.push({ group, picture, said });
        progress(seen.length, groups);
      }
    }
  } finally {
    for (const [, peer] of peers) await peer.close();
    await Deno.remove(folderPath, { recursive: true });
  }
  const names = peers.map(([name]) => name);
  const report: DetectReport = {
    machine: machine(),
    packages: { dlib: packages.dlib },
    pictures: groups.map((group) => {
      const those = seen.filter((one) => one.group === group);
      const faces = those.reduce((sum, { picture }) => sum + picture.faces.length, 0);
      return { title: group.title, pictures: those.length, faces, detect: rows(names, those) };
    }),
    detect: rows(names, seen),
    agreement: names.includes("dlib") && names.includes("dlibCnn") ? agreement(seen) : null,
  };
  printReport(toMarkdown(report), values.json, report);
}

async function ask(peer: Peer, order: DetectOrder): Promise<Said> {
  const { ms, faces } = await peer.ask(order);
  return { ms: ms as number, faces: faces! };
}

/** Opens a process per detector. @param python path; undefined: without dlib; empty: install it */
async function open(detectors: readonly string[], python?: string): Promise<[string, Peer][]> {
  const weights = import.meta.resolve(
    "../faces/detection/detectors/dlib/mmod_human_face_detector.dat",
  );
  const peers: [string, Peer][] = [];
  if (python !== undefined) {
    const script = fileURLToPath(import.meta.resolve("./peers/dlib_peer.py"));
    const command = python || await pythonFor("dlib");
    peers.push(["dlib", pinned("dlib", command, [script, fileURLToPath(weights)])]);
  }
  const script = import.meta.resolve("./peers/detector_peer.ts");
  const flags = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys", "--allow-ffi"];
  for (const name of detectors) {
    const args = [
      "run",
      "--quiet",
      "--no-prompt",
      ...flags,
      script,
      JSON.stringify(variants[name]),
    ];
    peers.push([name, pinned(name, Deno.execPath(), args)]);
  }
  return peers;
}

/** Opens a peer on one core, where the system allows it. */
function pinned(name: string, command: string, args: string[]): Peer {
  return Deno.build.os === "linux"
    ? new Peer(name, "taskset", ["-c", "0", command, ...args])
    : new Peer(name, command, args);
}

function progress(done: number, groups: readonly Pictures[]): void {
  const all = groups.reduce((sum, { count }) => sum + count, 0);
  if (Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${done} of ${all}${done < all ? "" : "\n"}`));
  } else if (done % 50 === 0) console.error(`${done} of ${all}`);
}
