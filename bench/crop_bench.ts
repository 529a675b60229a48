/** Speedup of faceCrop by workers; time per photo and memory by number of photos. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { RandomAccessFile } from "../packages/formats/random_access_file.ts";
import { scanTar } from "../packages/formats/tar.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawTraits } from "../faces/synthetic/traits.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { megabytes, readOptions, table, thousands } from "./options_table.ts";

const help = `deno task bench crop [options]

Runs faceCrop and resize32 on a folder of 256 × 256 photos: faceCrop with one worker and with one per
core, in turns; then both stages, with detector: metadata, on increasing numbers of photos, which
repeat a few hundred.

  --parts LIST      of cores and scale (both)
  --detectors LIST  whose cores are measured (metadata,tinyFaceDetector)
  --rounds N        rounds (3)
  --photos LIST     photos per run, for each detector (4000,400)
  --count N         photos of the scale: a tenth, three tenths, all (100000: 4 GB on disk)
  --faces DIR       photos of its wiki_crop.tar (default: synthetic ones)
`;

const root = new URL("../", import.meta.url);

const PARTS = ["cores", "scale"];

export async function bench(args: string[]): Promise<void> {
  const options = readOptions(help, args, {
    ...{ parts: PARTS, detectors: ["metadata", "tinyFaceDetector"], rounds: 3 },
    ...{ photos: [4000, 400], count: 100_000, faces: "" },
  }, { parts: PARTS });
  if (!options) return;
  const { parts, detectors, rounds, photos, count, faces } = options;
  const folder = await Deno.makeTempDir({ prefix: "bench-crop-" });
  try {
    const pictures = await somePictures(faces);
    if (parts.includes("cores")) {
      const head = [
        "detector",
        "photos",
        "1 worker, per photo",
        "1 per core, per photo",
        "speedup",
      ];
      const rows = [];
      for (const [d, detector] of detectors.entries()) {
        const many = photos[d] ?? photos.at(-1)!;
        rows.push(await cores(join(folder, detector), pictures, detector, many, rounds));
        await Deno.remove(join(folder, detector), { recursive: true });
      }
      console.log(`\n${table(head, rows)}`);
    }
    if (parts.includes("scale")) {
      const head = ["photos", "faceCrop", "resize32", "photos/s", "work per photo", "peak memory"];
      const rows = [];
      for (const share of [0.1, 0.3, 1]) {
        const here = join(folder, "scale"), many = Math.max(1, Math.round(count * share));
        rows.push(await scale(here, pictures, many));
        console.error(rows.at(-1)!.join("  "));
        await Deno.remove(here, { recursive: true });
      }
      console.log(`\n${table(head, rows)}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Measures one worker and one per core, in turns. Returns a row of the table. */
async function cores(
  folder: string,
  pictures: readonly Uint8Array[],
  detector: string,
  photos: number,
  rounds: number,
): Promise<string[]> {
  await prepare(folder, pictures, photos, detector);
  await run(folder, ["--until", "matParse"]);
  const turn = async (workers: number) => {
    const again = ["--only", "faceCrop", "--force", "faceCrop"];
    const { seconds } = await run(folder, [...again, "--set", `faceCrop.workers=${workers}`]);
    return seconds.faceCrop;
  };
  const one: number[] = [], all: number[] = [];
  for (let round = 0; round < rounds; round++) {
    one.push(await turn(1));
    all.push(await turn(navigator.hardwareConcurrency));
  }
  return [
    ...[detector, thousands(photos)],
    ...[one, all].map((times) => `${(median(times) / photos * 1000).toFixed(2)} ms`),
    median(one.map((time, i) => time / all[i])).toFixed(2),
  ];
}

async function scale(
  folder: string,
  pictures: readonly Uint8Array[],
  photos: number,
): Promise<string[]> {
  await prepare(folder, pictures, photos, "metadata");
  const { seconds: { faceCrop, resize32 }, busy, memory } = await run(folder, []);
  return [
    ...[thousands(photos), `${faceCrop.toFixed(1)} s`, `${resize32.toFixed(1)} s`],
    thousands(photos / (faceCrop + resize32)),
    busy > 0 ? `${(busy / photos * 1000).toFixed(2)} ms` : "–",
    megabytes(memory),
  ];
}

