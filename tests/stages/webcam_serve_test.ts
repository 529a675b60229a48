import assert from "node:assert/strict";
import { join } from "node:path";
import type { StageProvenance } from "../../packages/pipeline/stage.ts";
import { withDetectors } from "../../faces/serving/service.ts";
import { configureDetector } from "../../faces/detection/detectors.ts";
import type { Analysis } from "../../faces/serving/api.ts";
import webcamServe from "../../stages/webcamServe.ts";
import { temporaryFolder } from "../temporary_folder.ts";
import { testArtifact, testContext } from "../context.ts";
import { drawnFace, preprocessing, writeModel } from "../faces/serving/fixture.ts";

/** Two models and a report on one of them, by their folders. */
async function artifacts() {
  const folder = await Deno.makeTempDir({ prefix: "webcamServe-" });
  await writeModel(join(folder, "gender"), "gender");
  await writeModel(join(folder, "age"), "ageRegression", {
    steps: ["blur sigma=1.5"],
    detector: { name: "metadata", minConfidence: 0.4, inputSizes: [] },
  });
  const [report, other] = ["report", "other"].map((name) => join(folder, name));
  const score = { loss: 1, accuracy: 0.8 };
  const evaluated = (accuracy: number) => ({
    models: {
      gender: {
        task: "gender",
        metric: "accuracy",
        classes: ["female", "male"],
        counts: { train: 256, validation: 64, test: 80 },
        train: score,
        validation: score,
        test: { loss: 1, accuracy },
        interval: { low: 0.79, high: 0.94 },
        baseline: { guess: "male", train: {}, validation: {}, test: { accuracy: 0.55 } },
        verdict: "better",
        confusion: { classes: ["female", "male"], counts: [[30, 6], [4, 40]] },
        groups: [{ gender: 0, count: 36, value: 30 / 36, interval: { low: 0.68, high: 0.92 } }],
      },
    },
  });
  for (
    const [path, accuracy, title] of [[report, 0.875, "Report"], [other, 0.5, "Other"]] as const
  ) {
    await Deno.mkdir(path);
    await Deno.writeTextFile(join(path, "metrics.json"), JSON.stringify(evaluated(accuracy)));
    await Deno.writeTextFile(join(path, "report.html"), `<!doctype html><title>${title}</title>`);
  }
  const archives = join(folder, "archives");
  await Deno.mkdir(archives);
  const set = { name: "sample", layout: "full", terms: "for <friends> only" };
  const described = JSON.stringify({ datasets: [{ ...set, metadata: { csv: true } }] });
  await Deno.writeTextFile(join(archives, "archives.json"), described);
  return {
    inputs: {
      models: [
        testArtifact(join(folder, "age"), "model", "age"),
        testArtifact(join(folder, "gender"), "model", "gender"),
      ],
      reports: [testArtifact(report, "report"), testArtifact(other, "report")],
      archives: [testArtifact(archives, "archives")],
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 20));
}

