/** Writes the artifact `faces` from finished shards. */
import { join } from "node:path";
import { csvField } from "../../packages/formats/csv_write.ts";
import { type FaceRow, shardName, type TableRow, writeFaceRows } from "./faces_artifact.ts";
import { type CropPreprocessing, writePreprocessing } from "../images/preprocessing.ts";
import { type Problem, publishShard, type Shard } from "./shards.ts";

/** Counts of photos, faces and problems. Photos with several faces are used, other problems are not. */
export interface FaceCounts {
  photos: number;
  faces: number;
  problems: Record<Problem["problem"], number>;
}

/**
 * Writes all files of the artifact.
 * @param scratch folder of the shards
 * @param rows the table to whose rows the shards refer
 */
export async function writeFaces(
  scratch: string,
  output: string,
  rows: readonly TableRow[],
  shards: readonly Shard[],
  preprocessing: CropPreprocessing,
): Promise<FaceCounts> {
  const faces: FaceRow[] = [];
  const lines = ["dataset,full_path,problem,detail"];
  const datasets: Record<string, FaceCounts> = {};
  const total = noCounts();
  const countsOf = (row: number) => [total, datasets[rows[row].dataset] ??= noCounts()];
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
  await Deno.writeTextFile(
    join(output, "summary.json"),
    JSON.stringify({ ...total, datasets }, null, 2) + "\n",
  );
  await writePreprocessing(output, preprocessing);
  return total;
}

function noCounts(): FaceCounts {
  return {
    photos: 0,
    faces: 0,
    problems: { missing: 0, unreadable: 0, crashed: 0, no_face: 0, several_faces: 0 },
  };
}
