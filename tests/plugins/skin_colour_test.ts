import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { z } from "zod";
import { openFaces } from "../../faces/detection/faces_artifact.ts";
import {
  configureDetector,
  detectorChoice,
  openDetector,
} from "../../faces/detection/detectors.ts";
import { decode } from "../../faces/images/decode_image.ts";
import {
  type DetectorConfig,
  framingDifferences,
  readCropPreprocessing,
} from "../../faces/images/preprocessing.ts";
import { preprocessing } from "../stages/training_data.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { Registry } from "../../packages/pipeline/registry.ts";
import skinColour from "../../plugins/skinColour.ts";
import faceCrop from "../../stages/faceCrop.ts";
import { stages } from "../../stages/mod.ts";
import { testContext } from "../context.ts";
import { photoArtifacts } from "../faces/detection/fixture.ts";
import { startService } from "../faces/serving/fixture.ts";

const module = "plugins/skinColour.ts";
const project = fileURLToPath(new URL("../../", import.meta.url));

/** A patch of skin's colour, 80 × 96 at 64, 48, on grey. */
async function patch(): Promise<Uint8Array<ArrayBuffer>> {
  const face = { create: { width: 80, height: 96, channels: 3, background: "#d8a080" } } as const;
  return Uint8Array.from(
    await sharp({ create: { width: 240, height: 200, channels: 3, background: "#808890" } })
      .composite([{ input: await sharp(face).png().toBuffer(), left: 64, top: 48 }])
      .png()
      .toBuffer(),
  );
}

const box = { x: 64, y: 48, width: 80, height: 96 };

Deno.test("a pipeline may name a plugin's detector once it lists the plugin", async () => {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "pipeline.yaml");
  const read = async (plugins: string, detector = "skinColour") => {
    await Deno.writeTextFile(
      file,
      `${plugins}stages:\n  download:\n  matParse:\n  faceCrop: { detector: ${detector} }\n`,
    );
    const registry = new Registry().add(stages);
    return await readConfig(file, { project, cwd: folder, registry, overrides: [] });
  };
  const { stages: [, , stage] } = await read(
    `plugins: [${JSON.stringify(join(project, module))}]\n`,
  );
  assert.equal(stage.params.detector, "skinColour");
  assert.deepEqual(stage.extensions.map(({ name }) => name), ["skinColour"]);
  assert.equal(stage.definition.compute(stage.params), false);
  const paramsOf = async (detector: string) => (await read("", detector)).stages[2].params;
  const { detector, upsample } = await paramsOf("{ use: dlibCnn, upsample: 1 }");
  assert.deepEqual([detector, upsample], ["dlibCnn", 1]);
  assert.deepEqual((await paramsOf("{ inputSizes: [512] }")).inputSizes, [512]);
  await assert.rejects(
    paramsOf("{ use: dlibCnn, inputSizes: [512] }"),
    /faceCrop.detector: unknown option "inputSizes"|faceCrop.*inputSizes/,
  );
  await assert.rejects(read(""), /faceCrop\.detector: expected .*"dlibCnn".*got "skinColour"/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("faceCrop finds faces with a plugin's detector, in any number of workers; so do its models", async () => {
  const results = [];
  for (const workers of [1, 2]) {
    using context = testContext(faceCrop, {
      extensions: [
        { kind: "detector", name: "skinColour", module, definition: skinColour },
      ],
    });
    const photos = [{ path: "a.png", bytes: await patch() }];
    const input = await photoArtifacts(join(context.folder, "in"), photos);
    await context.run({ ...input }, { detector: { use: "skinColour", cell: 16 }, workers });
    const faces = context.outputs.faces;
    using opened = await openFaces(faces);
    const [row] = opened.rows;
    results.push([row.box_x, row.box_y, row.box_width, row.box_height]);
    const preprocessing = await readCropPreprocessing(faces);
    assert.deepEqual(preprocessing.detector, {
      name: "skinColour",
      module,
      minConfidence: 0,
      inputSizes: [],
      cell: 16,
    });
    const detector = await openDetector(preprocessing.detector.name, preprocessing.detector);
    const [face] = await detector.detect(await decode(await patch()));
    assert.deepEqual(face.box, box);
  }
  assert.deepEqual(results, [Object.values(box), Object.values(box)]);
});

Deno.test("the service finds faces with a plugin's detector, and the page does not compute with it", async () => {
  const changes = { detector: { name: "skinColour", module, minConfidence: 0, inputSizes: [] } };
  {
    await using server = await startService({
      detector: "skinColour",
      detectors: { skinColour: { module } },
    });
    const { detector, faces } = await (await server.predict(await patch(), "image/png")).json();
    assert.deepEqual([detector, faces.length, faces[0].box], ["skinColour", 1, box]);
  }
  await assert.rejects(
    startService({ changes, mode: "browser" }),
    /Cannot run inference in the browser: the detector "skinColour" is from a plugin, .*mode: server/,
  );
});

Deno.test("a recorded detector is chosen again with the options that it has", () => {
  const ofPlugin = (options: Record<string, unknown>, params: z.ZodObject) =>
    detectorChoice(configureDetector("mine", options, module, params));
  const share = z.strictObject({ share: z.number().default(0.5) });
  assert.deepEqual(ofPlugin({ share: 0.25 }, share), { use: "mine", share: 0.25 });
  assert.deepEqual(ofPlugin({}, share), { use: "mine", share: 0.5 });
  assert.deepEqual(configureDetector("mine", {}, module, share), {
    name: "mine",
    module,
    inputSizes: [],
    share: 0.5,
  });
  // As recorded by earlier versions.
  const earlier = { name: "mine", module, minConfidence: 0.4, inputSizes: [], share: 0.5 };
  assert.deepEqual(detectorChoice(earlier), { use: "mine", share: 0.5 });
  const of = (detector: DetectorConfig) => ({ ...preprocessing, detector });
  const now = configureDetector("mine", {}, module, share);
  assert.deepEqual(framingDifferences(of(earlier), of(now)), []);
  assert.deepEqual(ofPlugin({ cell: 16, minConfidence: 0.7 }, skinColour.params!), {
    use: "mine",
    cell: 16,
    minConfidence: 0.7,
  });
  assert.deepEqual(detectorChoice(configureDetector("tinyFaceDetector", { inputSizes: [96] })), {
    use: "tinyFaceDetector",
    minConfidence: 0.4,
    inputSizes: [96],
  });
});

Deno.test("openDetector() says what is wrong with a plugin's detector", async () => {
  const open = (name: string, module?: string) =>
    openDetector(name, { minConfidence: 0, inputSizes: [], module });
  await assert.rejects(
    open("skinColour"),
    /"skinColour": it is neither built in .*List its plugin under plugins/,
  );
  await assert.rejects(open("skin", module), /no default export has that name/);
  await assert.rejects(open("skinColour", "plugins/none.ts"), /it does not load/);
});
