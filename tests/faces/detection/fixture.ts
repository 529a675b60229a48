/** Small artifacts of photos, made by hand, for the stages that take photos and faces. */
import { join } from "node:path";
import sharp from "sharp";
import { writeParquet } from "../../../packages/formats/parquet.ts";
import { RandomAccessFile } from "../../../packages/formats/random_access_file.ts";
import { scanTar, TarWriter } from "../../../packages/formats/tar.ts";
import type { Artifact } from "../../../packages/pipeline/stage.ts";
import type { ArchivesDescription } from "../../../faces/datasets/archives.ts";
import { testArtifact } from "../../context.ts";

/** A row of a table; what is left out is made up. */
export interface Photo {
  path: string;
  /** Left out: the archive has no such file. */
  bytes?: Uint8Array;
  age?: number;
  gender?: number;
  name?: string | null;
  identity?: string | null;
  faceLocation?: number[] | null;
}

/** Artifacts `archives` and `table` of one dataset of these photos. */
export async function photoArtifacts(
  folder: string,
  photos: readonly Photo[],
  layout: "crop" | "full" = "crop",
): Promise<{ archives: Artifact; table: Artifact }> {
  await Deno.mkdir(join(folder, "archives"), { recursive: true });
  using tar = new TarWriter(join(folder, "archives", "photos.tar"));
  for (const { path, bytes } of photos) if (bytes) tar.add(`photos/${path}`, bytes);
  tar.close();
  return await archiveArtifacts(folder, join(folder, "archives", "photos.tar"), photos, layout);
}

/** The same of a tar that is there; all its paths start with the dataset's name and a slash. */
export async function archiveArtifacts(
  folder: string,
  tarPath: string,
  photos: readonly Photo[],
  layout: "crop" | "full" = "crop",
): Promise<{ archives: Artifact; table: Artifact }> {
  const archives = join(folder, "archives"), table = join(folder, "table");
  await Deno.mkdir(archives, { recursive: true });
  await Deno.mkdir(table, { recursive: true });
  using file = new RandomAccessFile(tarPath);
  const entries = [...scanTar(file)].map((entry) => {
    const [dataset, ...rest] = entry.path.split("/");
    return { ...entry, dataset, path: rest.join("/") };
  });
  const dataset = entries[0]?.dataset ?? "photos";
  const description: ArchivesDescription = {
    datasets: [{
      name: dataset,
      layout,
      tars: [{ file: tarPath, source: tarPath, md5: null, verified: false }],
      metadata: { tar: tarPath, offset: 0, size: 0, path: "", variable: "" },
    }],
  };
  await Deno.writeTextFile(join(archives, "archives.json"), JSON.stringify(description));
  if (tarPath !== join(archives, "photos.tar")) {
    await Deno.symlink(tarPath, join(archives, "photos.tar"));
  }
  await writeParquet(join(archives, "index.parquet"), {
    dataset: { type: "string", values: entries.map(({ dataset }) => dataset) },
    tar: { type: "string", values: entries.map(() => "photos.tar") },
    path: { type: "string", values: entries.map(({ path }) => path) },
    offset: { type: "int64", values: entries.map(({ offset }) => offset) },
    size: { type: "int64", values: entries.map(({ size }) => size) },
  });
  await writeParquet(join(table, "table.parquet"), {
    full_path: { type: "string", values: photos.map(({ path }) => path) },
    dataset: { type: "string", values: photos.map(() => dataset) },
    age: { type: "int32", values: photos.map(({ age }, i) => age ?? i) },
    gender: { type: "int32", values: photos.map(({ gender }, i) => gender ?? i % 2) },
    name: {
      type: "string",
      values: photos.map(({ name }, i) => name === undefined ? `Søren ${i}` : name),
      nullable: true,
    },
    identity: {
      type: "string",
      values: photos.map(({ identity }, i) => identity === undefined ? `person ${i}` : identity),
      nullable: true,
    },
    face_location: {
      type: "float64[]",
      values: photos.map(({ faceLocation = null }) => faceLocation),
      nullable: true,
    },
  });
  return { archives: testArtifact(archives, "archives"), table: testArtifact(table, "table") };
}

/** A picture of a gradient, different for each `seed`, as a JPEG. */
export async function gradient(seed: number, size = 64): Promise<Uint8Array> {
  const data = new Uint8Array(size * size * 3);
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      data[i++] = 255 * x / size;
      data[i++] = 255 * y / size;
      data[i++] = seed * 37 % 256;
    }
  }
  return await sharp(data, { raw: { width: size, height: size, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}
