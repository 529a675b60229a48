/// <reference lib="dom" />
/**
 * The page in a real browser: Debian's chromium package, or what CHROMIUM names. Pictures of its
 * states are kept in artifacts/screenshots.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import puppeteer from "puppeteer-core";
import sharp from "sharp";
import type { Analysis } from "../../serving/api.ts";
import { loadModel, predict } from "../../training/predict.ts";
import { chromium, firefox, openChromium, screens, screenshot } from "./browser.ts";
import { drawnFace, drawnGroup, type Service, startService, writeClip } from "./fixture.ts";

const patience = { timeout: 60_000 };

/** Runs a test in Chromium, or says that there is none. */
function inChromium(name: string, run: (t: Deno.TestContext) => Promise<void>): void {
  const ignore = chromium === undefined;
  const why = ignore ? " (skipped: no Chromium; apt-get install chromium, or set CHROMIUM)" : "";
  // What puppeteer-core leaves open when a browser has closed is not ours to close.
  Deno.test({ name: name + why, ignore, fn: run, sanitizeOps: false, sanitizeResources: false });
}

/** Opens the page, and fails with what goes wrong on it. */
async function open(browser: Browser, url: string, screen: keyof typeof screens = "desktop") {
  const page = await browser.newPage();
  const wrong: string[] = [];
  const requests: { method: string; url: string }[] = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url())) {
      requests.push({ method: request.method(), url: request.url() });
    }
  });
  await page.setViewport(screens[screen]);
  await page.goto(url);
  return { page, wrong, requests };
}

async function message(page: Page, pattern: RegExp): Promise<void> {
  await page.waitForFunction(
    (source: string) => new RegExp(source).test(document.querySelector("#message")!.textContent!),
    patience,
    pattern.source,
  );
}

/** How many cards of faces there are. */
async function cards(page: Page, count: number): Promise<void> {
  await page.waitForFunction(
    (count: number) => document.querySelectorAll(".face").length === count,
    patience,
    count,
  );
}

async function upload(page: Page, path: string): Promise<void> {
  const input = await page.$("input#file");
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(path);
}

