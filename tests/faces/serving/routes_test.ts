/** All routes except POST /predict, and the headers of every response. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import * as z from "zod";
import { scoreModel } from "../../../faces/evaluation/score_model.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { health, service } from "../../../faces/serving/api.ts";
import { configureDetector } from "../../../faces/detection/detectors.ts";
import type { Setup } from "../../../faces/serving/inference_session.ts";
import { temporaryFolder } from "../../temporary_folder.ts";
import { analysisOf, problemOf } from "./answers.ts";
import { drawnFace, startService } from "./fixture.ts";

Deno.test("GET /model and the card have the further metrics of the test", async () => {
  const one = (low: number) => ({ rows: [0, 1], truth: [low, 1], prediction: [1, 1], loss: 1 });
  const scored = scoreModel({ task: "age", classes: ["a", "b"] }, {
    train: one(0),
    validation: one(0),
    test: one(0),
  });
  const test = { low: 0.25, high: 0.75, level: 0.95, method: "bootstrap", unit: "image" } as const;
  const f1 = { name: "f1", title: "F1, macro", unit: "" };
  const reports = {
    ageBinary: {
      ...scored,
      test: { ...scored.test, f1: 0.5 },
      further: [{ ...f1, decimals: 3, intervals: { test } }],
    },
  };
  await using server = await startService({ models: ["ageBinary"], reports });
  const { models } = z.strictObject(service.shape).parse(
    await (await server.get("/model")).json(),
  );
  assert.deepEqual(models[0].test!.metrics, [{ ...f1, value: 0.5, low: 0.25, high: 0.75 }]);
  const useless =
    /predictions of .{0,6}ageBinary.{0,6} are of no use: on the test set, this network/;
  assert.match(await (await server.get("/")).text(), useless);
  assert.ok(server.warnings.some((text) => useless.test(text)));
  const card = (await (await server.get("/card")).text()).replace(/\s*<[^>]*>\s*/g, "|");
  assert.match(card, /\|F1, macro\|+0\.500\|+0\.250–0\.750, too narrow\|/);
  const { components, info } = await (await server.get("/openapi.json")).json();
  assert.equal(info.title, "Age from a face");
  assert.match(await (await server.get("/")).text(), /<h1>Age from a face<\/h1>/);
  assert.match(JSON.stringify(components.schemas.ServedModel), /named by evaluate\.metrics/);
});

Deno.test("mode browser: each detector has its own weights, also of one file name", async () => {
  const file = "mmod_human_face_detector.dat", folder = temporaryFolder("weights-");
  const known = await Deno.readFile(`faces/detection/detectors/dlib/${file}`);
  const weights = join(folder, file), own = known.slice();
  own[own.length >> 1] ^= 1; // in the middle of a number
  await Deno.writeFile(weights, own);
  const detector = { ...configureDetector("dlibCnn"), weights };
  await using server = await startService({
    models: ["ageRegression", "gender"],
    mode: "browser",
    changes: { detector },
    liveDetector: "dlibCnn",
  });
  const { models }: Setup = await (await server.get("/setup.json")).json();
  const [{ photo, live }, other] = models.map(({ detectors }) => detectors);
  assert.deepEqual(other, { photo, live }); // one detector, which is opened once
  assert.equal(live.weights, undefined);
  for (const [path, bytes] of [[photo.weights!, own], [`/detectors/${file}`, known]] as const) {
    assert.ok(Buffer.from(await (await server.get(path)).arrayBuffer()).equals(bytes), path);
  }
});

Deno.test("one caution names all models that are of no use", async () => {
  const report = scoreModel({ task: "age", classes: ["a", "b"] }, {
    train: { rows: [0], truth: [0], prediction: [1], loss: 1 },
    validation: { rows: [0], truth: [0], prediction: [1], loss: 1 },
    test: { rows: [0], truth: [0], prediction: [1], loss: 1 },
  });
  const models = ["ageBinary", "ageMulticlass"] as const;
  const reports = Object.fromEntries(models.map((name) => [name, report]));
  await using server = await startService({ models, reports });
  assert.deepEqual(server.service.cautions, [
    'The predictions of "ageBinary" and "ageMulticlass" are of no use: on the test set, these ' +
    "networks are not better than the same answer for every face.",
  ]);
});

