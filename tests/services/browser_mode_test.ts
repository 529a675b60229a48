/// <reference lib="dom" />
/** Mode "browser": predictions of the page, compared with the server's. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Page } from "puppeteer-core";
import sharp from "sharp";
import type { Analysis } from "../../faces/serving/api.ts";
import { chooseNetwork, singleHeadModel } from "../../faces/training/build_network.ts";
import { imagesInMemory } from "../../faces/training/image_source.ts";
import { loadModel } from "../../faces/training/model_files.ts";
import { predict } from "../predict.ts";
import { openPredictor } from "../../faces/training/predictor.ts";
import { networks } from "../../models/mod.ts";
import { openChromium, screenshot } from "./browser.ts";
import { drawnFace, type Service, startService } from "../faces/serving/fixture.ts";
import { cards, inChromium, material, message, open, patience, upload } from "./page.ts";

inChromium("mode browser: no photo leaves it, and it predicts as the server does", async (t) => {
  await using files = await material();
  await using server = await startService({
    mode: "browser",
    detector: "ssdMobilenetv1",
    models: ["ageDistribution", "ageRegression", "gender"],
    calibrated: true,
    changes: { crop: { margin: 0.2, maxSize: 128, align: "template" } },
  });
  const browser = await openChromium({ clip: files.clip });
  try {
    const { page, wrong, requests } = await open(browser, server.url);

    await t.step("live view and shutter", async () => {
      await page.click("#start");
      await page.waitForSelector(".box", patience);
      await screenshot(page, "browser-mode-live");
      await page.keyboard.press("Space");
      await cards(page, 1);
      assert.match(
        await page.$eval("#timings", (timings) => timings.textContent!),
        /in this browser.*ssdMobilenetv1/,
      );
      const texts = await page.$$eval(".prediction", (all) => all.map((one) => one.textContent!));
      assert.match(
        texts.join("\n"),
        RegExp(
          String.raw`^(\d+ years, 90 %: \d+ to \d+\n){2}uncertain \((fe)?male\) \d+ %$`,
        ),
      );
      await screenshot(page, "browser-mode-photo");
    });

    await t.step("names the model of a prediction where several have its task", async () => {
      const names = await page.$$eval(".face p.small", (all) => all.map((one) => one.textContent));
      assert.deepEqual(names, ["ageDistribution", "ageRegression"]);
    });

    await t.step("names what the browser cannot decode", async () => {
      const whole = await Deno.readFile(files.group), cut = `${server.folder}/cut.png`;
      await Deno.writeFile(cut, whole.subarray(0, 200));
      await upload(page, cut);
      await message(page, /^This browser cannot decode the photo: .* Save it as JPEG or PNG\.$/);
      await upload(page, files.text);
      await message(page, /^Cannot decode the photo: it is none of JPEG, .* and AVIF\.$/);
    });

    await t.step("agrees with the server", async () => {
      const { model } = await loadModel(join(server.folder, "gender"));
      for (const picture of [await Deno.readFile(files.group), await drawnFace(2, 50, "male")]) {
        const ours = await inPage(page, picture);
        const theirs = await served(server, picture);
        assert.equal(ours.faces.length, theirs.faces.length);
        for (const [i, face] of ours.faces.entries()) {
          // The same tensor: what the page's network saw, through the network here.
          const tensor = await pixels(face.crop!);
          const [female] = await predict(model, tensor);
          assert.ok(Math.abs(face.gender!.classes[0].probability - female) < 1e-3);
          // The same PNG: what is reduced is so to the byte, what is enlarged almost.
          const other = theirs.faces[i];
          for (const side of ["x", "y", "width", "height"] as const) {
            assert.ok(Math.abs(face.box[side] - other.box[side]) < 0.1, side);
          }
          const there = await pixels(other.crop!);
          const off = tensor.reduce((sum, byte, j) => sum + Math.abs(byte - there[j]), 0);
          assert.ok(off / tensor.length < 0.1, `crops differ by ${off / tensor.length} of 255`);
          const probability = other.gender!.classes[0].probability;
          assert.ok(Math.abs(face.gender!.classes[0].probability - probability) < 1e-3);
          assert.equal(face.gender!.uncertain, other.gender!.uncertain);
          const ages = [face, other].map(({ predictions }) =>
            predictions.flatMap((one) => "years" in one ? [one.years, one.interval!] : [])
              .flatMap((one) => typeof one === "number" ? one : [one.low, one.high])
          );
          assert.equal(ages[0].length, 6);
          const [wide, narrow] = [ages[0][2] - ages[0][1], ages[0][5] - ages[0][4]];
          assert.ok(Math.abs(narrow - 14) < 1e-6 && wide > 20, `${wide}, ${narrow}`);
          ages[0].forEach((age, k) => assert.ok(Math.abs(age - ages[1][k]) < 0.05, `${ages}`));
        }
      }
      model.dispose();
    });

    await t.step("sends nothing", () => {
      assert.ok(requests.every(({ method, url }) => method === "GET" && !/live|predict/.test(url)));
      assert.deepEqual(requests.filter(({ url }) => !url.startsWith(server.url)), []);
      assert.deepEqual(wrong, []);
      return Promise.resolve();
    });
  } finally {
    await browser.close();
  }
});

inChromium(
  "mode browser: a camera that stops while the networks load, and no networks",
  async () => {
    await using files = await material();
    await using server = await startService({ mode: "browser", models: ["gender"] });
    const browser = await openChromium({ clip: files.clip });
    try {
      const { page, wrong } = await open(browser, "about:blank");
      await page.evaluateOnNewDocument(() => {
        const released = new Promise((done) => addEventListener("release", done, { once: true }));
        globalThis.Worker = class extends Worker {
          override addEventListener(type: string, listener: unknown) {
            super.addEventListener(type, async (event) => {
              if ((event as MessageEvent).data?.id === 0) await released;
              (listener as (event: Event) => void)(event);
              dispatchEvent(new Event("heard"));
            });
          }
        };
      });
      await page.goto(server.url);
      await page.click("#start");
      await message(page, /^Loading the networks/);
      await page.click("#back");
      await page.evaluate(() =>
        new Promise((done) => {
          addEventListener("heard", () => setTimeout(done), { once: true });
          dispatchEvent(new Event("release"));
        })
      );
      await message(page, /^$/);
      await page.click("#start");
      await page.waitForSelector(".box", patience);
      assert.deepEqual(wrong, []);

      const { page: other } = await open(browser, "about:blank");
      await other.evaluateOnNewDocument(() => {
        globalThis.Worker = class extends Worker {
          constructor() {
            super("/none.js");
          }
        };
      });
      await other.goto(server.url);
      await other.click("#start");
      await message(
        other,
        /do not run in this browser: their code was not loaded\. Reload the page\.$/,
      );
    } finally {
      await browser.close();
    }
  },
);

inChromium("mode browser: dlibCnn detects the same faces as on the server", async () => {
  await using server = await startService({
    mode: "browser",
    detector: "dlibCnn",
    liveDetector: "dlibCnn",
  });
  const browser = await openChromium();
  try {
    const { page, wrong } = await open(browser, server.url);
    const picture = await drawnFace(2, 50, "male");
    const [ours, theirs] = [await inPage(page, picture), await served(server, picture)];
    assert.equal(theirs.detector, "dlibCnn");
    assert.equal(theirs.faces.length, 1);
    assert.deepEqual(ours.faces.map(({ box }) => box), theirs.faces.map(({ box }) => box));
    assert.ok(Math.abs(ours.faces[0].score - theirs.faces[0].score) < 1e-3);
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
  }
});

inChromium("mode browser: a graph of layers predicts in the page as the engine does", async () => {
  const conv = (name: string, filters: number, rest: object) => ({
    conv2d: { name, filters, kernelSize: 3, padding: "same", activation: "swish", ...rest },
  });
  const network = {
    use: "layers",
    layers: [
      { depthwiseConv2d: { kernelSize: [1, 5], strides: 2, padding: "same" } },
      ...[conv("a", 12, {}), { batchNormalization: {} }, { prelu: { name: "slopes" } }],
      { separableConv2d: { name: "b", filters: 12, kernelSize: 3, padding: "same" } },
      ...[{ add: ["slopes", "b"] }, { layerNormalization: { name: "sum" } }],
      ...[{ globalAveragePooling2d: {} }, { dense: { units: 12, activation: "sigmoid" } }],
      { reshape: { name: "weights", targetShape: [1, 1, 12] } },
      ...[{ multiply: { name: "c", inputs: ["sum", "weights"] } }, { averagePooling2d: {} }],
      { depthwiseConv2d: { name: "d", kernelSize: 5, strides: 2, padding: "same" } },
      ...[conv("e", 10, { input: "c", strides: 4, activation: "elu" }), {
        concatenate: ["d", "e"],
      }],
      ...[{ globalMaxPooling2d: {} }, { dropout: { rate: 0.1 } }],
      { dense: { units: 8, activation: "gelu" } },
    ],
  };
  const build = () => {
    const { name, trunk, initializer } = chooseNetwork(network, networks, "", {});
    return singleHeadModel(name, trunk(32), 2, initializer, 3);
  };
  await using server = await startService({ mode: "browser", models: ["gender"], build });
  const { model } = await loadModel(join(server.folder, "gender"));
  const browser = await openChromium();
  try {
    await using engine = await openPredictor(model, { threads: 1 });
    assert.ok(engine.fast);
    const { page, wrong } = await open(browser, server.url);
    const seen = new Set<number>();
    for (const seed of [2, 3]) {
      const { faces: [face] } = await inPage(page, await drawnFace(seed, 50, "male"));
      const images = imagesInMemory(await pixels(face.crop!), 32);
      const [female] = await engine.predict(images, Int32Array.of(0));
      const [{ probability }] = face.gender!.classes;
      assert.ok(Math.abs(probability - female) < 1e-4, `${probability}, ${female}`);
      seen.add(Math.round(probability * 1000));
    }
    assert.equal(seen.size, 2, "faces differ");
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
    model.dispose();
  }
});

/** A photo's analysis by the page's own worker. */
async function inPage(page: Page, picture: Uint8Array): Promise<Analysis> {
  return await page.evaluate(async (bytes: number[]) => {
    const worker = new Worker("/compute.js", { type: "module" });
    const answer = new Promise<unknown>((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.error) reject(new Error(data.error));
        else if (data.id === 1) resolve(data.result);
      };
    });
    worker.postMessage({
      id: 1,
      image: new Uint8Array(bytes),
      options: { view: "photo", crops: true },
    });
    const result = await answer;
    worker.terminate();
    return result;
  }, [...picture]) as Analysis;
}

async function served(server: Service, picture: Uint8Array<ArrayBuffer>): Promise<Analysis> {
  return await (await server.predict(picture, "image/png", "?crops=true")).json();
}

async function pixels(url: string): Promise<Uint8Array> {
  const png = Uint8Array.fromBase64(url.slice(url.indexOf(",") + 1));
  return Uint8Array.from(await sharp(png).removeAlpha().raw().toBuffer());
}
