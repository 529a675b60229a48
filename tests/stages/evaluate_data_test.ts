import assert from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { NpyFile } from "../../packages/formats/npy.ts";
import { dataSection } from "../../faces/evaluation/sections/data_section.ts";
import { gatherData } from "../../faces/evaluation/data_facts.ts";
import faceCrop from "../../stages/faceCrop.ts";
import resize32 from "../../stages/resize32.ts";
import { testArtifact, testContext } from "../context.ts";
import { gradient, photoArtifacts } from "../faces/detection/fixture.ts";

Deno.test("gatherData() tells of rows, photos, crops and photos without a face, or does without", async () => {
  using cropped = testContext(faceCrop);
  using scaled = testContext(resize32);
  // Of photos that are not cropped, metadata takes those whose face is located.
  const photos = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => ({
      path: `0${i}.jpg`,
      ...(i === 7 ? {} : { bytes: await gradient(i, 60) }),
      age: 10 * i,
      gender: i % 2,
      faceLocation: i < 4 || i === 7 ? [11, 11, 41, 41] : null,
    })),
  );
  const { archives, table } = await photoArtifacts(join(cropped.folder, "in"), photos, "full");
  await Deno.writeTextFile(
    join(table.path, "summary.json"),
    JSON.stringify({
      datasets: { photos: { read: 20, kept: 8, dropped: { noFace: 11, unknownAge: 0, odd: 1 } } },
    }),
  );
  await cropped.run({ archives, table }, { detector: "metadata" });
  const faces = cropped.artifact("faces");
  await scaled.run({ faces });
  const dataset = scaled.artifact("dataset");
  using images = new NpyFile(join(dataset.path, "images.npy"), "uint8");
  const labels = {
    age: [0, 10, 20, 30],
    gender: [0, 1, 0, 1],
    dataset: new Array(4).fill("photos"),
  };
  const splits = {
    train: Int32Array.of(0, 1),
    validation: Int32Array.of(2),
    test: Int32Array.of(3),
  };
  const gather = (sources: Partial<Parameters<typeof gatherData>[0]>) =>
    gatherData(
      { dataset, faces: [], tables: [], archives: [], ...sources },
      labels,
      splits,
      images,
      { crops: 3, noFace: 2 },
    );
  const whole = await gather({ faces: [faces], tables: [table], archives: [archives] });
  assert.deepEqual(whole.selection, [{
    stage: table.stage,
    datasets: [{
      name: "photos",
      read: 20,
      kept: 8,
      dropped: [["without a face", 11], ["odd", 1]],
    }],
  }]);
  assert.deepEqual(whole.labelledBy, {});
  const file = join(archives.path, "archives.json"), described = await Deno.readTextFile(file);
  const { datasets: [only] } = JSON.parse(described);
  await Deno.writeTextFile(
    file,
    JSON.stringify({ datasets: [{ ...only, labelledBy: "by three persons" }] }),
  );
  assert.deepEqual((await gather({ archives: [archives] })).labelledBy, {
    photos: "by three persons",
  });
  await Deno.writeTextFile(file, described);
  const { photos: read, faces: kept, problems } = whole.photos!.photos;
  assert.deepEqual([read, kept], [8, 4]);
  assert.equal(problems["no face found"], 3);
  assert.equal(problems["missing from the archives"], 1);
  assert.equal(whole.noFace.count, 3);
  const names = whole.noFace.shown.map(({ name }) => name);
  assert.equal(new Set(names).size, 2);
  for (const name of names) assert.match(name, /^photos: 0[456]\.jpg$/);
  for (const url of [...whole.crops, ...whole.noFace.shown.map(({ image }) => image)]) {
    const { format, width, height } = await sharp(
      Uint8Array.fromBase64(url.slice("data:image/jpeg;base64,".length)),
    ).metadata();
    assert.deepEqual([format, width, height], ["jpeg", 112, 112]);
  }
  assert.equal(whole.crops.length, 3);
  assert.deepEqual(whole.splits.test, { name: "test", ages: [30], genders: [1] });

  const splitsOf = testArtifact(join(scaled.folder, "splits"), "splits");
  await Deno.mkdir(splitsOf.path);
  await Deno.writeTextFile(join(splitsOf.path, "summary.json"), "{}");
  assert.equal((await gather({ splits: splitsOf })).copies, undefined);
  await Deno.writeTextFile(
    join(splitsOf.path, "copies.csv"),
    "row,of,correlation,mirrored\n1,0,1.0000,false\n3,2,0.9900,true\n3,0,0.9850,false\n",
  );
  const { copies } = await gather({ splits: splitsOf });
  assert.equal(copies!.count, 2, "images, not pairs");
  assert.deepEqual(copies!.shown.map(({ name }) => name).sort(), [
    ...["image 0", "image 1, a copy of 0: correlation 1.0000, other labels", "image 2"],
    "image 3, a copy of 2: correlation 0.9900, mirrored, other labels",
  ]);
  assert.ok(copies!.shown.every(({ image }) => image.startsWith("data:image/png")));
  assert.match(`${dataSection({ ...whole, copies })}`, /Copies <small>2, each in the set/);

  const bare = await gather({});
  assert.deepEqual([bare.selection, bare.photos, bare.noFace.count], [[], undefined, 0]);
  assert.ok(bare.crops.every((url) => url.startsWith("data:image/png;base64,")));
  // Without the archives, photos without a face are counted, and not shown.
  const { noFace } = await gather({ faces: [faces] });
  assert.deepEqual(noFace, { shown: [], count: 3 });
});