/** A temporary folder with a clip and pictures. */
async function material() {
  const folder = await Deno.makeTempDir({ prefix: "page-" });
  const clip = join(folder, "clip.mjpeg"), group = join(folder, "group.png");
  const landscape = join(folder, "empty.png"), text = join(folder, "not-a-picture.png");
  await writeClip(clip);
  await Deno.writeFile(
    group,
    await drawnGroup([
      { seed: 3, age: 8, gender: "male", left: 10, top: 20 },
      { seed: 9, age: 71, gender: "female", left: 340, top: 190 },
    ]),
  );
  await Deno.writeFile(landscape, await drawnGroup([]));
  await Deno.writeTextFile(text, "not a picture");
  return {
    clip,
    group,
    landscape,
    text,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

inChromium("the page: live view, shutter, photos, keyboard, themes, phone", async (t) => {
  await using files = await material();
  await using server = await startService({ models: ["ageRegression", "gender"] });
  const browser = await openChromium({ clip: files.clip });
  try {
    const { page, wrong, requests } = await open(browser, server.url);

    await t.step("says what it serves, and what that is worth", async () => {
      const text = await page.$eval("body", (body) => body.innerText);
      assert.match(text, /Age in years/);
      assert.match(text, /Off by 8\.3 years on average for the 64 faces of its validation set/);
      assert.match(text, /trained on drawn faces/);
      assert.match(text, /not stored/);
      assert.ok(await page.$('a[href="/card"]'));
      await screenshot(page, "desktop-light-idle");
    });

    await t.step("boxes follow the face in the video", async () => {
      await page.click("#start");
      await page.waitForSelector(".box", patience);
      const seen = new Set<string>();
      for (let i = 0; i < 20 && seen.size < 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        const { label, left, top, x } = await page.$eval(".box", (box) => {
          const { style } = box as HTMLElement;
          const area = document.querySelector("#stage")!.getBoundingClientRect();
          const rect = box.getBoundingClientRect();
          return {
            label: box.textContent!,
            x: style.left,
            left: (rect.left + rect.width / 2 - area.left) / area.width,
            top: (rect.top + rect.height / 2 - area.top) / area.height,
          };
        });
        assert.match(label, /^(female|male) \d+ %, \d+ ± 8 years$/);
        // The drawn face wanders between 37 and 63 % of the width, at half of the height.
        assert.ok(left > 0.27 && left < 0.73 && top > 0.3 && top < 0.7, `${left}, ${top}`);
        seen.add(x);
      }
      assert.ok(seen.size >= 3, "the box does not move");
      const hud = await page.$eval("#hud", (hud) => hud.textContent!);
      assert.match(hud, /^\d+ frames\/s · tinyFaceDetector/);
      await message(page, /^1 face: (female|male) \d+ %, \d+ ± 8 years\.$/);
      await screenshot(page, "desktop-light-live");
    });

    await t.step("the space bar takes a photo, and leads back", async () => {
      await page.keyboard.press("Space");
      await cards(page, 1);
      const card = await page.$eval(".face", (card) => (card as HTMLElement).innerText);
      assert.match(card, /± 8 years/);
      assert.match(card, /female\s+\d+ %\s+male\s+\d+ %/);
      const size = await page.$eval(".face img", (image) => {
        const { naturalWidth, naturalHeight, alt } = image as HTMLImageElement;
        return { naturalWidth, naturalHeight, alt };
      });
      assert.deepEqual(size, {
        naturalWidth: 32,
        naturalHeight: 32,
        alt: "Face 1 as the networks see it",
      });
      await screenshot(page, "desktop-light-photo");
      await page.keyboard.press("Space"); // the focus is on the way back
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
      assert.equal((await page.$$(".face")).length, 0);
      await page.click("#shutter");
      await cards(page, 1);
      await page.keyboard.press("Escape");
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
    });

    await t.step("a file with several faces, with none, and one that is no picture", async () => {
      await upload(page, files.group);
      await cards(page, 2);
      assert.deepEqual(await page.$$eval(".box", (boxes) => boxes.map((b) => b.textContent)), [
        "1",
        "2",
      ]);
      await screenshot(page, "desktop-light-group");
      await upload(page, files.landscape);
      await message(page, /^No face found: come closer, more light\.$/);
      assert.equal((await page.$$(".face")).length, 0);
      await screenshot(page, "desktop-light-no-face");
      await upload(page, files.text);
      await message(page, /it is none of JPEG/);
      assert.deepEqual(wrong.splice(0), [
        "Failed to load resource: the server responded with a " +
        "status of 400 (Bad Request)",
      ]);
      await screenshot(page, "desktop-light-no-picture");
    });

    await t.step("a photo that is pasted or dropped", async () => {
      const bytes = [...await Deno.readFile(files.group)];
      for (const kind of ["paste", "drop"]) {
        await upload(page, files.landscape);
        await message(page, /No face/);
        await page.evaluate(
          (kind: string, bytes: number[]) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "x.png", { type: "image/png" }));
            document.dispatchEvent(
              kind === "paste"
                ? new ClipboardEvent("paste", { clipboardData: data })
                : new DragEvent("drop", { dataTransfer: data, cancelable: true }),
            );
          },
          kind,
          bytes,
        );
        await cards(page, 2);
      }
    });

    await t.step("stopping the camera turns it off", async () => {
      await page.click("#back");
      await page.waitForSelector('#stage[data-state="live"]', patience);
      await page.click("#back");
      await page.waitForSelector('#stage[data-state="idle"]', patience);
      assert.equal(
        await page.$eval("video", (video) => (video as HTMLVideoElement).srcObject),
        null,
      );
    });

    await t.step("dark, and the button that changes it", async () => {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      const paper = () => page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
      const dark = await paper();
      await screenshot(page, "desktop-dark-idle");
      await page.click("#theme");
      assert.match(await page.$eval("#theme", (button) => button.textContent!), /light/);
      assert.notEqual(await paper(), dark);
      await page.reload();
      assert.notEqual(await paper(), dark, "the choice is forgotten");
      await page.click("#theme");
      assert.equal(await paper(), dark);
      await upload(page, files.group);
      await cards(page, 2);
      await screenshot(page, "desktop-dark-group");
    });

    await t.step("asks nobody else for anything", () => {
      assert.deepEqual(requests.filter(({ url }) => !url.startsWith(server.url)), []);
      assert.deepEqual(wrong, []);
      return Promise.resolve();
    });

    await t.step("fits a phone, and nothing moves when it starts", async () => {
      const { page: phone, wrong } = await open(browser, server.url, "phone");
      await phone.evaluate(() => {
        const shifts: number[] = [];
        Object.assign(globalThis, { shifts });
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            shifts.push((entry as unknown as { value: number }).value);
          }
        }).observe({ type: "layout-shift", buffered: true });
      });
      await screenshot(phone, "phone-light-idle");
      await phone.tap("#start");
      await phone.waitForSelector(".box", patience);
      await message(phone, /^1 face/);
      await screenshot(phone, "phone-light-live");
      const shifts = await phone.evaluate(() =>
        (globalThis as unknown as { shifts: number[] }).shifts
      );
      assert.ok(shifts.reduce((a, b) => a + b, 0) < 0.02, `it moves: ${shifts}`);
      const overflow = await phone.evaluate(() =>
        document.documentElement.scrollWidth - document.documentElement.clientWidth
      );
      assert.equal(overflow, 0);
      await phone.tap("#shutter");
      await cards(phone, 1);
      await phone.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      await screenshot(phone, "phone-dark-photo");
      assert.deepEqual(wrong, []);
    });

    await t.step("the model card", async () => {
      const { page, wrong } = await open(browser, `${server.url}/card`);
      const text = await page.$eval("main", (main) => (main as HTMLElement).innerText);
      assert.match(text, /must not be used for/);
      assert.match(text, /Age in years \(ageRegression\)/);
      await screenshot(page, "desktop-light-card");
      assert.deepEqual(wrong, []);
    });
  } finally {
    await browser.close();
  }
});