Deno.test("webcamServe serves until it is stopped", async (t) => {
  await using made = await artifacts();
  const learnedFrom = [{ datasets: ["theirs"], terms: { theirs: "no sale" }, testImages: 0 }];
  const stop = new AbortController();
  const lineage = {
    pipeline: "p",
    file: "p.yaml",
    seed: 1,
    compute: "auto",
    command: "",
    stages: [
      { id: "download", caution: "The faces are <drawn>." },
      {
        id: "gender",
        use: "trainGender",
        startedAt: "2026-01-02T03:04:05.000Z",
        inputs: {},
        observed: { learnedFrom },
      },
    ] as unknown as StageProvenance[],
  };
  using context = testContext(webcamServe, { signal: stop.signal, lineage });
  const run = context.run(made.inputs, { port: 0, workers: 1 });
  await until(() => context.infos.length > 0);
  const [, url] = /^open (http:\/\/127\.0\.0\.1:\d+) in a browser \(age, gender; Ctrl-C stops\)$/
    .exec(context.infos[0])!;

  await t.step("warns about a preprocessing step that it does not apply", () => {
    assert.equal(context.warnings.length, 2);
    assert.equal(
      context.warnings[1],
      '"age" was trained on faces changed by "blur sigma=1.5", and the faces of the service are ' +
        "changed by no stage: expect other results than on its own test set.",
    );
  });

  await t.step("describes what differs in the preprocessing of its models", async () => {
    assert.match(
      await (await fetch(`${url}/card`)).text(),
      /<p>[^<]*Here ssdMobilenetv1, tinyFaceDetector detect them in photos, tinyFaceDetector in the live view\. This paragraph describes &quot;age&quot;\. Of others, &quot;gender&quot; has detector tinyFaceDetector, here metadata\. A square crop/,
    );
  });

  await t.step("shows the cautions of its lineage first", async () => {
    assert.equal(context.warnings[0], "The faces are <drawn>.");
    for (
      const notice of ["The faces are &lt;drawn&gt;.</p>", "&quot;age&quot; was trained on faces"]
    ) {
      for (const [path, after] of [["", "Accuracy 0.875"], ["/card", "<h2>"]]) {
        const text = await (await fetch(`${url}${path}`)).text();
        const place = text.indexOf(`<p class="notice">${notice}`);
        assert.ok(place > 0 && place < text.indexOf(after!), `${path}: ${notice}`);
      }
    }
    const { cautions } = await (await fetch(`${url}/model`)).json();
    assert.deepEqual(cautions, context.warnings);
  });

  await t.step(
    "uses each model's detector, ssdMobilenetv1 if the data set has the boxes",
    async () => {
      const { detectors, report } = await (await fetch(`${url}/model`)).json();
      assert.deepEqual(detectors, {
        photo: "ssdMobilenetv1, tinyFaceDetector",
        live: "tinyFaceDetector",
      });
      assert.equal(report, true);
    },
  );

  await t.step(
    "shows the metrics of the first report on a model, and serves that report",
    async () => {
      const page = await (await fetch(url)).text();
      assert.match(
        page,
        /Accuracy 0\.875 on the 80 faces of the test set \(95\u00a0% CI 0\.790–0\.940\)\. Constant baseline 0\.550/,
      );
      assert.match(page, /href="\/report"/);
      const report = await fetch(`${url}/report`);
      assert.match(await report.text(), /<title>Report<\/title>/);
      const card = await (await fetch(`${url}/card`)).text();
      assert.match(
        card,
        /<td>women<\/td>\s*<td>36<\/td>\s*<td>0\.833<\/td>\s*<td>0\.680–0\.920<\/td>/,
      );
      assert.match(card, /blur sigma=1\.5/);
      assert.match(card, /<p>sample: for &lt;friends&gt; only\.<\/p>/);
    },
  );

  await t.step("names the data of the model that one learned from", async () => {
    for (const path of ["", "/card"]) {
      const text = await (await fetch(url + path)).text();
      assert.equal(text.split("; pretraining: trained on theirs").length, 2, path);
    }
    const { models } = await (await fetch(`${url}/model`)).json();
    const trained = models.map((model: { trained: object }) => model.trained);
    assert.ok(!("pretraining" in trained[0]));
    assert.equal(trained[1].pretraining, "trained on theirs");
    assert.match(await (await fetch(`${url}/card`)).text(), /<p>theirs: no sale\.<\/p>/);
  });

  await t.step("knows the time of a training, also where its files were pulled since", async () => {
    const { models } = await (await fetch(`${url}/model`)).json();
    assert.equal(models[1].trained.at, "2026-01-02T03:04:05.000Z");
    const { mtime } = await Deno.stat(join(made.inputs.models[0].path, "model.json"));
    assert.equal(models[0].trained.at, mtime!.toISOString()); // of unknown lineage
    assert.match(await (await fetch(url)).text(), /on 2 January 2026/);
  });

  await t.step("answers a photo", async () => {
    const response = await fetch(`${url}/predict`, {
      method: "POST",
      headers: { "content-type": "image/png" },
      body: await drawnFace(),
    });
    const { faces } = await response.json();
    assert.equal(faces.length, 1);
    assert.deepEqual(Object.keys(faces[0]), ["box", "score", "gender", "age", "predictions"]);
  });

  await t.step("a port that is taken", async () => {
    using other = testContext(webcamServe);
    const port = Number(new URL(url).port);
    await assert.rejects(
      other.run(made.inputs, { port, workers: 1 }) as Promise<void>,
      /Cannot listen on 127\.0\.0\.1, port \d+: another program uses it\. Choose another/,
    );
    // Before the stages that it needs run, too.
    const params = webcamServe.params.parse({ port });
    const [{ path, message }] = await webcamServe.check!(params, { inputs: {} } as never);
    assert.deepEqual(path, ["port"]);
    assert.match(message, /^Cannot listen on 127\.0\.0\.1, port \d+: another program uses it\./);
  });

  stop.abort();
  await run;
  await assert.rejects(fetch(`${url}/health`), TypeError);
});

