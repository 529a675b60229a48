/// <reference lib="dom" />
/**
 * The page in a real browser: Debian's chromium package, or what CHROMIUM names. Pictures of its
 * states are kept in artifacts/screenshots.
 */
import assert from "node:assert/strict";
import puppeteer from "puppeteer-core";
import { firefox, openChromium, screens, screenshot } from "./browser.ts";
import { startService } from "../faces/serving/fixture.ts";
import {
  cards,
  inChromium,
  material,
  message,
  open,
  patience,
  upload,
  violations,
  visibleText,
} from "./page.ts";

inChromium("the page: live view, shutter, photos, keyboard, themes, phone", async (t) => {
  await using files = await material();
  await using server = await startService({
    models: ["ageRegression", "gender"],
    cautions: ["The networks were trained on drawn faces."],
  });
  const browser = await openChromium({ clip: files.clip });
  try {
    const { page, wrong, requests } = await open(browser, server.url);

    await t.step("describes the models and their accuracy", async () => {
      const text = (await visibleText(page, "body")).join();
      assert.match(text, /Age in years/);
      assert.match(text, /MAE 8\.3\syears on 64 validation faces/);
      assert.match(text, /trained on drawn faces/);
      assert.match(text, /not stored/);
      assert.match(text, /for faces like those of the validation set/);
      assert.match(text, /Take a photo/);
      assert.ok(await page.$('a[href="/card"]'));
      await screenshot(page, "desktop-light-idle");
      assert.deepEqual(await violations(page), []);
    });

    await t.step("boxes follow the face in the video", async () => {
      await page.click("#start");
      await page.waitForSelector(".box", patience);
      const seen = new Set<string>();
      while (seen.size < 3) {
        // Another place than before, read in the step that finds it: a frame may have no box.
        const moved = await page.waitForFunction(
          (seen: readonly string[]) => {
            const box = document.querySelector<HTMLElement>(".box");
            if (!box || seen.includes(box.style.left)) return;
            const area = document.querySelector("#stage")!.getBoundingClientRect();
            const rect = box.getBoundingClientRect();
            return {
              label: box.textContent!,
              x: box.style.left,
              left: (rect.left + rect.width / 2 - area.left) / area.width,
              top: (rect.top + rect.height / 2 - area.top) / area.height,
            };
          },
          patience,
          [...seen],
        );
        const { label, left, top, x } = (await moved.jsonValue())!;
        assert.match(label, /^(female|male) \d+ %, \d+ ± 8 years$/);
        // The drawn face wanders between 37 and 63 % of the width, at half of the height.
        assert.ok(left > 0.27 && left < 0.73 && top > 0.3 && top < 0.7, `${left}, ${top}`);
        seen.add(x);
      }
      const hud = await page.$eval("#hud", (hud) => hud.textContent!);
      assert.match(hud, /^\d+ frames\/s · tinyFaceDetector/);
      await message(page, /^1 face: (female|male) \d+ %, \d+ ± 8 years\.$/);
      // A message stays for seconds: beside the newer label of the box, it would contradict it.
      assert.match(await page.$eval("#message", (m) => getComputedStyle(m).clipPath), /inset/);
      await screenshot(page, "desktop-light-live");
      assert.deepEqual(await violations(page), []);
    });

    await t.step("the space bar takes a photo, and leads back", async () => {
      await page.keyboard.press("Space");
      await cards(page, 1);
      const [card = ""] = await visibleText(page, ".face");
      assert.match(card, /± 8 years/);
      assert.match(card, /female\s+\d+ %\s+male\s+\d+ %/);
      const size = await page.$eval(".face img", async (image) => {
        await image.decode();
        const { naturalWidth, naturalHeight, alt } = image;
        return { naturalWidth, naturalHeight, alt };
      });
      assert.deepEqual(size, {
        naturalWidth: 32,
        naturalHeight: 32,
        alt: "Face 1 as the networks receive it",
      });
      await screenshot(page, "desktop-light-photo");
      assert.deepEqual(await violations(page), []);
      await page.keyboard.press("Space"); // the focus is on the way back
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
      assert.equal((await page.$$(".face")).length, 0);
      await page.click("#shutter");
      await cards(page, 1);
      await page.keyboard.press("Escape");
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
    });

    await t.step("a photo that is left before it is encoded is not sent", async () => {
      await page.evaluate(() => {
        const { toBlob } = HTMLCanvasElement.prototype;
        HTMLCanvasElement.prototype.toBlob = function (done, type, quality) {
          if (type !== "image/png") return toBlob.call(this, done, type, quality);
          HTMLCanvasElement.prototype.toBlob = toBlob;
          document.addEventListener("encode", () => toBlob.call(this, done, type));
        };
      });
      const sent = () => requests.filter(({ url }) => url.includes("/predict")).length;
      const before = sent();
      await page.focus("#shutter");
      await page.click("#shutter");
      await page.waitForSelector('#stage[data-state="still"]', patience);
      await page.keyboard.press("Escape");
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
      await page.evaluate(() => document.dispatchEvent(new Event("encode")));
      await page.click("#shutter");
      await cards(page, 1);
      assert.equal(sent(), before + 1);
    });

    await t.step(
      "a photo that is not encoded is named, and a camera that ends keeps it",
      async () => {
        await page.evaluate(() => {
          const { toBlob } = HTMLCanvasElement.prototype;
          HTMLCanvasElement.prototype.toBlob = function (done, type, quality) {
            if (type !== "image/png") return toBlob.call(this, done, type, quality);
            HTMLCanvasElement.prototype.toBlob = toBlob;
            done(null);
          };
        });
        await page.keyboard.press("Escape");
        await page.waitForSelector('#stage[data-state="live"] .box', patience);
        await page.click("#shutter");
        await message(page, /cannot encode the photo\. Take it again/);
        await page.click("#back");
        await page.waitForSelector('#stage[data-state="live"] .box', patience);
        await page.click("#shutter");
        await cards(page, 1);
        const [state, back] = await page.evaluate(() => {
          const { srcObject } = document.querySelector("video")!;
          (srcObject as MediaStream).getVideoTracks()[0]!.dispatchEvent(new Event("ended"));
          const all = ["#stage", "#back"].map((one) => document.querySelector<HTMLElement>(one)!);
          return [all[0]!.dataset.state, all[1]!.textContent];
        });
        assert.deepEqual([state, back], ["still", "Start camera"]);
        await page.click("#back");
        await page.waitForSelector('#stage[data-state="live"] .box', patience);
      },
    );

    await t.step("a file with several faces, with none, and one that is no picture", async () => {
      await upload(page, files.group);
      await cards(page, 2);
      assert.deepEqual(await page.$$eval(".box", (boxes) => boxes.map((b) => b.textContent)), [
        "1",
        "2",
      ]);
      await screenshot(page, "desktop-light-group");
      assert.deepEqual(await violations(page), []);
      await upload(page, files.landscape);
      await message(page, /^No face detected: come closer, or add light\.$/);
      assert.equal((await page.$$(".face")).length, 0);
      await screenshot(page, "desktop-light-no-face");
      await upload(page, files.text);
      await message(page, /it is none of JPEG/);
      assert.deepEqual(wrong.splice(0), [
        "Failed to load resource: the server responded with a " +
        "status of 400 (Bad Request)",
      ]);
      // The camera was on: the invitation starts it again.
      await page.waitForSelector('#stage[data-state="idle"] .invite', patience);
      await screenshot(page, "desktop-light-no-picture");
      assert.deepEqual(await violations(page), []);
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

    await t.step("a folder that is dropped is named, and the camera goes on", async () => {
      await page.click("#back");
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
      const client = await page.createCDPSession();
      const data = { items: [], files: [Deno.cwd()], dragOperationsMask: 1 };
      for (const type of ["dragEnter", "dragOver", "drop"] as const) {
        await client.send("Input.dispatchDragEvent", { type, x: 200, y: 300, data });
      }
      await message(page, /^Cannot read the file: it is a folder/);
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
      await page.click("#shutter");
      await cards(page, 1);
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

    await t.step("a camera that opens late leaves the running one as it is", async () => {
      await page.evaluate(() => {
        const { mediaDevices } = navigator, open = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (wanted) => {
          mediaDevices.getUserMedia = open;
          const stream = await open(wanted);
          await new Promise((done) => addEventListener("granted", done, { once: true }));
          stream.getVideoTracks()[0]!.stop = () => dispatchEvent(new Event("stopped"));
          return stream;
        };
      });
      await page.click("#start");
      await upload(page, files.landscape);
      await message(page, /No face/);
      await page.click("#back");
      await page.waitForSelector('#stage[data-state="live"] .box', patience);
      await page.evaluate(() =>
        new Promise((done) => {
          addEventListener("stopped", done, { once: true });
          dispatchEvent(new Event("granted"));
        })
      );
      assert.ok(
        await page.$eval("video", (video) => {
          const { srcObject } = video as HTMLVideoElement;
          return srcObject instanceof MediaStream && srcObject.active;
        }),
      );
      await page.click("#back");
      await page.waitForSelector('#stage[data-state="idle"]', patience);
    });

    await t.step("dark, and the button that changes it", async () => {
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      const paper = () => page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
      const dark = await paper();
      await screenshot(page, "desktop-dark-idle");
      assert.deepEqual(await violations(page), []);
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
      assert.deepEqual(await violations(page), []);
    });

    await t.step("sends requests to the server only", () => {
      assert.deepEqual(requests.filter(({ url }) => !url.startsWith(server.url)), []);
      assert.deepEqual(wrong, []);
      return Promise.resolve();
    });

    await t.step("fits a phone, and nothing moves when it starts", async () => {
      const { page: phone, wrong } = await open(browser, server.url, "phone");
      // A screenshot of the whole page resizes the viewport, which moves things.
      await screenshot(phone, "phone-light-idle");
      assert.deepEqual(await violations(phone), []);
      await phone.reload();
      await phone.evaluate(() => {
        type Shift = {
          value: number;
          sources: { node?: Element; previousRect: DOMRect; currentRect: DOMRect }[];
        };
        const shifts: [number, string][] = [];
        Object.assign(globalThis, { shifts });
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) {
            const { value, sources } = entry as unknown as Shift;
            const moved = sources.map(({ node, previousRect: a, currentRect: b }) =>
              `${node?.nodeName} ${node?.id} ${a.y} to ${b.y}, ${a.height} to ${b.height}`
            );
            shifts.push([value, moved.join("; ")]);
          }
        }).observe({ type: "layout-shift", buffered: true });
      });
      await phone.tap("#start");
      await phone.waitForSelector(".box", patience);
      await message(phone, /^1 face/);
      const shifts = await phone.evaluate(() =>
        (globalThis as unknown as { shifts: [number, string][] }).shifts
      );
      const sum = shifts.reduce((sum, [value]) => sum + value, 0);
      await screenshot(phone, "phone-light-live");
      assert.deepEqual(await violations(phone), []);
      assert.ok(sum < 0.02, `it moves: ${shifts.join("\n")}`);
      const overflow = await phone.evaluate(() =>
        document.documentElement.scrollWidth - document.documentElement.clientWidth
      );
      assert.equal(overflow, 0);
      await phone.tap("#shutter");
      await cards(phone, 1);
      // 1280 pixels at a zoom of 400 %.
      for (const width of [375, 360, 320]) {
        await phone.setViewport({ ...screens.phone, width });
        const wider = await phone.evaluate(() =>
          document.documentElement.scrollWidth - document.documentElement.clientWidth
        );
        assert.equal(wider, 0, `at ${width} pixels`);
        const shares = await phone.$$eval(
          ".prediction > small",
          (all) => all.map((share) => share.getClientRects().length),
        );
        assert.deepEqual(shares, [1], "a share and its sign are in one line");
      }
      const linesOf = (label: Element) =>
        label.clientHeight / parseFloat(getComputedStyle(label).lineHeight);
      assert.ok(await phone.$eval("label.button", linesOf) > 2.5);
      await phone.setViewport(screens.phone);
      assert.ok(await phone.$eval("label.button", linesOf) < 2.5, "in one line");
      await phone.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      await screenshot(phone, "phone-dark-photo");
      assert.deepEqual(await violations(phone), []);
      assert.deepEqual(wrong, []);
    });

    await t.step("a phone on its side shows the shutter", async () => {
      const { page: phone } = await open(browser, "about:blank", "phone");
      await phone.setViewport({ ...screens.phone, width: 740, height: 360 });
      await phone.goto(server.url);
      await phone.tap("#start");
      await phone.waitForSelector(".box", patience);
      const below = await phone.$eval(
        "#shutter",
        (shutter) => shutter.getBoundingClientRect().bottom - innerHeight,
      );
      assert.ok(below <= 0, `${below} pixels below the screen`);
      await phone.close();
    });

    await t.step("a label that is wider than a narrow phone is wrapped", async () => {
      const { page: phone } = await open(browser, "about:blank", "phone");
      await phone.setViewport({ ...screens.phone, width: 320 });
      await phone.goto(server.url);
      await phone.tap("#start");
      await phone.waitForFunction(
        () => {
          const label = document.querySelector<HTMLElement>(".box > span");
          if (!label) return false;
          label.style.fontSize = "40px"; // measured with the next frame
          const { width, height } = label.getBoundingClientRect();
          return label.style.visibility === "" && width <= innerWidth && height > 80;
        },
        patience,
      );
      await phone.close();
    });

    await t.step("the model card", async () => {
      const { page, wrong } = await open(browser, `${server.url}/card`);
      const text = (await visibleText(page, "main")).join();
      assert.match(text, /Out-of-scope use/);
      assert.match(text, /Age in years \(ageRegression\)/);
      await screenshot(page, "desktop-light-card");
      assert.deepEqual(await violations(page), []);
      await page.setViewport(screens.phone); // tables are scrolled
      assert.deepEqual(await violations(page), []);
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
      [{ clip: files.clip, allow: false }, /Camera access was denied\. Allow it/, "refused"],
      [{}, /No camera was found\. Connect one/, "absent"],
    ] as const
  ) {
    const browser = await openChromium(options);
    try {
      const { page } = await open(browser, server.url);
      await page.click("#start");
      await message(page, pattern);
      assert.equal(await page.$eval("#stage", (s) => (s as HTMLElement).dataset.state), "idle");
      assert.equal(await page.evaluate(() => document.activeElement!.id), "start");
      await screenshot(page, `desktop-light-camera-${name}`);
      // A damaged photo brings the invitation back.
      await upload(page, files.text);
      await message(page, /it is none of JPEG/);
      await page.waitForSelector('#stage[data-state="idle"]', patience);
      assert.ok(await page.$("#start::-p-text(Start camera)"));
      // The way on. While a large photo is decoded, the error of the last one is gone.
      await page.evaluate(() => {
        const decode = createImageBitmap;
        globalThis.createImageBitmap = async (photo: ImageBitmapSource) => {
          await new Promise((done) => addEventListener("decoded", done, { once: true }));
          return await decode(photo);
        };
      });
      await upload(page, files.group);
      await message(page, /^Opening the photo/);
      await page.evaluate(() => dispatchEvent(new Event("decoded")));
      await cards(page, 2);
      const [card = ""] = await visibleText(page, ".face");
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
    await message(page, /interrupted\. Connecting again/);
    assert.equal(await page.$eval("#hud", (hud) => hud.textContent), "");
    await screenshot(page, "desktop-light-interrupted");
    const { port } = new URL(first.url);
    {
      await using _second = await startService({ models: ["gender"], port: Number(port) });
      await page.waitForSelector(".box", patience);
      await message(page, /^1 face/);
    }
    await using full = await startService({ models: ["gender"], viewers: 0 });
    await page.goto(full.url);
    await page.click("#start");
    await message(
      page,
      /^The live view does not open, perhaps since too many are open\. Connecting/,
    );
  } finally {
    await browser.close();
  }
});

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
      await message(page, /No face detected|Detecting faces|^1 face/);
      await screenshot(page, "firefox-live");
      assert.deepEqual(wrong, []);
    } finally {
      await browser.close();
    }
  },
});
