/** `deno task predict` as a process, and its choice of models. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import sharp from "sharp";
import { fileURLToPath } from "node:url";
import {
  csvLines,
  listPhotos,
  predictPhoto,
} from "../../../faces/commands/predict/predict_photos.ts";
import predictCommand from "../../../faces/commands/predict.ts";
import { writtenStages } from "../../../packages/pipeline/run_settings.ts";
import { findModels } from "../../../faces/commands/predict/find_models.ts";
import { openCropper } from "../../../faces/detection/cropper.ts";
import { configureDetector, openDetector } from "../../../faces/detection/detectors.ts";
import { findLabelledFace } from "../../../faces/detection/find_faces.ts";
import { toNetworkInput } from "../../../faces/images/resize.ts";
import { loadModel } from "../../../faces/training/model_files.ts";
import { ImageError } from "../../../faces/images/decode_image.ts";
import type { CommandContext } from "../../../packages/pipeline/app.ts";
import { readConfig } from "../../../packages/pipeline/config/config.ts";
import { ConfigError } from "../../../packages/pipeline/errors.ts";
import { createPlan } from "../../../packages/pipeline/plan.ts";
import { History } from "../../../packages/pipeline/history.ts";
import { fileNameOf } from "../../../packages/pipeline/pipeline_identity.ts";
import { Registry } from "../../../packages/pipeline/registry.ts";
import { ArtifactStore } from "../../../packages/pipeline/artifact_store.ts";
import type { InferencePool } from "../../../faces/serving/inference_pool.ts";
import { Problem } from "../../../faces/serving/problem.ts";
import { stages } from "../../../stages/mod.ts";
import {
  drawnFace,
  drawnGroup,
  preprocessing,
  startService,
  writeModel,
} from "../serving/fixture.ts";
import { predict as predictImages } from "../../predict.ts";
import { digestFolder } from "../../../packages/pipeline/digest.ts";
import { writeState } from "../../../packages/pipeline/state.ts";
import { app } from "../../../main.ts";
import { execute } from "../../in_process.ts";
import { OUTCOME } from "../../outcome.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

const group = [
  { seed: 1, age: 30, gender: "female", left: 20, top: 30 },
  { seed: 2, age: 70, gender: "male", left: 350, top: 190 },
] as const;

/**
 * A folder with photos, and artifacts of untrained models as runs leave them.
 * @param ofAge changes of the preprocessing of ages
 */
