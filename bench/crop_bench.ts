/** Speedup of faceCrop by workers; time per photo and memory by number of photos. */
import { join } from "node:path";
import { random } from "../packages/random/random.ts";
import { RandomAccessFile } from "../packages/formats/random_access_file.ts";
import { scanTar } from "../packages/formats/tar.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawTraits } from "../faces/synthetic/traits.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import { barChart } from "./bar_chart.ts";
import { median } from "../packages/statistics/prediction_metrics.ts";
import { machine, parseOptions, printReport, table, thousands, whole } from "./machine_table.ts";

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
  --chart PATH      writes a chart of the scale as SVG
  --json            one JSON object on stdout, and the rest on stderr
`;

const root = new URL("../", import.meta.url);

/** Seconds of faceCrop with one worker, and with one per core, in each round. */
export interface CoresRow {
  detector: string;
  photos: number;
  one: number[];
  all: number[];
  /** Median over the rounds of one / all. */
  ratio: number;
}

export interface CropRow {
  photos: number;
  /** Seconds. */
  faceCrop: number;
  resize32: number;
  photosPerSecond: number;
  /** Processor time per photo in ms, over all processes and stages. */
  work: number | null;
  /** Peak memory of all processes together, in bytes. */
  memory: number | null;
}

export interface CropReport {
  machine: ReturnType<typeof machine>;
  cores: CoresRow[];
  scale: CropRow[];
}

export async function bench(args: string[]): Promise<void> {
  const values = parseOptions(args, help, {
    parts: "cores,scale",
    detectors: "metadata,tinyFaceDetector",
    rounds: "3",
    photos: "4000,400",
    count: "100000",
    faces: undefined,
    chart: undefined,
    json: false,
  });
  if (!values) return;
  const parts = values.parts.split(",");
  const wrong = parts.find((part) => part !== "cores" && part !== "scale");
  if (wrong !== undefined) throw new Error(`Cannot measure "${wrong}": it is cores or scale.`);
  const photos = values.photos.split(",").map((text) => whole("photos", text));
  const rounds = whole("rounds", values.rounds), count = whole("count", values.count);
  const say = (line: string) => console.error(line);

  const folder = await Deno.makeTempDir({ prefix: "bench-crop-" });
  const report: CropReport = { machine: machine(), cores: [], scale: [] };
  try {
    const pictures = await somePictures(values.faces);
    if (parts.includes("cores")) {
      for (const [d, detector] of values.detectors.split(",").entries()) {
        const here = join(folder, detector);
        const row = await cores(here, pictures, detector, photos[d] ?? photos.at(-1)!, rounds);
        say(`${detector}: ${row.ratio.toFixed(2)} times one worker`);
        report.cores.push(row);
        await Deno.remove(here, { recursive: true });
      }
    }
    if (parts.includes("scale")) {
      for (const share of [0.1, 0.3, 1]) {
        const here = join(folder, "scale"), many = Math.max(1, Math.round(count * share));
        const row = await scale(here, pictures, many);
        say(
          `${thousands(many)} photos: ${thousands(row.photosPerSecond)} a second` +
            (row.memory === null ? "" : `, ${thousands(row.memory / 1e6)} MB`),
        );
        report.scale.push(row);
        await Deno.remove(here, { recursive: true });
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (values.chart !== undefined) await Deno.writeTextFile(values.chart, chart(report.scale));
  printReport(toMarkdown(report), values.json, { crop: report });
}

/** Measures one worker and one per core, in turns. */
async function cores(
  folder: string,
  pictures: readonly Uint8Array[],
  detector: string,
  photos: number,
  rounds: number,
): Promise<CoresRow> {
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
  return { detector, photos, one, all, ratio: median(one.map((time, i) => time / all[i])) };
}

async function scale(
  folder: string,
  pictures: readonly Uint8Array[],
  photos: number,
): Promise<CropRow> {
  await prepare(folder, pictures, photos, "metadata");
  const { seconds: { faceCrop, resize32 }, busy, memory } = await run(folder, []);
  const photosPerSecond = photos / (faceCrop + resize32);
  const work = busy && busy / photos * 1000;
  return { photos, faceCrop, resize32, photosPerSecond, work, memory };
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
): Promise<{ seconds: Record<string, number>; busy: number | null; memory: number | null }> {
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
    busy: seen.seconds || null,
    memory: seen.bytes || null,
  };
}

export function toMarkdown({ cores, scale }: CropReport): string {
  const parts: string[] = [];
  if (cores.length > 0) {
    parts.push(table(
      ["detector", "photos", "1 worker", "a worker a core", "times"],
      cores.map(({ detector, photos, one, all, ratio }) => [
        ...[detector, thousands(photos)],
        ...[one, all].map((times) => `${(median(times) / photos * 1000).toFixed(2)} ms a photo`),
        ratio.toFixed(2),
      ]),
    ));
  }
  if (scale.length > 0) {
    parts.push(table(
      ["photos", "faceCrop", "resize32", "photos/s", "work a photo", "peak memory"],
      scale.map(({ photos, faceCrop, resize32, photosPerSecond, work, memory }) => [
        thousands(photos),
        `${faceCrop.toFixed(1)} s`,
        `${resize32.toFixed(1)} s`,
        thousands(photosPerSecond),
        work === null ? "–" : `${work.toFixed(2)} ms`,
        memory === null ? "–" : `${thousands(memory / 1e6)} MB`,
      ]),
    ));
  }
  return parts.join("\n\n");
}

/** Processors' time for a photo and memory, as an SVG. */
export function chart(rows: readonly CropRow[]): string {
  const labels = rows.map(({ photos }) => `${thousands(photos)} photos`);
  return barChart("Processors' time for a photo, and memory, by the number of photos", labels, [
    {
      title: "ms of a core for a photo, from its archive to 32 × 32",
      values: rows.map(({ work }) => work ?? 0),
      show: (value) => value > 0 ? value.toFixed(2) : "unknown",
      fill: "#4269d0",
    },
    {
      title: "peak memory of all processes, MB",
      values: rows.map(({ memory }) => (memory ?? 0) / 1e6),
      show: (value) => value > 0 ? thousands(value) : "unknown",
      fill: "#a463f2",
    },
  ]);
}

/** Number of different photos; more are links to these. */
const DIFFERENT = 400;
/** Minimum size of a photo in bytes. */
const LEAST = 2000;
const seed = 1;

/** Returns JPEGs of a folder's wiki_crop.tar, or synthetic ones. */
export async function somePictures(faces: string | undefined): Promise<Uint8Array[]> {
  return faces === undefined ? await drawnOnes() : fromArchive(join(faces, "wiki_crop.tar"));
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