Deno.test("webcamServe predicts for each face of a group as with each model alone", async () => {
  await using made = await artifacts();
  const photo = new URL(import.meta.resolve("@vladmandic/face-api/demo/sample1.jpg"));
  const answer = async (models: typeof made.inputs.models) => {
    const stop = new AbortController();
    using context = testContext(webcamServe, { signal: stop.signal });
    const inputs = { models, reports: [], archives: [] };
    const run = context.run(inputs, { port: 0, workers: 1 });
    await until(() => context.infos.length > 0);
    const [url] = /http:\S+/.exec(context.infos[0])!;
    const body = await Deno.readFile(photo);
    const response = await fetch(`${url}/predict?crops=true`, { method: "POST", body });
    const analysis: Analysis = await response.json();
    stop.abort();
    await run;
    return analysis;
  };
  const { faces, detector } = await answer(made.inputs.models);
  assert.equal(detector, "ssdMobilenetv1, tinyFaceDetector");
  assert.equal(faces.length, 3);
  for (const [i, model] of made.inputs.models.entries()) {
    const alone = await answer([model]);
    assert.equal(alone.faces.length, 3);
    const own = faces.map(({ predictions }) => predictions[i]);
    for (const { predictions: [prediction], box, crop } of alone.faces) {
      const at = own.findIndex((one) => JSON.stringify(one) === JSON.stringify(prediction));
      assert.ok(at >= 0, JSON.stringify([prediction, own]));
      if (i === 0) assert.deepEqual([faces[at].box, faces[at].crop], [box, crop]);
    }
  }
});

Deno.test("webcamServe explains what another address means, and what tls lacks", async () => {
  await using made = await artifacts();
  const stop = new AbortController();
  using context = testContext(webcamServe, { signal: stop.signal });
  const run = context.run(made.inputs, { host: "0.0.0.0", port: 0, workers: 1 });
  await until(() => context.infos.length > 0);
  stop.abort();
  await run;
  assert.ok(context.warnings.some((text) => /camera on secure pages only.*tls\.cert/.test(text)));
  const tls = { cert: "/no/such.pem", key: "/no/such.pem" };
  const [cert, key] = await webcamServe.check!({ tls }, { inputs: {} } as never);
  assert.deepEqual([cert, key].map(({ path }) => path), [["tls", "cert"], ["tls", "key"]]);
  assert.match(cert.message, /Cannot serve over HTTPS: .*"?\/no\/such\.pem/);
});

Deno.test("webcamServe serves over HTTPS, and refuses a wrong certificate at once", async () => {
  await using made = await artifacts();
  const folder = temporaryFolder("tls-");
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(folder, name));
  const openssl = new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"],
      ...["-keyout", key, "-out", cert],
    ],
    stderr: "null",
  });
  // Small systems have no openssl.
  if (!await openssl.output().then(({ success }) => success, () => false)) return;
  const check = (tls: { cert: string; key: string }) =>
    webcamServe.check!(webcamServe.params.parse({ port: 0, tls }), { inputs: {} } as never);
  assert.deepEqual(await check({ cert, key }), []);
  const [swapped] = await check({ cert: key, key: cert });
  assert.match(
    swapped.message,
    /^Cannot listen on 127\.0\.0\.1, port 0: .*ertificate.*\. Check certificate, key, host and port\.$/,
  );

  const stop = new AbortController();
  using context = testContext(webcamServe, { signal: stop.signal });
  const run = context.run(made.inputs, { port: 0, workers: 1, tls: { cert, key } });
  await until(() => context.infos.length > 0);
  const [url] = /https:\S+/.exec(context.infos[0])!;
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(cert)] });
  const response = await fetch(`${url}/health`, { client });
  assert.deepEqual(await response.json(), { status: "ready" });
  stop.abort();
  await run;
});

