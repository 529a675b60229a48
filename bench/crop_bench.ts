/** Speedup of faceCrop by workers; time per photo and memory by number of photos. */
import { join } from "node:path";
import { median } from "../packages/statistics/prediction_metrics.ts";
import {
  barChart,
  defineBench,
  DENO,
  megabytes,
  names,
  outputOf,
  runPipeline,
  table,
  takeTurns,
  thousands,
} from "./harness.ts";
import { inPeers } from "./peer.ts";
import { somePhotos } from "./photos.ts";

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
  --chart PATH      writes a chart of the scale as SVG`;

/** Number of different photos; more are links to these. */
const DIFFERENT = 400;

export type CoresRow = Awaited<ReturnType<typeof measureCores>>;
export type CropRow = Awaited<ReturnType<typeof measureScale>>;

const defaults = {
  parts: names(["cores", "scale"]),
  detectors: "metadata,tinyFaceDetector",
  rounds: 3,
  photos: [4000, 400],
  count: 100_000,
  faces: undefined,
  chart: undefined,
} as const;
export const bench = defineBench(help, defaults, async (values, folder) => {
  const pictures = await somePhotos(values.faces, DIFFERENT);
  const cores: CoresRow[] = [], scale: CropRow[] = [];
  for (const [d, detector] of values.detectors.split(",").entries()) {
    if (!values.parts.includes("cores")) break;
    const photos = values.photos[d] ?? values.photos.at(-1)!;
    cores.push(
      await measureCores(join(folder, detector), pictures, detector, photos, values.rounds),
    );
    console.error(`${detector}: ${cores.at(-1)!.ratio.toFixed(2)} times one worker`);
  }
  for (const share of values.parts.includes("scale") ? [0.1, 0.3, 1] : []) {
    const here = join(folder, "scale"), photos = Math.max(1, Math.round(values.count * share));
    scale.push(await measureScale(here, pictures, photos));
    console.error(`${thousands(photos)}: ${thousands(scale.at(-1)!.photosPerSecond)} a second`);
    await Deno.remove(here, { recursive: true });
  }
  if (values.chart !== undefined) await Deno.writeTextFile(values.chart, chart(scale));
  return { text: toMarkdown(cores, scale), json: { crop: { cores, scale } } };
});

async function measureCores(
  folder: string,
  pictures: readonly Uint8Array[],
  detector: string,
  photos: number,
  rounds: number,
) {
  await prepare(folder, pictures, photos, detector);
  await run(folder, ["--until", "matParse"]);
  const turn = async (workers: number) => {
    const again = ["--only", "faceCrop", "--force", "faceCrop"];
    const { seconds } = await run(folder, [...again, "--set", `faceCrop.workers=${workers}`]);
    return seconds.faceCrop;
  };
  const { one, all } = await takeTurns(rounds, {
    one: () => turn(1),
    all: () => turn(navigator.hardwareConcurrency),
  });
  return { detector, photos, one, all, ratio: median(one.map((time, i) => time / all[i])) };
}

/**
 * Measures the seconds of both stages; `work`: processor time per photo in ms, and `memory`: peak in
 * bytes, over all processes and stages.
 */
async function measureScale(folder: string, pictures: readonly Uint8Array[], photos: number) {
  await prepare(folder, pictures, photos, "metadata");
  let watched: Promise<string> | undefined;
  const { seconds: { faceCrop, resize32 } } = await run(folder, [], (pid) => {
    const args = [...DENO, inPeers("process_tree.ts"), String(pid)];
    watched = outputOf(Deno.execPath(), args);
  });
  const { bytes, seconds }: { bytes: number; seconds: number } = JSON.parse(await watched!);
  const photosPerSecond = photos / (faceCrop + resize32);
  const work = seconds ? seconds / photos * 1000 : null;
  return { photos, faceCrop, resize32, photosPerSecond, work, memory: bytes || null };
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

const run = (folder: string, args: readonly string[], watch?: (pid: number) => void) =>
  runPipeline(join(folder, "crop.yaml"), args, {
    env: { INIT_CWD: folder },
    ...watch && { watch },
  });

export function toMarkdown(cores: readonly CoresRow[], scale: readonly CropRow[]): string {
  const tables = [
    cores.length > 0 && table(
      ["detector", "photos", "1 worker", "1 worker per core", "speedup"],
      cores.map(({ detector, photos, one, all, ratio }) => [
        ...[detector, thousands(photos)],
        ...[one, all].map((times) => `${(median(times) / photos * 1000).toFixed(2)} ms per photo`),
        ratio.toFixed(2),
      ]),
    ),
    scale.length > 0 && table(
      ["photos", "faceCrop", "resize32", "photos/s", "core time per photo", "peak memory"],
      scale.map(({ photos, faceCrop, resize32, photosPerSecond, work, memory }) => [
        ...[thousands(photos), `${faceCrop.toFixed(1)} s`, `${resize32.toFixed(1)} s`],
        ...[thousands(photosPerSecond), work === null ? "–" : `${work.toFixed(2)} ms`],
        megabytes(memory),
      ]),
    ),
  ];
  return tables.filter(Boolean).join("\n\n");
}

export function chart(rows: readonly CropRow[]): string {
  const labels = rows.map(({ photos }) => `${thousands(photos)} photos`);
  return barChart("Processors' time for a photo, and memory, by the number of photos", labels, [
    {
      title: "ms of a core for a photo, from its archive to 32 × 32",
      values: rows.map(({ work }) => work),
      show: (value) => value.toFixed(2),
    },
    {
      title: "peak memory of all processes, MB",
      values: rows.map(({ memory }) => memory && memory / 1e6),
      show: thousands,
    },
  ]);
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
