/** POST /predict: its predictions, and the bodies that it refuses. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { openCropper } from "../../../faces/detection/cropper.ts";
import { openDetector } from "../../../faces/detection/detectors.ts";
import { findLabelledFace } from "../../../faces/detection/find_faces.ts";
import { toNetworkInput } from "../../../faces/images/resize.ts";
import { loadModel } from "../../../faces/training/model_files.ts";
import { predict } from "../../predict.ts";
import { analysisOf, problemOf } from "./answers.ts";
import { drawnFace, drawnGroup, preprocessing, type Service, startService } from "./fixture.ts";

const people = [
  { seed: 3, age: 8, gender: "male", left: 10, top: 20 },
  { seed: 9, age: 71, gender: "female", left: 340, top: 190 },
] as const;

/** The raw pixels of a data URL's PNG. */
async function pixels(url: string): Promise<Uint8Array> {
  const png = Uint8Array.fromBase64(url.slice(url.indexOf(",") + 1));
  return Uint8Array.from(await sharp(png).raw().toBuffer());
}

Deno.test("POST /predict", async (t) => {
  await using server = await startService();
  const face = await drawnFace();
  const step = (name: string, run: (server: Service) => Promise<void>) =>
    t.step(name, () => run(server));

  await step(
    "detects every face, and returns the predictions of every model for each",
    async (server) => {
      const group = await drawnGroup(people);
      const { faces, width, height, detector, timings } = await analysisOf(
        await server.predict(group, "image/png"),
      );
      assert.deepEqual({ width, height, detector }, {
        width: 640,
        height: 480,
        detector: "tinyFaceDetector",
      });
      assert.equal(faces.length, 2);
      for (const [i, { left, top }] of people.entries()) {
        const centre = ({ box }: typeof faces[number]) => [
          box.x + box.width / 2 - left - 128,
          box.y + box.height / 2 - top - 128,
        ];
        const near = faces.some((face) => centre(face).every((off) => Math.abs(off) < 40));
        assert.ok(near, `face ${i} is not where it was drawn`);
      }
      for (const { gender, age, predictions, crop } of faces) {
        assert.deepEqual(predictions.map(({ model }) => model), ["ageRegression", "gender"]);
        assert.deepEqual(age, predictions[0]);
        assert.deepEqual(gender, predictions[1]);
        assert.ok(age && "years" in age && age.error === 8.25);
        const sum = gender!.classes.reduce((sum, { probability }) => sum + probability, 0);
        assert.ok(Math.abs(sum - 1) < 1e-5);
        assert.equal(crop, undefined);
      }
      const { queue, decode, detect, crop, predict, total } = timings;
      assert.ok(queue + decode + detect + crop + predict <= total + 1);
    },
  );

  await step("gives the networks the same bytes as training", async (server) => {
    const detector = await openDetector("tinyFaceDetector", preprocessing.detector);
    const cropper = await openCropper(preprocessing.crop);
    for (const seed of [1, 2, 3]) {
      const photo = await drawnFace(seed, 20 + seed * 15, seed % 2 ? "female" : "male");
      // The training path: the labelled face, its crop as it is kept on disk, its tensor.
      const labelled = await findLabelledFace(
        photo,
        { middle: 1 / 1.8 },
        detector,
        cropper,
      );
      assert.ok(labelled.crop);
      const tensor = Uint8Array.from(await toNetworkInput(labelled.crop, 32));
      const { faces } = await analysisOf(await server.predict(photo, "image/png", "?crops=true"));
      const served = await Promise.all(faces.map(({ crop }) => pixels(crop!)));
      const same = served.findIndex((bytes) => bytes.every((byte, i) => byte === tensor[i]));
      assert.ok(same >= 0, `the crop of face ${seed} differs from training's`);
      assert.equal(served[same].length, 32 * 32 * 3);

      const { model } = await loadModel(join(server.folder, "gender"));
      const [female] = await predict(model, tensor);
      assert.ok(Math.abs(faces[same].gender!.classes[0].probability - female) < 1e-6);
      model.dispose();
    }
    detector.close();
  });

  await step(
    "accepts multipart, and a data URL as text, as JSON and as a field",
    async (server) => {
      const url = `data:image/png;base64,${face.toBase64()}`;
      const form = (value: string | File) => {
        const form = new FormData();
        if (typeof value === "string") form.append("image", value);
        else form.append("photo", value);
        return form;
      };
      const bodies: [BodyInit, string?][] = [
        [face, "image/png"],
        [form(new File([face], "me.png", { type: "image/png" }))],
        [form(url)],
        [url, "text/plain"],
        [JSON.stringify({ image: url }), "application/json; charset=utf-8"],
      ];
      const answers = [];
      for (const [body, type] of bodies) {
        const { faces } = await analysisOf(await server.predict(body, type));
        answers.push(faces);
      }
      assert.equal(answers[0].length, 1);
      for (const answer of answers) assert.deepEqual(answer, answers[0]);
    },
  );

  await step("rotates a photo upright and makes transparent pixels white", async (server) => {
    const plain = await analysisOf(await server.predict(face, "image/png", "?crops=true"));
    const turned = await sharp(face).rotate(90).png().withMetadata({ orientation: 8 }).toBuffer();
    const upright = await analysisOf(
      await server.predict(Uint8Array.from(turned), "image/png", "?crops=true"),
    );
    assert.equal(upright.faces[0].crop, plain.faces[0].crop);
    const { data, info } = await sharp(face).ensureAlpha().raw().toBuffer({
      resolveWithObject: true,
    });
    for (let i = 3; i < data.length; i += 4) if (i % 1024 < 120) data[i] = 0;
    const raw = { width: info.width, height: info.height, channels: 4 } as const;
    const clear = await sharp(data, { raw }).png().toBuffer();
    const white = await sharp(clear).flatten({ background: "#ffffff" }).png().toBuffer();
    const [a, b] = await Promise.all(
      [clear, white].map(async (png) =>
        (await analysisOf(await server.predict(Uint8Array.from(png), "image/png", "?crops=true")))
          .faces
      ),
    );
    assert.deepEqual(a, b);
  });

  await step("returns no faces if there are none", async (server) => {
    const create = { width: 300, height: 200, channels: 3, background: "#336699" } as const;
    const empty = await sharp({ create }).jpeg().toBuffer();
    const { faces } = await analysisOf(await server.predict(Uint8Array.from(empty), "image/jpeg"));
    assert.deepEqual(faces, []);
  });

  await step("413: refuses a body over the limit, with or without its length", async (server) => {
    const large = new Uint8Array(5_000_001);
    assert.equal(
      (await problemOf(await server.predict(large, "image/png"), 413)).code,
      "too_large",
    );
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        if (++sent > 2000) controller.close();
        else controller.enqueue(new Uint8Array(64_000));
      },
    });
    const { message } = await problemOf(await server.predict(endless, "image/png"), 413);
    assert.match(message, /more than 5000000 bytes/);
    assert.ok(sent < 1000, `${sent} parts were taken`);
  });

  await step("415: refuses a body that is no image and has no type of one", async (server) => {
    for (const [body, type] of [["<html>", "text/html"], ["a=1", undefined]] as const) {
      const { code, message } = await problemOf(
        await server.predict(new TextEncoder().encode(body), type ?? "application/x-www-form"),
        415,
      );
      assert.equal(code, "wrong_type");
      assert.match(message, /image\/jpeg/);
    }
  });

  await step("the bytes decide the format of a body, not its type", async (server) => {
    const { faces } = await analysisOf(await server.predict(face, "image/png"));
    const url = new TextEncoder().encode(`data:image/jpg;base64,${face.toBase64()}`);
    const types = [undefined, "application/octet-stream", "image/jpg", "image/pjpeg", "image/heic"];
    types.push(
      "application/x-www-form-urlencoded",
      "image/svg+xml",
      "text/plain",
      "garbage",
      "a/b",
    );
    for (const type of types) {
      assert.deepEqual((await analysisOf(await server.predict(face, type))).faces, faces, type);
      assert.deepEqual((await analysisOf(await server.predict(url, type))).faces, faces, type);
    }
    // As Python's requests, curl, browsers and PHP write them.
    const part = (head: string, boundary = "b0undary", before = "", after = "--") =>
      Buffer.concat([
        Buffer.from(`${before}--${boundary}\r\n${head}\r\n\r\n`),
        face,
        Buffer.from(`\r\n--${boundary}${after}\r\n`),
      ]);
    const form = "multipart/form-data; boundary=b0undary";
    const disposition = 'Content-Disposition: form-data; name="image"';
    const field = '--b0undary\r\nContent-Disposition: form-data; name="note"\r\n\r\nhi\r\n';
    const forms: [Uint8Array, string | undefined][] = [
      [part(`${disposition}; filename="photo.jpg"`), form],
      [part(`${disposition}; filename="é.webp"\r\nContent-Type: application/octet-stream`), form],
      [part(`content-type: image/svg+xml\r\n${disposition.toLowerCase()}`), form],
      [part(`${disposition.replace("image", "file")}; filename=a.png`, "b0undary", field), form],
      [
        part("Content-Disposition: form-data; name=image"),
        'multipart/form-data; boundary="b0undary"',
      ],
      [part(disposition, "b0undary", "preamble\r\n"), form],
      [part(disposition, "b0undary", "", "--\r\nepilogue"), form],
      // fetch() with a type of its own has no boundary in it.
      [part(disposition, "----WebKitFormBoundaryx"), "multipart/form-data"],
      [part(disposition), undefined],
    ];
    for (const [body, type] of forms) {
      const answer = await server.predict(Uint8Array.from(body), type);
      assert.deepEqual(
        (await analysisOf(answer)).faces,
        faces,
        new TextDecoder().decode(body.subarray(0, 99)),
      );
    }
    const json = JSON.stringify({ image: new TextDecoder().decode(url) });
    for (const text of [json, json.replaceAll("/", "\\/"), `\n { "image" :\t${json.slice(9)}\n`]) {
      assert.deepEqual((await analysisOf(await server.predict(text, "a/b"))).faces, faces);
    }
  });

  await step("400: names the format of what does not decode", async (server) => {
    const cases: [BodyInit, string, RegExp][] = [
      ["", "image/png", /empty/],
      ["not a picture", "image/jpeg", /none of/],
      [face.subarray(0, face.length >> 1), "image/png", /damaged or cut short/],
      ["<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "image/png", /none of/],
      ["%PDF-1.4", "image/jpeg", /it is a PDF, and none of/],
      ["\0\0\0\x10ftypheic\0\0\0\0", "a/b", /it is a HEIC.*heif-convert/],
      ["P6\n1 1\n255\nabc", "a/b", /it is a Netpbm.*Convert it/],
      ["{", "application/json", /not JSON/],
      ['{"picture": 1}', "application/json", /not JSON as \{"image"/],
      ['{"image": "data:", "x": "y"}', "application/json", /not JSON as \{"image"/],
      ['{"image": 1}', "application/json", /not JSON as \{"image"/],
      ["<svg/>", "image/svg+xml", /none of/],
      ["data:text/html;base64,PGI+", "text/plain", /none of/],
      ["<!--ftyp--><svg xmlns='http://www.w3.org/2000/svg'/>", "image/png", /none of/],
      ["--x\r\nContent-Disposition: form-data; name=image\r\n\r\nhalf", "a/b", /cut short/],
      ["--x\r\nContent-Disposition: form-data; name=image", "multipart/form-data", /cut short/],
      ["--y--\r\n", "multipart/form-data; boundary=x", /boundary does not occur/],
      ["--x--\r\n", "multipart/form-data; boundary=x", /no file/],
      ["hello", "text/plain", /Expected a data URL/],
      ["data:image/png;base64,!!", "text/plain", /not base64/],
      ["data:image/png,abc", "text/plain", /Expected a data URL/],
      ["data:image/png;base64,", "text/plain", /it is empty, and none of/],
      ["nothing", "multipart/form-data; boundary=x", /multipart/],
      ["nothing", "multipart/form-data", /multipart/],
    ];
    for (const [body, type, message] of cases) {
      assert.match((await problemOf(await server.predict(body, type), 400)).message, message);
    }
    const form = (...fields: readonly (readonly [string, string | Blob])[]) => {
      const form = new FormData();
      for (const [name, value] of fields) form.append(name, value);
      return form;
    };
    const none = form(["photo", "no file"], ["note", "hi"]);
    assert.equal(
      (await problemOf(await server.predict(none), 400)).message,
      'The form has no file, only "photo", "note". Send the image as its field "image".',
    );
    const file = new File([face], "me.png", { type: "image/png" });
    for (const name of ["image", "photo"]) {
      const { message } = await problemOf(
        await server.predict(form([name, file], ["note", "hi"], [name, file])),
        400,
      );
      assert.match(message, /form-data: it has several images; .* as the field "image"\.$/, name);
    }
    const { faces } = await analysisOf(
      await server.predict(form(["other", new Blob(["no picture"])], ["image", file])),
    );
    assert.equal(faces.length, 1);
    await problemOf(await server.predict(face, "image/png", "?crops=maybe"), 400);
    await problemOf(await server.predict(face, "image/png", "?other=1"), 400);
  });

  await step("400: refuses a decompression bomb before decoding", async (server) => {
    const side = 30_000;
    const create = { width: side, height: 8, channels: 3, background: "#000" } as const;
    const png = await sharp({ create }).png({ compressionLevel: 9 }).toBuffer();
    // The header claims 30,000 rows, as in a bomb of a few kilobytes.
    png.writeUInt32BE(side, 20);
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    const before = Deno.memoryUsage().rss;
    const { message } = await problemOf(
      await server.predict(Uint8Array.from(png), "image/png"),
      400,
    );
    assert.match(message, /30000 × 30000 pixels; the maximum is 64 million\. Scale it down\.$/);
    assert.ok(Deno.memoryUsage().rss - before < 300e6);
  });

  await step("still answers after all of that", async (server) => {
    assert.equal((await analysisOf(await server.predict(face, "image/png"))).faces.length, 1);
    assert.deepEqual(server.warnings, []);
  });
});