inChromium("the page: a camera that is refused, and none at all", async () => {
  await using files = await material();
  await using server = await startService({ models: ["ageMulticlass"] });
  for (
    const [options, pattern, name] of [
      [{ clip: files.clip, allow: false }, /camera was refused: allow it/, "refused"],
      [{}, /No camera was found: connect one/, "absent"],
    ] as const
  ) {
    const browser = await openChromium(options);
    try {
      const { page } = await open(browser, server.url);
      await page.click("#start");
      await message(page, pattern);
      assert.equal(await page.$eval("#stage", (s) => (s as HTMLElement).dataset.state), "idle");
      await screenshot(page, `desktop-light-camera-${name}`);
      // The way on.
      await upload(page, files.group);
      await cards(page, 2);
      const card = await page.$eval(".face", (card) => (card as HTMLElement).innerText);
      assert.match(card, /(\d+ to \d+|above 92) years \d+ %/);
      assert.equal((await page.$$(".face:first-child dt")).length, 8);
      await screenshot(page, "desktop-light-age-groups");
    } finally {
      await browser.close();
    }
  }
});

inChromium("the page: a server that stops, and comes back", async () => {
  await using files = await material();
  const first = await startService({ models: ["gender"] });
  const browser = await openChromium({ clip: files.clip });
  try {
    const { page } = await open(browser, first.url);
    await page.click("#start");
    await page.waitForSelector(".box", patience);
    await first[Symbol.asyncDispose]();
    await message(page, /interrupted; connecting again/);
    await screenshot(page, "desktop-light-interrupted");
    const { port } = new URL(first.url);
    await using _second = await startService({ models: ["gender"], port: Number(port) });
    await page.waitForSelector(".box", patience);
    await message(page, /^1 face/);
  } finally {
    await browser.close();
  }
});

inChromium("mode browser: no picture leaves it, and it says what the server says", async (t) => {
  await using files = await material();
  await using server = await startService({ mode: "browser", detector: "ssdMobilenetv1" });
  const browser = await openChromium({ clip: files.clip });
  try {
    const { page, wrong, requests } = await open(browser, server.url);

    await t.step("live view and shutter", async () => {
      await page.click("#start");
      await page.waitForSelector(".box", { timeout: 60_000 });
      await screenshot(page, "browser-mode-live");
      await page.keyboard.press("Space");
      await cards(page, 1);
      assert.match(
        await page.$eval("#timings", (timings) => timings.textContent!),
        /in this browser.*ssdMobilenetv1/,
      );
      await screenshot(page, "browser-mode-photo");
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
          assert.ok("years" in face.age! && "years" in other.age!);
          assert.ok(Math.abs(face.age.years - other.age.years) < 0.05);
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

inChromium("mode browser: dlibCnn finds in the page what it finds on the server", async () => {
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

/** A photo's analysis by the page's own worker. */
async function inPage(page: Page, picture: Uint8Array): Promise<Analysis> {
  return await page.evaluate(async (bytes: number[]) => {
    const worker = new Worker("/compute.js", { type: "module" });
    const answer = new Promise<unknown>((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.trouble) reject(new Error(data.trouble));
        else if (data.id === 1) resolve(data.result);
      };
    });
    worker.postMessage({
      id: 1,
      picture: new Uint8Array(bytes),
      wishes: { view: "photo", crops: true },
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

const noFirefox = firefox === undefined;
Deno.test({
  name: "the page opens in Firefox" +
    (noFirefox ? " (skipped: no Firefox; apt-get install firefox-esr, or set FIREFOX)" : ""),
  ignore: noFirefox,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using files = await material();
    await using server = await startService({ models: ["gender"] });
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: firefox!,
      extraPrefsFirefox: {
        "media.navigator.streams.fake": true,
        "media.navigator.permission.disabled": true,
      },
    });
    try {
      const { page, wrong } = await open(browser, server.url);
      await upload(page, files.group);
      await cards(page, 2);
      await screenshot(page, "firefox-group");
      await page.click("#back");
      await message(page, /No face found|Looking for a face|^1 face/);
      await screenshot(page, "firefox-live");
      assert.deepEqual(wrong, []);
    } finally {
      await browser.close();
    }
  },
});
