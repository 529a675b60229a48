/** The report page in a real browser, as a file on disk. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { reportPage as reportPage } from "../../faces/evaluation/report_page.ts";
import { chromium, openChromium, screens, screenshot } from "./browser.ts";
import { madeUpReport } from "../faces/evaluation/fixture.ts";

const sections = ["faces", "trainGender", "trainAge", "ageGroups", "made", "words"];

Deno.test({
  name: "the report in Chromium" +
    (chromium ? "" : " (skipped: there is none; CHROMIUM names one)"),
  ignore: chromium === undefined,
  async fn(t) {
    const folder = await Deno.makeTempDir({ prefix: "report-" });
    const file = join(folder, "report.html");
    await Deno.writeTextFile(file, await reportPage(await madeUpReport()));
    const browser = await openChromium();
    try {
      for (const [name, screen] of Object.entries(screens)) {
        for (const scheme of ["light", "dark"]) {
          await t.step(`${name}, ${scheme}`, async () => {
            const page = await browser.newPage();
            const wrong: string[] = [];
            page.on("console", (message) => wrong.push(`console: ${message.text()}`));
            page.on("pageerror", (error) => wrong.push(String(error)));
            const asked: string[] = [];
            page.on("request", (request) => {
              if (!request.url().startsWith("data:")) asked.push(request.url());
            });
            await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
            await page.setViewport(screen);
            const url = pathToFileURL(file).href;
            await page.goto(url);
            const seen = await page.evaluate(() => {
              const { scrollWidth, clientWidth } = document.documentElement;
              const charts = [...document.querySelectorAll("svg")].map((svg) => {
                const { left, right, height } = svg.getBoundingClientRect();
                return { left, right, height };
              });
              return {
                overflow: scrollWidth - clientWidth,
                width: clientWidth,
                ids: [...document.querySelectorAll("h2")].map(({ id }) => id),
                links: [...document.querySelectorAll("a")].map((link) =>
                  document.getElementById(link.getAttribute("href")!.slice(1)) !== null
                ),
                // A picture that cannot be decoded has no width.
                broken: [...document.images].filter((image) => {
                  image.loading = "eager";
                  return image.complete && image.naturalWidth === 0;
                }).length,
                charts,
                cut: [...document.querySelectorAll(".columns .card")].filter((card) =>
                  card.scrollWidth > card.clientWidth
                ).length,
                background: getComputedStyle(document.body).backgroundColor,
              };
            });
            await screenshot(page, `report-${name}-${scheme}`);
            await page.close();
            assert.deepEqual(wrong, []);
            assert.deepEqual(asked, [url]);
            assert.equal(seen.overflow, 0);
            assert.equal(seen.cut, 0, `${seen.cut} cards hold more than is seen`);
            assert.deepEqual(seen.ids, sections);
            assert.ok(seen.links.length > 5 && seen.links.every(Boolean));
            assert.equal(seen.broken, 0);
            assert.ok(seen.charts.length > 20);
            for (const { left, right, height } of seen.charts) {
              assert.ok(left >= 0 && right <= seen.width && height > 50);
            }
            const dark = /rgb\((\d+),/.exec(seen.background)![1];
            assert.equal(Number(dark) < 100, scheme === "dark");
          });
        }
      }
      await t.step("on paper, the configuration is not folded away", async () => {
        const page = await browser.newPage();
        await page.goto(pathToFileURL(file).href);
        const visible = () => page.$eval("pre", (pre) => pre.checkVisibility());
        assert.equal(await visible(), false);
        await page.emulateMediaType("print");
        assert.equal(await visible(), true);
        await page.close();
      });
    } finally {
      await browser.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
