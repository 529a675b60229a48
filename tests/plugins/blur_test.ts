import assert from "node:assert/strict";
import { join } from "node:path";
import { openFaces } from "../../faces/detection/faces_artifact.ts";
import { decode } from "../../faces/images/decode_image.ts";
import { readCropPreprocessing } from "../../faces/images/preprocessing.ts";
import blur from "../../plugins/blur.ts";
import faceCrop from "../../stages/faceCrop.ts";
import resize32 from "../../stages/resize32.ts";
import { testContext } from "../context.ts";
import { gradient, photoArtifacts } from "../faces/detection/fixture.ts";
import sharp from "sharp";

/** Sum of the differences between neighbours in a row: how much detail there is. */
function detail({ data, width, height }: { data: Uint8Array; width: number; height: number }) {
  let sum = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 1; x < width; x++) {
      const i = (y * width + x) * 3;
      sum += Math.abs(data[i] - data[i - 3]);
    }
  }
  return sum;
}

Deno.test("blur takes detail away, keeps the rows, and leaves its name", async () => {
  const bars = Uint8Array.from({ length: 90 * 90 * 3 }, (_, i) => (i / 3) % 6 < 3 ? 255 : 0);
  const raw = { width: 90, height: 90, channels: 3 } as const;
  const stripes = await sharp(bars, { raw }).png().toBuffer();
  using cropping = testContext(faceCrop);
  const photos = [{ path: "a.png", bytes: stripes }, { path: "gone" }, {
    path: "b.jpg",
    bytes: await gradient(5, 90),
  }];
  await cropping.run(
    { ...await photoArtifacts(join(cropping.folder, "in"), photos) },
    { detector: "metadata", shardSize: 1 },
  );
  using context = testContext(blur);
  await context.run({ faces: cropping.artifact("faces") }, { sigma: 3 });

  using before = await openFaces(cropping.outputs.faces);
  using after = await openFaces(context.outputs.faces);
  const labels = ({ full_path, age, box_x, shard }: typeof before.rows[0]) => [
    full_path,
    age,
    box_x,
    shard,
  ];
  assert.deepEqual(after.rows.map(labels), before.rows.map(labels));
  const [sharpFace, blurred] = await Promise.all(
    [before, after].map((faces) => decode(faces.png(faces.rows[0]))),
  );
  assert.equal(blurred.width, sharpFace.width);
  assert.ok(detail(blurred) < detail(sharpFace) / 5);
  assert.deepEqual((await readCropPreprocessing(context.outputs.faces)).steps, ["blur sigma=3"]);

  using resizing = testContext(resize32);
  await resizing.run({ faces: context.artifact("faces") });
});

Deno.test("blur refuses a sigma that does not blur", async () => {
  using context = testContext(blur);
  const faces = { kind: "faces", stage: "faceCrop", path: "nowhere", digest: "" };
  await assert.rejects(
    async () => await context.run({ faces }, { sigma: 0 }),
    /expected number to be >=0\.3/,
  );
});
