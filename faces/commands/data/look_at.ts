/** Finds out what a folder or archive of photos holds. */
import { basename } from "node:path";
import { counted } from "../../../packages/pipeline/causes.ts";
import { isDiskFull } from "../../../packages/pipeline/errors.ts";
import { sha256 } from "../../../packages/pipeline/fingerprint.ts";
import { makeTemporaryFolder } from "../../../packages/pipeline/paths.ts";
import type { Progress } from "../../../packages/pipeline/stage.ts";
import { random } from "../../../packages/random/random.ts";
import { findCopies, type Frequencies, frequenciesOf } from "../../datasets/copies.ts";
import type { Labels } from "../../datasets/labels.ts";
import { bytesOf, openPhotoFiles, pathIndex, type PhotoFiles } from "../../datasets/photo_files.ts";
import { choosePreset, type Preset } from "../../datasets/presets.ts";
import { facePaths } from "../../datasets/rows.ts";
import { PHOTO } from "../../datasets/sources.ts";
import type { DataFound } from "../../evaluation/data_page.ts";
import type { NamedImage } from "../../evaluation/report_data.ts";
import { thumbnail } from "../../evaluation/image_data_urls.ts";
import { decode, ImageError } from "../../images/decode_image.ts";
import { shownReason } from "../../images/image.ts";
import { findLabels, type FoundLabels, parsePreset } from "./find_labels.ts";
import { hintsOf } from "./propose_pipeline.ts";

/** Fixed, so the same data show the same photos. */
const SEED = 20210;
const MAX_SHOWN = 60;
/** Maximum number of photos of which all pairs are compared. */
const MAX_PAIRED = 200;
/** Maximum number of pairs of copies with pictures. */
const MAX_PAIRS = 30;
/** Side of a thumbnail, pixels: twice its size on the page. */
const THUMBNAIL = 112;

/**
 * Looks at a data set.
 * @param options.preset name of a preset, or a map as in YAML
 * @param options.preferred presets to take before others that label as many photos
 * @param options.photos maximum number of photos to open
 * @throws {UsageError} if there is no such preset
 */
export async function lookAt(
  folder: string,
  options: {
    preset?: string | undefined;
    preferred?: readonly (string | Preset)[];
    photos: number;
    signal: AbortSignal;
    progress?: Progress;
  },
): Promise<DataFound> {
  const wanted = options.preset === undefined ? undefined : parsePreset(options.preset);
  const scratch = await makeTemporaryFolder();
  await using end = new AsyncDisposableStack();
  end.defer(() => Deno.remove(scratch, { recursive: true }).catch(() => {}));
  await using files = await openPhotoFiles(folder, scratch, options.signal).catch((error) => {
    const { message, cause } = error as Error;
    const wayOut = isDiskFull(message)
      ? ` It is unpacked into ${scratch}: set TMPDIR to a folder on a larger disk.`
      : "";
    const why = message.replace(/\.$/, "");
    throw new Error(`Cannot look at "${folder}": ${why}.${wayOut}`, { cause });
  });
  const photos = files.paths.filter((path) => PHOTO.test(path));
  const { found, why } = await findLabels(files, photos, wanted, options);
  const rows = found?.labels.rows ?? [];
  const has = pathIndex(files.paths), named = pathIndex(rows.map(({ path }) => path));
  const present = rows.filter(({ path }) => has(path));
  return {
    folder,
    name: basename(folder),
    files: files.paths.length,
    photos,
    ...found,
    present,
    missing: rows.filter(({ path }) => !has(path)).map(({ path }) => path),
    unlabelled: photos.filter((path) => !named(path)),
    repeated: found ? repeatedIn(found) : [],
    ...await openPhotos(files, present.length > 0 ? present.map(({ path }) => path) : photos, {
      ...options,
      captionOf: captions(found?.labels),
    }),
    summary: `${counted(photos.length, "photo")} in ${counted(files.paths.length, "file")}; ` +
      (found
        ? `${counted(present.length, "row")} of labels with a photo.`
        : `no labels found. ${why}`.trimEnd()),
    hints: [...hintsOf(present, files.paths, folder), ...found?.labels.strays ?? []],
  };
}