async function prepare(
  folder: string,
  pictures: readonly Uint8Array[],
  photos: number,
  detector: string,
): Promise<void> {
  await writePictures(join(folder, "pictures"), pictures, photos);
  const yaml = `name: crop
artifacts: ./artifacts
stages:
  download: { datasets: [{ folder: ./pictures, layout: crop }] }
  matParse:
  faceCrop: { detector: ${detector} }
  resize32:
`;
  await Deno.writeTextFile(join(folder, "crop.yaml"), yaml);
}

/** Runs the pipeline of a folder. */
async function run(
  folder: string,
  args: readonly string[],
): Promise<{ seconds: Record<string, number>; busy: number; memory: number }> {
  const main = new URL("main.ts", root);
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-all", main.href],
      ...["run", join(folder, "crop.yaml"), "--json", ...args],
    ],
    cwd: root,
    env: { INIT_CWD: folder, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const watch = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--allow-all"],
      ...[new URL("./peers/process_tree.ts", import.meta.url).href, String(child.pid)],
    ],
    stderr: "inherit",
  }).output();
  const { success, stdout, stderr } = await child.output();
  const seen: { bytes: number; seconds: number } = JSON.parse(
    new TextDecoder().decode((await watch).stdout),
  );
  if (!success) {
    throw new Error(`Cannot measure: the run failed.\n${new TextDecoder().decode(stderr)}`);
  }
  const { stages }: { stages: { id: string; seconds: number }[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  return {
    seconds: Object.fromEntries(stages.map(({ id, seconds }) => [id, seconds])),
    busy: seen.seconds,
    memory: seen.bytes,
  };
}

/** Number of different photos; more are links to these. */
const DIFFERENT = 400;
/** Minimum size of a photo in bytes. */
const LEAST = 2000;
const seed = 1;

/** Returns JPEGs of a folder's wiki_crop.tar, or synthetic ones. */
async function somePictures(faces: string): Promise<Uint8Array[]> {
  return faces === "" ? await drawnOnes() : fromArchive(join(faces, "wiki_crop.tar"));
}

async function drawnOnes(): Promise<Uint8Array[]> {
  const pictures: Uint8Array[] = [];
  for (let i = 0; i < DIFFERENT; i++) {
    const rng = random(seed, "bench", "crop", i);
    const svg = faceSvg(drawTraits(rng, 3 + rng.int(85), i % 2 === 0 ? "female" : "male"));
    pictures.push(await drawSvg(svg).flatten().jpeg().toBuffer());
  }
  return pictures;
}

function fromArchive(path: string): Uint8Array[] {
  using archive = new RandomAccessFile(path);
  const pictures: Uint8Array[] = [];
  for (const { path, offset, size } of scanTar(archive)) {
    if (pictures.length === DIFFERENT) break;
    if (path.endsWith(".jpg") && size >= LEAST) pictures.push(archive.read(offset, size));
  }
  return pictures;
}

/** Writes photos as a dataset folder with labels; repeats them as hard links. */
export async function writePictures(
  folder: string,
  pictures: readonly Uint8Array[],
  count: number,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const lines = ["path,age,gender"];
  const name = (i: number) => `${String(Math.floor(i / 1000)).padStart(3, "0")}/${i}.jpg`;
  for (let i = 0; i < count; i++) {
    const path = join(folder, name(i)), first = i % pictures.length;
    if (i % 1000 === 0) await Deno.mkdir(join(folder, name(i), ".."), { recursive: true });
    if (i === first) await Deno.writeFile(path, pictures[i]);
    else await Deno.link(join(folder, name(first)), path);
    lines.push(`${name(i)},${20 + i % 60},${i % 2}`);
  }
  await Deno.writeTextFile(join(folder, "labels.csv"), lines.join("\n") + "\n");
}
