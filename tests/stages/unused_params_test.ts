/** Options that another option leaves without effect are refused where they are written. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { app } from "../../main.ts";
import { readConfig } from "../../packages/pipeline/config/config.ts";
import { parseOverride } from "../../packages/pipeline/config/override.ts";
import { Registry } from "../../packages/pipeline/registry.ts";

const { project, stages } = app;

/** Returns the errors of a pipeline; empty: it is valid. */
async function errorsOf(yaml: string, set: readonly string[] = []): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "x.yaml"), yaml);
    const registry = new Registry().add(stages);
    const overrides = set.map((text) => parseOverride(text));
    await readConfig(join(folder, "x.yaml"), { project, cwd: folder, registry, overrides });
    return "";
  } catch (error) {
    return (error as Error).message;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Parameters of a stage with one that has no effect, and why. */
const UNUSED: [stage: string, params: string, name: string, reason: string][] = [
  [
    "faceCrop",
    "detector: metadata, minConfidence: 0.5",
    "minConfidence",
    "metadata, whose options are: none",
  ],
  [
    "faceCrop",
    "detector: metadata, inputSizes: [64]",
    "inputSizes",
    "metadata, whose options are: none",
  ],
  ["faceCrop", "detector: metadata, upsample: 1", "upsample", "with detector: metadata"],
  ["faceCrop", "upsample: 1", "upsample", "with detector: ssdMobilenetv1, whose options are"],
  ["faceCrop", "detector: tinyFaceDetector, minFace: 0.4", "minFace", "minConfidence, inputSizes"],
  ["faceCrop", "weights: my.dat", "weights", "minConfidence, inputSizes"],
  [
    "faceCrop",
    "detector: dlibCnn, inputSizes: [64]",
    "inputSizes",
    "minConfidence, upsample, minFace, weights",
  ],
  ["trainAge", "variant: binary, denseL2: 0.2", "denseL2", "with variant: binary"],
  ["trainAge", "variant: multiclass, convolutionL2: 0", "convolutionL2", "no such option"],
  ["trainAge", "leaveOut: [16]", "leaveOut", "with variant: regression"],
  ["trainGender", "network: plain, leaveOut: [512]", "leaveOut", "with network: plain"],
  ["trainAge", "network: { use: best }, denseL2: 0.2", "denseL2", "with network: best, which has"],
  ["trainAge", "network: age2021, leaveOut: [16]", "leaveOut", "with network: age2021"],
  ["trainJoint", "age: years, ageSpread: 5", "ageSpread", "only distribution uses it"],
  ["trainJoint", "age: years, ageReading: mean", "ageReading", "only distribution uses it"],
  ["trainJoint", "numbers: [height], age: years", "age", "where numbers lacks age"],
  ["trainJoint", "classes: [], numbers: [height, age], abstain: 0.1", "abstain", "without classes"],
  ["trainJoint", "schedule: constant, warmup: 0.2", "warmup", "with schedule: constant"],
  ["download", "datasets: [wiki], sampleFaces: 10", "sampleFaces", "has no sample"],
];

for (const [stage, params, name, reason] of UNUSED) {
  Deno.test(`${stage}: { ${params} } is refused for ${name}, with its place`, async () => {
    const line = `  ${stage}: { ${params} }`;
    const message = await errorsOf(`stages:\n${line}`);
    const column = line.indexOf(`${name}: `) + name.length + 3;
    assert.ok(message.includes(`x.yaml:2:${column}: ${stage}.${name}: expected to be left out `));
    assert.ok(message.includes(reason), message);
  });
}

Deno.test("an option without effect is refused from the command line as well", async () => {
  const yaml = "stages:\n  faceCrop: { detector: metadata }";
  assert.match(
    await errorsOf(yaml, ["faceCrop.minFace=0.5"]),
    /^--set faceCrop\.minFace=0\.5: faceCrop\.minFace: expected to be left out .* got 0\.5\.$/m,
  );
});

Deno.test("an option without effect may have its default, which an extended file may need", async () => {
  const message = await errorsOf("stages:\n  faceCrop: { upsample: 0, minFace: 0 }");
  assert.doesNotMatch(message, /upsample|minFace/);
});

Deno.test("a number that is no multiple is refused in words", async () => {
  assert.match(
    await errorsOf("stages:\n  faceCrop: { inputSizes: [65] }"),
    /:28: faceCrop\.inputSizes\.0: expected a multiple of 32, got 65\.$/m,
  );
});

Deno.test("a plugin's detector takes minConfidence and inputSizes, and nothing of dlib's", async () => {
  const plugin = join(project, "plugins/skinColour.ts");
  const yaml = (more: string) =>
    `plugins: [${plugin}]\nstages:\n  faceCrop: { detector: skinColour, ${more} }`;
  assert.doesNotMatch(await errorsOf(yaml("minConfidence: 0.1, inputSizes: [64]")), /left out/);
  assert.match(await errorsOf(yaml("minFace: 0.1")), /faceCrop\.minFace: expected to be left out/);
});