async function workplace(
  ofAge?: Parameters<typeof writeModel>[2],
): Promise<AsyncDisposable & { folder: string; photos: string }> {
  const folder = await Deno.makeTempDir({ prefix: "predict-" });
  const photos = join(folder, "photos");
  await Deno.mkdir(join(photos, "b"), { recursive: true });
  await Deno.writeFile(join(photos, "b", "two.png"), await drawnGroup(group));
  await Deno.writeFile(join(photos, "a.JPG"), await drawnGroup(group.slice(1), "jpeg"));
  await Deno.writeTextFile(join(photos, "notes.txt"), "no photo");
  await Deno.writeTextFile(
    join(folder, "p.yaml"),
    "name: p\nartifacts: results\nstages:\n  download:\n  matParse:\n  faceCrop:\n  resize32:\n  split:\n" +
      "  trainGender:\n  trainAge:\n",
  );
  const artifacts = join(folder, "results");
  const stages = [];
  for (const [use, model] of [["trainAge", "ageRegression"], ["trainGender", "gender"]] as const) {
    const fingerprint = use.length.toString(16).padStart(64, "0");
    const place = join(artifacts, use, fingerprint.slice(0, 16));
    await writeModel(join(place, "model"), model, use === "trainAge" ? ofAge : undefined);
    const outputs = { model: { kind: "model", ...await digestFolder(join(place, "model")) } };
    const caution = "Drawn."; // in truth it is download's
    const empty = { params: {}, inputs: {}, modules: {}, packages: {}, external: {} };
    const made = { caution, fingerprint, outputs, dependencies: { use, ...empty } };
    await writeState(join(place, "record.json"), { version: 1, id: use, ...OUTCOME, ...made });
    stages.push({ id: use, use, status: "ran", why: "", seconds: 1, outputs: {}, fingerprint });
  }
  await Deno.mkdir(join(artifacts, ".latest"));
  const latest = Object.fromEntries(stages.map((stage) => [stage.id, stage]));
  await Deno.writeTextFile(join(artifacts, ".latest", "p.json"), JSON.stringify(latest));
  await Deno.mkdir(join(artifacts, "runs"));
  for (const [id, made] of [["abcd0001", stages], ["abcd0102", []]] as const) {
    const at = "2026-01-01T00:00:00Z";
    const run = {
      id,
      at,
      pipeline: "p",
      ok: true,
      seconds: 1,
      seed: 1,
      stages: made,
      metrics: {},
      cautions: ["Drawn."],
    };
    await writeState(join(artifacts, "runs", `${id}.json`), run);
  }
  return {
    folder,
    photos,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

function start(folder: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-all", "main.ts", "predict", ...args],
    cwd: root,
    env: { INIT_CWD: folder },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Predicts in this process: the task's own process is tested in `tests/end_to_end`. */
const predict = (folder: string, ...args: string[]) => execute(["predict", ...args], app, folder);

Deno.test("predict", async (t) => {
  await using place = await workplace();
  const { folder, photos } = place;

  await t.step("prints for each face what the service returns", async () => {
    const { code, out, err } = await predict(folder, "photos", "--model", "p");
    strictEqual(code, 0, err);
    match(err, /^Drawn\.\ntrainGender and trainAge of pipeline p; faces by tinyFaceDetector\n/);
    match(err, /3 faces in 2 photos; 1 file is no photo\n$/);
    await using service = await startService({ models: ["gender", "ageRegression"] });
    const lines = ["path,face,x,y,width,height,score,gender,gender_probability,age"];
    const types = { "a.JPG": "image/jpeg", "b/two.png": "image/png" };
    for (const [path, type] of Object.entries(types)) {
      const response = await service.predict(await Deno.readFile(join(photos, path)), type);
      const { faces, ...problem } = await response.json();
      ok(faces, JSON.stringify(problem));
      for (const [i, { box, score, gender, age }] of faces.entries()) {
        const numbers = [box.x, box.y, box.width, box.height].map((n) => n.toFixed(1));
        const said = [gender.label, gender.probability.toFixed(4), age.years.toFixed(1)];
        lines.push([path, i + 1, ...numbers, score.toFixed(4), ...said].join());
      }
    }
    strictEqual(out, lines.join("\n") + "\n");
  });

  await t.step("predicts with models of several detectors as with each alone", async () => {
    await using other = await workplace({ detector: configureDetector("ssdMobilenetv1") });
    const args = [other.folder, "photos/a.JPG", "--artifacts", "results", "--model"] as const;
    const cells = async (...model: string[]) => {
      const { code, out, err } = await predict(...args, ...model);
      strictEqual(code, 0, err);
      const [head, ...rows] = out.trimEnd().split("\n").map((line) => line.split(","));
      const [row] = rows;
      strictEqual(rows.length, 1, out);
      return { err, ...Object.fromEntries(head!.map((name, i) => [name, row![i]])) };
    };
    const { err, x, gender_probability, age }: Record<string, string | undefined> = await cells(
      "p",
    );
    match(err!, /faces by tinyFaceDetector, ssdMobilenetv1\n/);
    const gender: Record<string, string | undefined> = await cells("abcd0001/trainGender");
    deepStrictEqual([x, gender_probability], [gender.x, gender.gender_probability]);
    const ages: Record<string, string | undefined> = await cells("abcd0001/trainAge");
    strictEqual(age, ages.age);
    const chosen: Record<string, string | undefined> = await cells(
      "p",
      "--detector",
      "ssdMobilenetv1",
    );
    deepStrictEqual([chosen.x, chosen.age], [ages.x, ages.age]);
    ok(chosen.x !== x, x);
  });

  await t.step("predicts one photo as in its folder", async () => {
    const { code, out, err } = await predict(folder, "photos/b/two.png", "--model", "p");
    strictEqual(code, 0, err);
    match(err, /2 faces in 1 photo\n$/);
    const rows = (await predict(folder, "photos/b", "--model", "p")).out;
    strictEqual(out, rows);
  });

  await t.step("takes photos that are faces as they are, by their layout", async () => {
    const face = await drawnFace(), cut = join(folder, "cut");
    await Deno.mkdir(cut);
    await Deno.writeFile(join(cut, "f.png"), face);
    const { width, height } = await sharp(face).metadata();
    const args = ["cut", "--model", "results/trainGender/0000000000000000/model", "--layout"];
    for (const [layout, share] of [["aligned", 1], ["crop", 1 / 1.8]] as const) {
      const { code, out, err } = await predict(folder, ...args, layout);
      strictEqual(code, 0, err);
      match(err, new RegExp(`; layout ${layout}\n`));
      const [, line] = out.split("\n"), [w, h] = [width * share, height * share];
      const box = [(width - w) / 2, (height - h) / 2, w, h].map((n) => n.toFixed(1));
      deepStrictEqual(line!.split(",").slice(0, 7), ["f.png", "1", ...box, "1.0000"]);
      const [label, probability] = line!.split(",").slice(7);
      // As training takes such a photo.
      const detector = await openDetector("metadata", {});
      const cropper = await openCropper(preprocessing.crop);
      const known = { middle: share, given: true } as const;
      const { crop } = await findLabelledFace(face, known, detector, cropper);
      const { model } = await loadModel(join(folder, "results/trainGender/0000000000000000/model"));
      const outputs = await predictImages(model, Uint8Array.from(await toNetworkInput(crop!, 32)));
      const female = label === "female" ? outputs[0]! : 1 - outputs[0]!;
      ok(Math.abs(female - Number(probability)) < 1e-3, `${female} ${probability}`);
      model.dispose();
    }
    const { code, err } = await predict(folder, ...args, "cropped");
    deepStrictEqual([code, err], [2, "error: --layout cropped: expected full, crop or aligned\n"]);
    const both = await predict(folder, ...args, "crop", "--detector", "dlibCnn");
    match(both.err, /^error: --detector has no effect with --layout crop/);
  });

  await t.step("lists unreadable files, with an exit code of its own", async () => {
    await Deno.writeTextFile(join(photos, "b", "bad.png"), "no photo");
    await Deno.writeFile(
      join(photos, "b", 'grey, "x".png'),
      await drawnGroup([]),
    );
    const args = ["photos", "--model", "abcd000", "--artifacts", "results", "--json"];
    const one = await predict(folder, ...args, "--workers", "1");
    strictEqual(one.code, 1, one.err);
    match(one.err, /cannot read b\/bad.png: it is none of JPEG, PNG, .* and AVIF\n/);
    match(one.err, /\n {2}no face in b\/grey, "x"\.png\n/);
    match(one.err, /; 1 photo without a face; 1 file could not be read; 1 file is no photo\n$/);
    const said = one.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    deepStrictEqual(said.map(({ path }) => path), [
      ...["a.JPG", "b/bad.png", 'b/grey, "x".png', "b/two.png"],
    ]);
    match(said[1].error, /it is none of JPEG/);
    deepStrictEqual(said[2].faces, []);
    deepStrictEqual(said[3].faces.map(({ face }: { face: number }) => face), [1, 2]);
    const three = await predict(folder, ...args, "--workers", "3");
    strictEqual(three.out, one.out, "whatever the number of workers");
  });

  await t.step("shows no escape sequence of a file's name, and writes no formula", async () => {
    const place = join(folder, "named");
    await Deno.mkdir(place);
    await Deno.writeTextFile(join(place, "\x1b]0;title\x07\nok.png"), "no photo");
    await Deno.writeFile(join(place, "=1+1.png"), await drawnGroup(group.slice(1)));
    const { err, out, code } = await predict(folder, "named", "--model", "p");
    strictEqual(code, 1);
    match(err, /cannot read \\x1b\]0;title\\x07\\nok.png: it is none of JPEG/);
    // deno-lint-ignore no-control-regex -- it must not be there
    ok(!/[\x00-\x09\x0b-\x1f]/.test(err), JSON.stringify(err));
    match(out, /\n'=1\+1.png,1,/);
  });

  await t.step("stops at Ctrl-C, after a whole line", async () => {
    const bytes = await drawnGroup(group);
    const first = join(photos, "1000.png");
    await Deno.writeFile(first, bytes);
    // More than any machine could read before the signal arrives.
    for (let i = 1; i < 3000; i++) await Deno.link(first, join(photos, `${1000 + i}.png`));
    const args = ["photos", "--model", "results/trainAge/0000000000000000/model"];
    const process = start(folder, ...args, "--workers", "1", "--no-recursive");
    const reader = process.stdout.getReader();
    const decoder = new TextDecoder();
    let out = decoder.decode((await reader.read()).value, { stream: true });
    process.kill("SIGINT");
    for (let piece; !(piece = await reader.read()).done;) out += decoder.decode(piece.value);
    const [{ code }, err] = await Promise.all([
      process.status,
      new Response(process.stderr).text(),
    ]);
    strictEqual(code, 130, err);
    match(err, /interrupted after \d+ of 3,001 photos/);
    const lines = out.split("\n");
    strictEqual(lines.pop(), "");
    ok(lines.every((line) => line.split(",").length === lines[0].split(",").length), out);
    match(lines[0], /^path,face,.*,score,age$/);
  });

  await t.step(
    "findModels() takes a pipeline's own models, and its newest complete run",
    async () => {
      const artifacts = join(folder, "results");
      const store = new ArtifactStore(artifacts);
      const notes = await store.currentOf("p");
      // A copy that kept its name, and has trained another gender and no age yet.
      await Deno.copyFile(join(folder, "p.yaml"), join(folder, "q.yaml"));
      const options = { project: root, cwd: folder, registry: new Registry().add(stages) };
      const plans = await Promise.all(
        ["p", "q"].map(async (name) =>
          [name, createPlan(await readConfig(join(folder, `${name}.yaml`), options))] as const
        ),
      );
      const none = new ConfigError([{ at: { text: "?" }, message: "there is no such pipeline." }]);
      const openPlan = async (name: string, given?: Record<string, unknown>) => {
        const found = new Map(plans).get(name);
        if (given) {
          const overrides = Object.entries(given)
            .map(([key, value]) => ({ path: key.split("."), value, at: { text: key } }));
          const varied = { ...options, overrides };
          return createPlan(await readConfig(join(folder, `${name}.yaml`), varied));
        }
        return found ? Promise.resolve(found) : Promise.reject(none);
      };
      const tools = { project: root, cwd: folder, openPlan } as unknown as CommandContext;
      const find = async (name: string) => {
        const { models, origin } = await findModels(name, artifacts, tools);
        return [
          origin,
          models.map(({ stage }) => stage).sort(),
        ];
      };
      const [p, q] = plans.map(([, { identity }]) => fileNameOf(identity));
      const note = (key: string | undefined, used: unknown) =>
        Deno.writeTextFile(join(artifacts, ".latest", `${key}.json`), JSON.stringify(used));
      await note(p, notes);
      await note(q, { trainGender: notes.trainGender });
      deepStrictEqual(await find("p"), ["pipeline p", ["trainAge", "trainGender"]]);
      deepStrictEqual(await find("q"), ["pipeline q", ["trainGender"]]);
      // A run of its file that has all of them, and a newer one that failed.
      const history = new History(artifacts);
      const base = { pipeline: "p", file: plans[1]![1].identity, seed: 1, seconds: 1, metrics: {} };
      const made = Object.entries(notes).map(([id, used]) => ({
        id,
        ...used,
        status: "ran" as const,
        why: "",
        seconds: 1,
        outputs: {},
      }));
      const { id } = await history.add({ ...base, ok: true, stages: made });
      const failed = await history.add({ ...base, ok: false, stages: made.slice(1) });
      deepStrictEqual(await find("q"), [`pipeline q (run ${id})`, ["trainAge", "trainGender"]]);
      await rejects(find("nothing that is there"), (error: Error) => {
        ok(!error.message.includes(failed.id), error.message);
        return true;
      });
      const { after: _, ...key } = writtenStages(plans[1]![1], new Set(["trainAge"])).get(
        "trainAge",
      )!;
      const params = { ...key.params, epochs: 99 };
      const dependencies = { ...key, params, inputs: {}, modules: {}, packages: {}, external: {} };
      const edited = made.map((one) => one.id === "trainAge" ? { ...one, dependencies } : one);
      const before = await history.add({ ...base, ok: true, stages: edited });
      const change = /^trainAge\.epochs changed from 99 to \d+\)$/;
      const [start, text] = String((await find("q"))[0]).split(", unlike its YAML now: ");
      deepStrictEqual([start, change.test(text!)], [`pipeline q (run ${before.id}`, true]);
      await history.remove(new Set([before.id]));
      const point = { "trainAge.epochs": 99 };
      const swept = await history.add({ ...base, ok: true, stages: edited, point });
      const origin = `pipeline q (run ${swept.id}, of a sweep: trainAge.epochs=99)`;
      deepStrictEqual((await find("q"))[0], origin);
      await history.remove(new Set([swept.id]));
      // Pulled runs, whose pipeline has no YAML here.
      const gone = { ...base, pipeline: "gone", file: "experiments/gone.yaml" };
      const pulled = await history.add({ ...gone, ok: true, stages: made });
      const later = [
        await history.add({ ...gone, ok: true, stages: [] }),
        await history.add({ ...gone, ok: false, stages: made.slice(1) }),
      ];
      for (const name of ["experiments/gone", "experiments/gone.yaml", "gone"]) {
        const origin = `pipeline ${name} (run ${pulled.id})`;
        deepStrictEqual(await find(name), [origin, ["trainAge", "trainGender"]]);
      }
      await rejects(
        find("experiments/gonee"),
        /no run, .* model\. Did you mean "experiments\/gone"\?/,
      );
      await history.remove(new Set([pulled.id]));
      await rejects(find("gone"), new RegExp(`run ${later[0]!.id} has no model: it trained none`));
      await history.remove(new Set([later[0]!.id]));
      await rejects(find("gone"), (error: Error) => {
        ok(!error.message.includes('Did you mean "gone"'), error.message);
        ok(error.message.length < 300, error.message);
        return true;
      });
      await history.remove(new Set([id, failed.id, later[1]!.id]));
      for (const key of [p, q]) await Deno.remove(join(artifacts, ".latest", `${key}.json`));
    },
  );

  await t.step("findModels() reports what is missing", async () => {
    const registry = new Registry().add(stages);
    const options = { project: root, cwd: folder, registry };
    const openPlan = async () => createPlan(await readConfig(join(folder, "p.yaml"), options));
    const tools = { project: root, cwd: folder, openPlan } as unknown as CommandContext;
    const find = (wanted: string) => findModels(wanted, join(folder, "results"), tools);
    const folderOfModel = (await find("abcd0001")).models[0]!.path;
    for (const wanted of ["abcd0001", "p", folderOfModel]) {
      deepStrictEqual((await find(wanted)).cautions, ["Drawn."], wanted);
    }
    const [{ stage }] = (await find("abcd0001")).models;
    deepStrictEqual((await find(`abcd0001/${stage}`)).models.map((one) => one.stage), [stage]);
    await rejects(find("abcd0001/nope"), /run abcd0001 has no model "nope". It has \w+ and \w+\./);
    const elsewhere = join(folder, "elsewhere");
    await rejects(findModels("p", elsewhere, tools, true), /has trained none yet/);
    strictEqual((await findModels("p", elsewhere, tools)).models.length, 2);
    await rejects(find("abcd0"), /"abcd0" begins the ids of 2 runs; write more of it/);
    await rejects(find("abcd01"), /run abcd0102 has no model: it trained none/);
    for (const name of ["weights.bin", "history.csv", "model.json", "training.json"]) {
      const path = join(folderOfModel, name);
      const whole = await Deno.readFile(path);
      const flipped = whole.slice();
      flipped[flipped.length >> 1] ^= 1;
      for (const damaged of [flipped, whole.slice(0, whole.length >> 1)]) {
        await Deno.writeFile(path, damaged);
        for (const wanted of ["abcd0001", "p", folderOfModel]) {
          await rejects(find(wanted), /Cannot use ".*Run deno task verify/, `${name} ${wanted}`);
        }
      }
      await Deno.writeFile(path, whole);
    }
    await Deno.remove(join(folder, "results", "trainAge"), { recursive: true });
    deepStrictEqual((await find("p")).models.map(({ stage }) => stage), ["trainGender"]);
    await Deno.remove(join(folder, "results", ".latest"), { recursive: true });
    await rejects(find("p"), /pipeline "p" has no models: it has trained none yet. Run it first/);
  });
});

Deno.test("predict checks its command line, with a way out in each error", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const cases: [string[], RegExp][] = [
      [[], /missing FOLDER: deno task predict FOLDER --model RUN/],
      [["."], /missing --model: --model pipeline/],
      [["nowhere", "--model", "p"], /cannot read "nowhere": there is no such folder or photo/],
      [[".", "--model", "p", "--detector", "tinyFaceDetecto"], /Did you mean "tinyFaceDetector"/],
      [
        [".", "--model", "p", "--workers", "65"],
        /--workers 65: expected a whole number from 1 to 64/,
      ],
      [[".", "--modle", "p"], /has no option "--modle". Did you mean "--model"/],
      [[".", "--model", "nothing"], /"nothing" is no run, pipeline or folder of a model/],
    ];
    const results: Awaited<ReturnType<typeof predict>>[] = [];
    for (const [args] of cases) results.push(await predict(folder, ...args));
    for (const [i, { code, out, err }] of results.entries()) {
      deepStrictEqual([code, out], [2, ""], err);
      match(err, cases[i][1]);
    }
    const help = await predict(folder, "--help");
    deepStrictEqual([help.code, help.err], [0, ""]);
    match(help.out, /deno task predict FOLDER --model RUN/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("listPhotos() goes through folders in order, and follows no link to a folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, "b/c"), { recursive: true });
    for (const name of ["z.png", "B.jpeg", "b/c/1.webp", "b/x.md", ".hidden.png"]) {
      await Deno.writeTextFile(join(folder, name), "");
    }
    await Deno.symlink(folder, join(folder, "b/loop"));
    await Deno.symlink(join(folder, "z.png"), join(folder, "b/link.png"));
    deepStrictEqual([...listPhotos(folder, true)], [
      { photo: "B.jpeg" },
      { photo: "b/c/1.webp" },
      { photo: "b/link.png" },
      { other: "b/loop" },
      { other: "b/x.md" },
      { photo: "z.png" },
    ]);
    deepStrictEqual([...listPhotos(folder, false)], [{ photo: "B.jpeg" }, {
      photo: "z.png",
    }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("listPhotos() recognizes photos by their bytes where the extension does not", async () => {
  const folder = await Deno.makeTempDir();
  const jpeg = await drawnGroup(group.slice(1), "jpeg");
  const heic = Uint8Array.fromBase64("AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZg==");
  const text = new TextEncoder().encode("text");
  const files: Record<string, Uint8Array> = {
    "a.jfif": jpeg,
    "b.jpe": jpeg,
    "c": jpeg,
    "d.jpg!large": jpeg,
    "e.dat": heic,
    "x": text,
    "y.svg": new TextEncoder().encode("<svg/>"),
    "z.txt": new Uint8Array(),
  };
  try {
    for (const [name, bytes] of Object.entries(files)) {
      await Deno.writeFile(join(folder, name), bytes);
    }
    await new Deno.Command("mkfifo", { args: ["p", "q.jpg"], cwd: folder }).output();
    const listed = [...listPhotos(folder, true)];
    deepStrictEqual(listed.flatMap((one) => "photo" in one ? [one.photo] : []), [
      ...["a.jfif", "b.jpe", "c", "d.jpg!large", "e.dat", "q.jpg"],
    ]);
    deepStrictEqual(listed.flatMap((one) => "other" in one ? [one.other] : []), [
      ...["p", "x", "y.svg", "z.txt"],
    ]);
    const analyze = () => Promise.reject(new Error("no pool is needed"));
    const asked = await predictPhoto(
      join(folder, "q.jpg"),
      { analyze },
      new AbortController().signal,
    );
    strictEqual(asked, "it is not a regular file");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("predictPhoto() retries once, except for a damaged photo", async () => {
  const path = await Deno.makeTempFile();
  const late = new Problem(504, "too_slow", "The image took more than 120 s.");
  const answer = {} as Awaited<ReturnType<InferencePool["analyze"]>>;
  const asked = async (...answers: (Error | typeof answer)[]) => {
    const analyze = () => {
      const next = answers.shift()!;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    };
    const said = await predictPhoto(path, { analyze }, new AbortController().signal);
    return [said, answers.length];
  };
  try {
    deepStrictEqual(await asked(answer), [answer, 0]);
    deepStrictEqual(await asked(late, answer), [answer, 0]);
    const [why, left] = await asked(late, late, answer);
    match(String(why), /more than 120 s/);
    strictEqual(left, 1);
    deepStrictEqual(await asked(new ImageError("it is damaged"), answer), ["it is damaged", 1]);
    await rejects(asked(new TypeError("a mistake"), answer), /a mistake/);
  } finally {
    await Deno.remove(path);
  }
  match(String((await asked(answer))[0]), /No such file/);
});

Deno.test("csvLines() keeps a column that is called as the bound of another one", () => {
  const model = (task: string) => ({ id: `${task} id`, task, classes: null, error: 1 });
  const bounded = { ...model("iq"), interval: { level: 0.9, of: "error", margin: 2 } as never };
  const both = [bounded, model("iq_low")];
  match(csvLines(both).head, /,score,iq,iq_low,iq_high,iq_low_\n$/);
  const { head, photo } = csvLines(both.toReversed());
  match(head, /,score,iq_low,iq_,iq__low,iq__high\n$/);
  const predictions = [
    { model: "iq_low id", value: 3 },
    { model: "iq id", value: 7, interval: { low: 5, high: 9 } },
  ];
  const face = { box: { x: 1, y: 2, width: 3, height: 4 }, score: 0.5, predictions };
  match(photo("a.jpg", { width: 9, height: 9, faces: [face] } as never), /,3.0000,7.0000,5.0000,9/);
});

Deno.test("csvLines() has the box also where a model's task is called as one of its columns", () => {
  const model = (task: string) => ({ id: `${task} id`, task, classes: null, error: 1 });
  match(predictCommand.help, /with _ where a\s+column above has it, as in height_;/);
  const { head, photo } = csvLines([model("x"), model("score"), model("iq")]);
  strictEqual(head, "path,face,x,y,width,height,score,x_,score_,iq\n");
  match(csvLines([model("iq"), model("2")]).head, /,score,iq,2\n$/);
  const face = {
    box: { x: 1, y: 2, width: 3, height: 4 },
    score: 0.5,
    predictions: [7, 8, 9].map((value, i) => ({
      model: `${["x", "score", "iq"][i]} id`,
      value,
      error: 1,
    })),
  };
  const result = { width: 9, height: 9, faces: [face] } as unknown as Parameters<typeof photo>[1];
  strictEqual(photo("a.jpg", result), "a.jpg,1,1.0,2.0,3.0,4.0,0.5000,7.0000,8.0000,9.0000\n");
  // As many digits for numbers of any unit.
  for (const [i, value] of [0.00012345, -0.1, 2.5e-8].entries()) face.predictions[i].value = value;
  const small = photo("a.jpg", result).split(",").slice(-3).join();
  strictEqual(small, "0.0001234,-0.1000,2.5e-8\n");
  face.predictions.splice(1, 1);
  strictEqual(photo("a.jpg", result).split(",").slice(-3).join(), "0.0001234,,2.5e-8\n");
});
