/** The page that judges labels in a real browser, as a file on disk. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { judgePage } from "../../faces/evaluation/judge_page.ts";
import { chromium, openChromium, screens } from "./browser.ts";
import { violations } from "./page.ts";

const pixel = "data:image/png;base64," +
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

Deno.test({
  name: "judge.html in Chromium" +
    (chromium ? "" : " (skipped: there is none; CHROMIUM names one)"),
  ignore: chromium === undefined,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "judge-" }), file = join(folder, "judge.html");
    const suspects = ["a.jpg", "b.jpg", "c.jpg"].map((path) => ({
      dataset: "set",
      path,
      label: "male",
      suggested: "female",
      image: pixel,
    }));
    await Deno.writeTextFile(
      file,
      judgePage({ column: "gender", correct: true, suspects, title: "Labels" }),
    );
    const browser = await openChromium();
    try {
      const page = await browser.newPage();
      const wrong: string[] = [];
      page.on("console", (message) => wrong.push(`console: ${message.text()}`));
      page.on("pageerror", (error) => wrong.push(String(error)));
      await page.setViewport(Object.values(screens)[0]);
      await page.goto(pathToFileURL(file).href);
      assert.deepEqual(await violations(page), []);
      const text = (id: string) =>
        page.evaluate((id) => document.getElementById(id)!.textContent, id);
      assert.equal(await text("label"), "gender: male");
      await page.keyboard.press("y");
      await page.keyboard.press("n");
      await page.reload(); // verdicts survive
      assert.equal(await text("place"), "Label 3 of 3, 2 judged");
      await page.keyboard.press("ArrowLeft");
      await page.click('[data-key="s"]');
      await page.keyboard.press("n");
      assert.equal(await text("place"), "All judged: download verdicts.csv");
      const session = await page.createCDPSession();
      await session.send("Browser.setDownloadBehavior", {
        behavior: "allow",
        downloadPath: folder,
        eventsEnabled: true,
      });
      const done = new Promise<void>((resolve) =>
        session.on(
          "Browser.downloadProgress",
          ({ state }) => state === "completed" && resolve(),
        )
      );
      await page.click("#download");
      await done;
      assert.deepEqual(
        (await Deno.readTextFile(join(folder, "verdicts.csv"))).trim().split("\n"),
        [
          "dataset,path,column,label,verdict,correction",
          "set,a.jpg,gender,male,right,",
          "set,c.jpg,gender,male,wrong,female",
        ],
      );
      assert.deepEqual(wrong, []);
    } finally {
      await browser.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