Deno.test("the other routes", async (t) => {
  await using server = await startService({
    models: ["ageBinary", "ageMulticlass"],
    changes: { steps: ["blur sigma=1.5"] },
  });

  await t.step("GET /model describes the models", async () => {
    const { models, mode, detectors } = z.strictObject(service.shape).parse(
      await (await server.get("/model")).json(),
    );
    assert.deepEqual(models.map(({ id }) => id), ["ageBinary", "ageMulticlass"]);
    assert.deepEqual(models[0].steps, ["blur sigma=1.5"]);
    assert.deepEqual(models[0].trained.datasets, { sample: 256 });
    assert.equal(models[0].test, null);
    assert.equal(mode, "server");
    assert.deepEqual(detectors, { photo: "tinyFaceDetector", live: "tinyFaceDetector" });
  });

  await t.step("the age model with the most groups predicts the age", async () => {
    const { faces } = await analysisOf(await server.predict(await drawnFace(), "image/png"));
    assert.equal(faces[0].age?.model, "ageMulticlass");
    assert.equal(faces[0].gender, undefined);
    assert.equal(faces[0].predictions.length, 2);
  });

  await t.step("POST /predict names a query that it does not take", async () => {
    for (const query of ["?crops=yes", "?crop=true", "?crops=true&crops=false"]) {
      const response = await server.predict(await drawnFace(), "image/png", query);
      const { message } = await problemOf(response, 400);
      assert.match(
        message,
        /the query {"crops?":(\["true","false"\]|"(yes|true)")}: .* Use \?crops=true or \?crops=false/,
      );
    }
  });

  await t.step("GET /health is 200 when /predict can answer", async () => {
    const response = await server.get("/health");
    assert.equal(response.status, 200);
    assert.deepEqual(health.parse(await response.json()), { status: "ready" });
  });

  await t.step("GET /metrics returns Prometheus's text format", async () => {
    await (await server.get("/no/such/place")).body?.cancel();
    const response = await server.get("/metrics");
    assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const line of text.trimEnd().split("\n")) {
      assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [0-9.e+-]+)$/);
    }
    assert.match(
      text,
      /^faces_http_requests_total\{route="\/predict",method="POST",status="200"\} 1$/m,
    );
    assert.match(text, /^faces_http_requests_total\{route="other",method="GET",status="404"\} 1$/m);
    assert.match(text, /^faces_found_total\{view="photo"\} 1$/m);
    assert.match(text, /^faces_ready 1$/m);
  });

  await t.step("GET /openapi.json describes every route, and no other", async () => {
    const { openapi, paths, components } = await (await server.get("/openapi.json")).json();
    assert.equal(openapi, "3.1.0");
    assert.deepEqual(Object.keys(paths).sort(), [
      "/health",
      "/live",
      "/metrics",
      "/model",
      "/predict",
    ]);
    const refs = JSON.stringify({ paths, components }).matchAll(/"\$ref":"([^"]+)"/g);
    for (const [, ref] of refs) {
      const name = ref.replace("#/components/schemas/", "");
      assert.ok(name in components.schemas, ref);
    }
  });

  await t.step("answers are as /openapi.json describes them", async () => {
    const { paths, components } = await (await server.get("/openapi.json")).json();
    const body = await drawnFace();
    const headers = { origin: "https://example.org" };
    const asked = (["/health", "/metrics", "/model", "/live"] as const).flatMap((path) => [
      [path, "get", server.get(path)] as const,
      [path, "get", server.get(path, { headers })] as const,
    ]);
    for (
      const [path, method, answer] of [
        ...asked,
        ["/predict", "post", server.predict(body, "image/png", "?crops=true")] as const,
        ["/predict", "post", server.predict("", "image/png")] as const,
        ["/predict", "post", server.predict("<p>", "text/html")] as const,
      ]
    ) {
      const { status, headers, ...response } = await answer.then(async (one) => ({
        status: one.status,
        headers: one.headers,
        text: await one.text(),
      }));
      const described = paths[path][method].responses[status]?.content;
      const type = headers.get("content-type")!.split(";")[0];
      assert.ok(described?.[type], `${path}: ${status} ${type}`);
      if (type !== "application/json") continue;
      const validate = new Ajv2020({ strict: false }).compile({
        ...described[type].schema,
        components,
      });
      assert.ok(validate(JSON.parse(response.text)), JSON.stringify(validate.errors));
    }
  });

  await t.step("404 and 405 are JSON too", async () => {
    assert.equal((await problemOf(await server.get("/../deno.json"), 404)).code, "not_found");
    for (const path of ["/web/main.ts", "/%2e%2e/deno.json", "/style.css/..%2f..%2fdeno.json"]) {
      await problemOf(await server.get(path), 404);
    }
    const response = await server.get("/predict");
    assert.equal(response.headers.get("allow"), "POST");
    await problemOf(response, 405);
    await problemOf(await server.get("/model", { method: "DELETE" }), 405);
    const { message } = await problemOf(await server.get("/model", { method: "PURGE" }), 405);
    assert.equal(message, "/model accepts GET, not PURGE.");
  });

  await t.step("every response has security headers", async () => {
    for (const path of ["/", "/page.js", "/card", "/model", "/nowhere"]) {
      const response = await server.get(path);
      await response.body?.cancel();
      const policy = response.headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|\*/);
      assert.equal(response.headers.get("x-content-type-options"), "nosniff");
      assert.equal(response.headers.get("access-control-allow-origin"), null);
    }
  });

  await t.step("403: other origins, and names that only look local", async () => {
    const origin = { origin: "https://example.org" };
    const { code } = await problemOf(await server.get("/model", { headers: origin }), 403);
    assert.equal(code, "wrong_origin");
    const { port } = new URL(server.url);
    const raw = async (host: string) => {
      using connection = await Deno.connect({ port: Number(port) });
      const request = `GET /model HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(request));
      const buffer = new Uint8Array(4096);
      return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    };
    // A host without a port may be that of another server before this one.
    assert.match(
      await raw("evil.example"),
      /^HTTP\/1\.1 403[^]* Open the address that it logs there;/,
    );
    assert.match(
      await raw(`127.0.0.1.evil.example:${port}`),
      RegExp(`^HTTP/1\\.1 403[^]* Open http://127\\.0\\.0\\.1:${port} there`),
    );
    assert.match(await raw(`localhost:${port}`), /^HTTP\/1\.1 200/);
  });

  await t.step("data in the page cannot end its script", async () => {
    const html = await (await server.get("/")).text();
    const [, json] = /<script type="application\/json" id="service">([\s\S]*?)<\/script>/.exec(
      html,
    )!;
    assert.equal(JSON.parse(json).models.length, 2);
    assert.doesNotMatch(json, /</);
  });
});