Deno.test("withDetectors() gives models the detectors that they would have alone", () => {
  const model = (id: string, name: string, options: object = {}) => {
    const { inputSizes } = configureDetector(name);
    const detector = { name, minConfidence: 0.4, inputSizes, ...options };
    return { id, error: 1, path: id, preprocessing: { ...preprocessing, detector } };
  };
  const sources = [
    model("a", "ssdMobilenetv1"),
    model("b", "metadata"),
    model("c", "ssdMobilenetv1", { inputSizes: [512] }),
    model("d", "dlibCnn", { minFace: 0.1 }),
  ];
  const ssd = { name: "ssdMobilenetv1", minConfidence: 0.4, inputSizes: [256, 192, 512] };
  // Serving looks for faces of all sizes.
  const dlib = { name: "dlibCnn", minConfidence: 0.4, inputSizes: [], minFace: 0 };
  const live = configureDetector("tinyFaceDetector");
  assert.deepEqual(
    withDetectors(sources, undefined, {}, live).map(({ id, detectors }) => ({ id, ...detectors })),
    [
      { id: "a", photo: ssd, live },
      { id: "b", photo: ssd, live },
      { id: "c", photo: { ...ssd, inputSizes: [512] }, live },
      { id: "d", photo: dlib, live },
    ],
  );
  // One detector is opened for equal options, in any order of models.
  const [a, b] = withDetectors(sources).map(({ detectors }) => JSON.stringify(detectors.photo));
  assert.equal(a, b);
  const chosen = withDetectors(sources.toReversed(), "dlibCnn").map(({ detectors }) => detectors);
  assert.deepEqual(chosen, Array(4).fill({ photo: dlib, live: dlib }));
});

Deno.test("webcamServe takes options of its detectors, and without them training's confidence", () => {
  const { detector, liveDetector } = webcamServe.params.parse({
    detector: { use: "tinyFaceDetector", inputSizes: [320] },
    liveDetector: { use: "dlibCnn", minFace: 0.3 },
  });
  const options = { minConfidence: 0, upsample: 0, minFace: 0.3 };
  assert.deepEqual(liveDetector, { use: "dlibCnn", ...options });
  const trained = { name: "ssdMobilenetv1", minConfidence: 0.7, inputSizes: [256] };
  const preprocessing = { detector: trained, crop: {}, background: "#ffffff", steps: [] } as never;
  const photo = (chosen: unknown) =>
    withDetectors([{ id: "a", error: 1, path: "a", preprocessing }], chosen as never)[0]!
      .detectors.photo;
  const chosen = photo(detector);
  assert.deepEqual(chosen, { name: "tinyFaceDetector", minConfidence: 0.4, inputSizes: [320] });
  const named = photo("tinyFaceDetector");
  assert.deepEqual([named.minConfidence, named.inputSizes], [0.7, [224, 96, 416]]);
  assert.throws(
    () => webcamServe.params.parse({ detector: { use: "tinyFaceDetector", minFace: 0.3 } }),
    /minFace/,
  );
});