/** Describes photos, or faces of a photo, that several rows name; the first of them counts. */
function repeatedIn({ labels: { rows }, preset }: FoundLabels): string[] {
  const { layout = "full" } = preset === undefined ? {} : choosePreset(preset);
  const faces = layout === "full" ? facePaths(rows) : rows.map(({ path }) => path);
  const byFace = Map.groupBy(rows.keys(), (i) => faces[i]);
  byFace.delete("");
  return [...byFace].filter(([, { length }]) => length > 1).map(([face, same]) => {
    const labels = new Set(same.map((i) => `${rows[i].age} ${rows[i].gender}`));
    return `${face}: ${same.length} rows${labels.size > 1 ? " of different labels" : ""}`;
  });
}

/** Returns a function that describes a photo: its path with all labels; age and gender alone. */
function captions(labels?: Labels): (path: string) => Omit<NamedImage, "image"> {
  const byPath = new Map(labels?.rows.map((row) => [row.path, row]));
  return (path) => {
    const { age = NaN, gender = NaN, attributes: { age_low, age_high, ...rest } = {} } =
      byPath.get(path) ?? {};
    const years = age >= 0 ? String(age) : age_low == null ? "" : `${age_low}–${age_high}`;
    const others = Object.entries(rest).map(([name, value]) =>
      value !== null && `${name} ${value}`
    );
    const both = [years, ["female", "male"][gender]].filter(Boolean);
    return { name: [path, ...both, ...others].filter(Boolean).join(", "), label: both.join(" ") };
  };
}

/** Opens a random subset of photos: copies, damage and thumbnails. */
async function openPhotos(
  files: PhotoFiles,
  paths: readonly string[],
  { photos, signal, progress, captionOf }: Parameters<typeof lookAt>[1] & {
    captionOf: ReturnType<typeof captions>;
  },
): Promise<Pick<DataFound, "opened" | "unreadable" | "copies" | "near" | "pairs" | "shown">> {
  const chosen = random(SEED, "data").shuffle([...new Set(paths)]).slice(0, photos);
  const digests = new Map<string, string[]>();
  const unreadable: DataFound["unreadable"][number][] = [];
  const shown: DataFound["shown"][number][] = [];
  const compared: string[] = [], frequencies: Frequencies[] = [];
  progress?.start(chosen.length, "photos");
  for (const path of chosen) {
    signal.throwIfAborted();
    progress?.advance(1, path);
    const bytes = await files.read(path);
    if (!(bytes instanceof Uint8Array)) {
      unreadable.push({ path, why: `it is ${bytes}` });
      continue;
    }
    const equal = digests.getOrInsertComputed(sha256(bytes), () => []);
    equal.push(path);
    try {
      if (shown.length < MAX_SHOWN) {
        shown.push({ image: await thumbnail(bytes, THUMBNAIL), ...captionOf(path) });
      }
      if (equal.length > 1) continue;
      frequencies.push(await frequenciesOf(await decode(bytes)));
      compared.push(path);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      unreadable.push({ path, why: shownReason(error.reason) });
    }
  }
  const copies = [...digests.values()].filter(({ length }) => length > 1);
  const near = await findCopies(frequencies, { allPairs: frequencies.length <= MAX_PAIRED });
  const pairs = [
    ...near.map(({ image, of, mirrored }) =>
      [compared[of], compared[image], mirrored ? "≈ (mirrored)" : "≈"] as const
    ),
    ...copies.flatMap(([of, ...same]) => same.map((path) => [of, path, "="] as const)),
  ];
  const pictures: DataFound["pairs"]["shown"][number][] = [];
  for (const [of, path, sign] of pairs.slice(0, MAX_PAIRS)) {
    for (const [one, before] of [[of, ""], [path, `${sign} `]]) {
      const image = await thumbnail(await bytesOf(files, one), THUMBNAIL).catch(() => undefined);
      const { name, label } = captionOf(one);
      if (image) pictures.push({ image, name: before + name, label: before + label });
    }
  }
  return {
    opened: chosen.length,
    unreadable,
    copies,
    near: near.length,
    shown,
    pairs: { shown: pictures, lines: pairs.map(([of, path, sign]) => `${of} ${sign} ${path}`) },
  };
}
