/** Writes the artifact `faces` from finished shards. */
import { join } from "node:path";
import { csvLine } from "../../packages/formats/csv_write.ts";
import { causeLines, counted } from "../../packages/pipeline/causes.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import { type FaceRow, shardName, type TableRow, writeFaceRows } from "./faces_artifact.ts";
import type { Kind, StageContext, StageResult } from "../../packages/pipeline/stage.ts";
import { type CropPreprocessing, writePreprocessing } from "../images/preprocessing.ts";
import { PHOTOS } from "./earlier_crops.ts";
import { type Problem, publishShard, type Shard } from "./shards.ts";

const PROBLEMS: Readonly<Record<Problem, string>> = {
  missing: "missing from the archives",
  unreadable: "that cannot be decoded",
  crashed: "that crashed their worker or timed out",
  no_face: "without a face",
  several_faces: "with several faces, of which the best match with the label is used",
};

const KINDS = Object.keys(PROBLEMS) as Problem[];

/** Counts photos, faces and problems. Photos with several faces are used, other problems are not. */
function count(photos: Shard) {
  const problems = KINDS.map((kind) =>
    [kind, photos.filter(({ problem }) => problem?.kind === kind).length] as const
  );
  return {
    photos: photos.length,
    faces: photos.filter(({ face }) => face).length,
    problems: Object.fromEntries(problems) as Record<Problem, number>,
  };
}

/**
 * Writes all files of the artifact, and logs the problems of photos.
 * @param rows the table to whose rows the shards refer
 * @throws if no photo has a face
 */
export async function writeFaces(
  rows: readonly TableRow[],
  shards: readonly Shard[],
  preprocessing: CropPreprocessing,
  context: StageContext<{ faces: Kind }>,
): Promise<StageResult> {
  const { scratch, outputs: { faces: output } } = context;
  const faces: FaceRow[] = [];
  for (const [index, shard] of shards.entries()) {
    // An archive without files is no result.
    if (shard.some(({ face }) => face)) await publishShard(scratch, index, output);
    for (const { row, face } of shard) {
      if (!face) continue;
      const { box, score, offset, size } = face;
      faces.push({
        ...rows[row],
        photo: row,
        box_x: box.x,
        box_y: box.y,
        box_width: box.width,
        box_height: box.height,
        score,
        shard: shardName(index),
        offset,
        size,
      });
    }
  }
  await writeFaceRows(output, faces);
  const lines = ReadableStream.from(shards.map((shard) => JSON.stringify(shard) + "\n"));
  await Deno.writeFile(join(output, PHOTOS), lines.pipeThrough(new TextEncoderStream()));
  const photos = shards.flat(), total = count(photos);
  const problems = photos.flatMap(({ row, problem }) => {
    const { dataset, full_path } = rows[row];
    return problem ? csvLine([dataset, full_path, problem.kind, problem.detail]) : [];
  });
  const header = csvLine(["dataset", "full_path", "problem", "detail"]);
  await Deno.writeTextFile(join(output, "problems.csv"), header + problems.join(""));
  const datasets = Map.groupBy(photos, ({ row }) => rows[row].dataset);
  const counts = [...datasets].map(([name, photos]) => [name, count(photos)] as const);
  const summary = { ...total, datasets: Object.fromEntries(counts) };
  await Deno.writeTextFile(join(output, "summary.json"), jsonText(summary));
  await writePreprocessing(output, preprocessing);
  if (total.faces === 0) throw noFaces(total, rows, photos, preprocessing);
  context.info(`${counted(total.faces, "face")} from ${counted(total.photos, "photo")}`);
  const kinds = KINDS.filter((kind) => total.problems[kind] > 0);
  // More than a third of the photos.
  const few = counts.flatMap(([name, { faces, problems: { no_face: none } }]) =>
    none > faces / 2 ? `${none} of ${counted(faces + none, "photo")} of ${name}` : []
  );
  const caution = few.length > 0 &&
    `No usable face in ${few.join(", ")}: those kept are a selection, often sharp and frontal.`;
  for (const kind of kinds) {
    const placed = kind === "no_face" &&
      photos.some(({ problem }) => problem?.kind === kind && problem.detail.includes("position"));
    const where = placed ? ", or with none at the labelled position" : "";
    const wayOut = kind === "no_face" && caution
      ? `. ${caution} To keep more: ${suggestSettings(preprocessing.detector)}.`
      : "";
    context.warn(
      `Photos ${PROBLEMS[kind]}${where}: ${total.problems[kind]}, see problems.csv${wayOut}`,
    );
  }
  return { show: kinds.length > 0 ? ["faces/problems.csv"] : [], ...caution && { caution } };
}

/** Returns the error of a run without a face, with the reasons and ways out. */
function noFaces(
  { photos, problems }: ReturnType<typeof count>,
  rows: readonly TableRow[],
  all: Shard,
  { detector }: CropPreprocessing,
): Error {
  const cause = (problem: Problem, wayOut: string) => {
    const first = all.find((photo) => photo.problem?.kind === problem);
    const example = first ? ` ("${rows[first.row].full_path}": ${first.problem!.detail})` : "";
    const cause = PROBLEMS[problem].replace(/^that /, "") + example;
    return { count: problems[problem], cause, wayOut };
  };
  return new Error(
    `Cannot crop faces: none of ${counted(photos, "photo")} has one.` +
      causeLines(photos, [
        cause("missing", "add them to the archive or folder"),
        cause("unreadable", "replace them, or convert them to JPEG or PNG"),
        cause("crashed", "raise faceCrop.photoSeconds or lower faceCrop.workers"),
        cause("no_face", suggestSettings(detector)),
      ]),
  );
}

/** Suggests settings that may keep more faces. */
function suggestSettings({ name, minConfidence, upsample }: CropPreprocessing["detector"]) {
  if (name === "metadata") {
    return "metadata needs a _crop archive or a face_location; set faceCrop.detector: " +
      "ssdMobilenetv1";
  }
  const ways = [
    Number(minConfidence) > 0 && `lower faceCrop.minConfidence (${minConfidence})`,
    name !== "dlibCnn" && "set faceCrop.detector: dlibCnn, which detects most faces",
    Number(upsample) < 2 && `raise faceCrop.upsample (${upsample})`,
    Number(upsample) >= 2 && "use photos with larger faces",
    "set layout: crop or aligned for photos that are cut around the face already",
  ];
  return ways.filter(Boolean).join(", or ");
}
