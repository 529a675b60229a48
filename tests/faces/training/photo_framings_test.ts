/** Framing of the photos behind models. */
import { deepStrictEqual } from "node:assert/strict";
import { join } from "node:path";
import { shareOf } from "../../../faces/datasets/sources.ts";
import { framingOf, framingsBehind } from "../../../faces/training/photo_framings.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { OUTCOME } from "../../outcome.ts";
import { preprocessing } from "../../stages/training_data.ts";
import { temporaryFolder } from "../../temporary_folder.ts";

Deno.test("framingOf() takes layout and margin of data sets and presets", () => {
  const of = (dataset: Parameters<typeof framingOf>[0]) => {
    const { layout, middle, detected } = framingOf(dataset);
    return [layout, middle, detected];
  };
  const folder = "/photos", photos = "(?<age>\\d+)\\.png";
  deepStrictEqual(of("sample"), ["crop", 1 / 1.8, true]);
  deepStrictEqual(of("wiki"), ["full", undefined, true]);
  deepStrictEqual(of({ folder }), ["full", undefined, true]);
  deepStrictEqual(of({ folder, layout: "crop" }), ["crop", 1 / 1.8, true]);
  deepStrictEqual(of({ folder, layout: "aligned" }), ["aligned", undefined, false]);
  deepStrictEqual(of({ folder, preset: "utkface" }), ["aligned", undefined, false]);
  const own = { photos, layout: "crop", margin: 0.25 };
  deepStrictEqual(of({ folder, preset: own }), ["crop", 1 / 1.5, false]);
  deepStrictEqual(of({ folder, layout: "full", preset: own }), ["full", undefined, true]);
  deepStrictEqual(of({ folder, preset: "of a plugin" }), ["full", undefined, true]);
  deepStrictEqual([shareOf(), shareOf(0.25)], [1 / 1.8, 1 / 1.5]);
});

Deno.test("framingsBehind() follows the results behind a model, and their detector", async () => {
  const artifacts = temporaryFolder("framings-");
  const write = async (
    use: string,
    digit: string,
    inputs: Record<string, string>,
    params: Record<string, unknown>,
  ) => {
    const fingerprint = digit.repeat(64);
    const outputs = { out: { kind: "any", digest: `of ${use}`, files: {} } };
    const dependencies = { use, params, inputs, modules: {}, packages: {}, external: {} };
    const place = join(artifacts, use, fingerprint.slice(0, 16));
    await Deno.mkdir(place, { recursive: true });
    const record = { version: 1, id: use, ...OUTCOME, fingerprint, outputs, dependencies };
    await writeState(join(place, "record.json"), record);
    return join(place, "out");
  };
  const datasets = ["sample", { folder: "/photos", layout: "crop" }];
  await write("download", "a", {}, { datasets });
  const path = await write("trainAge", "c", { dataset: "of faceCrop" }, {});
  const detected = async (detector: unknown) => {
    await write("faceCrop", "b", { archives: "of download" }, { detector });
    return (await framingsBehind([{ stage: "trainAge", path }])).map((one) => one.detected);
  };
  deepStrictEqual(await detected("dlibCnn"), [true, true]);
  deepStrictEqual(await detected({ use: "metadata" }), [false, false]);
  await Deno.remove(artifacts, { recursive: true });
});

Deno.test("framingsBehind() goes by the record of a copied model, whose data sets are not stored", async () => {
  const folder = temporaryFolder("copied-");
  const record = {
    task: "age",
    variant: "regression",
    metric: "mae",
    classes: null,
    params: {},
    seed: 1,
    input: { size: 32, divisor: 255 },
    counts: { train: 9, validation: 3 },
    epochs: 1,
    weightsOfEpoch: 1,
    datasets: { faces: 4, halves: 4, photos: 4 },
    preprocessing: { ...preprocessing, withoutDetector: { faces: 1, halves: 0.8 } },
  };
  await Deno.writeTextFile(join(folder, "training.json"), JSON.stringify(record));
  deepStrictEqual(await framingsBehind([{ stage: "copied", path: folder }]), [
    { layout: "aligned", detected: false },
    { layout: "crop", detected: false, middle: 0.8 },
    { layout: "full", detected: true },
  ]);
  await Deno.remove(folder, { recursive: true });
});
