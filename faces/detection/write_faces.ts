/** Writes the artifact `faces` from finished shards. */
import { join } from "node:path";
import { csvField } from "../../packages/formats/csv_write.ts";
import { causeLines, counted } from "../../packages/pipeline/causes.ts";
import { jsonText } from "../../packages/pipeline/state.ts";
import { type FaceRow, shardName, type TableRow, writeFaceRows } from "./faces_artifact.ts";
import type { Kind, StageContext } from "../../packages/pipeline/stage.ts";
import { type CropPreprocessing, writePreprocessing } from "../images/preprocessing.ts";
import { type Problem, publishShard, type Shard } from "./shards.ts";

const PROBLEMS: Readonly<Record<Problem["problem"], string>> = {
  missing: "missing from the archives",
  unreadable: "that cannot be decoded",
  crashed: "that crashed their worker or timed out",
  no_face: "without a face",
  several_faces: "with several faces, of which the best match with the label is used",
};

/** Counts of photos, faces and problems. Photos with several faces are used, other problems are not. */
type FaceCounts = ReturnType<typeof noCounts>;

/**
 * Writes all files of the artifact, and logs the problems of photos.
 * @param rows the table to whose rows the shards refer
 * @returns the number of kinds of problems
 * @throws if no photo has a face
 */
export async function writeFaces(
  rows: readonly TableRow[],
  shards: readonly Shard[],
  preprocessing: CropPreprocessing,
  context: StageContext<{ faces: Kind }>,
): Promise<number> {
  const { scratch, outputs: { faces: output } } = context;
  const faces: FaceRow[] = [];
  const lines = ["dataset,full_path,problem,detail"];
  const datasets = new Map<string, FaceCounts>();
  const total = noCounts();
  const countsOf = (row: number) => [
    total,
    datasets.getOrInsertComputed(rows[row].dataset, noCounts),
  ];
  for (let row = 0; row < rows.length; row++) countsOf(row).forEach((counts) => counts.photos++);
  for (const [index, shard] of shards.entries()) {
    await publishShard(scratch, index, output);
    for (const { row, box, score, offset, size } of shard.faces) {
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
      countsOf(row).forEach((counts) => counts.faces++);
    }
    for (const { row, problem, detail } of shard.problems) {
      const { dataset, full_path } = rows[row];
      lines.push([dataset, full_path, problem, detail].map(csvField).join(","));
      countsOf(row).forEach((counts) => counts.problems[problem]++);
    }
  }
  await writeFaceRows(output, faces);
  await Deno.writeTextFile(join(output, "problems.csv"), lines.join("\n") + "\n");
  const summary = { ...total, datasets: Object.fromEntries(datasets) };
  await Deno.writeTextFile(join(output, "summary.json"), jsonText(summary));
  await writePreprocessing(output, preprocessing);
  if (total.faces === 0) throw noFaces(total, rows, shards, preprocessing);
  context.info(`${counted(total.faces, "face")} from ${counted(total.photos, "photo")}`);
  const problems = (Object.keys(PROBLEMS) as Problem["problem"][])
    .filter((problem) => total.problems[problem] > 0);
  for (const problem of problems) {
    const placed = problem === "no_face" &&
      shards.some(({ problems }) =>
        problems.some((one) => one.problem === problem && one.detail.includes("position"))
      );
    const where = placed ? ", or with none at the labelled position" : "";
    context.warn(
      `Photos ${PROBLEMS[problem]}${where}: ${total.problems[problem]}, see problems.csv`,
    );
  }
  return problems.length;
}

function noCounts() {
  const problems = { missing: 0, unreadable: 0, crashed: 0, no_face: 0, several_faces: 0 };
  return { photos: 0, faces: 0, problems };
}

/** Returns the error of a run without a face, with the reasons and ways out. */
function noFaces(
  { photos, problems }: FaceCounts,
  rows: readonly TableRow[],
  shards: readonly Shard[],
  { detector }: CropPreprocessing,
): Error {
  const all = shards.flatMap(({ problems }) => problems);
  const cause = (problem: Problem["problem"], wayOut: string) => {
    const first = all.find((one) => one.problem === problem);
    const example = first ? ` ("${rows[first.row].full_path}": ${first.detail})` : "";
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

/** Suggests settings that may detect more faces. */
function suggestSettings({ name, minConfidence, upsample }: CropPreprocessing["detector"]) {
  if (name === "metadata") {
    return "metadata needs a _crop archive or a face_location; set faceCrop.detector: " +
      "ssdMobilenetv1";
  }
  const ways = [
    minConfidence > 0 && `lower faceCrop.minConfidence (${minConfidence})`,
    name === "dlibCnn"
      ? Number(upsample) < 2 && `raise faceCrop.upsample (${upsample})`
      : "set faceCrop.detector: dlibCnn, which detects most faces",
  ];
  return ways.filter(Boolean).join(", or ") || "use photos with larger faces";
}
