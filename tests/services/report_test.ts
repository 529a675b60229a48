/** The report page in a real browser, as a file on disk. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { reportPage } from "../../faces/evaluation/report_page.ts";
import { chromium, openChromium, screens, screenshot } from "./browser.ts";
import { violations } from "./page.ts";
import { madeUpReport, withGroups } from "../faces/evaluation/fixture.ts";

const sections = [
  "summary",
  "protocol",
  "trainGender",
  "trainAge",
  "ageGroups",
  "fairness",
  "gate",
  "faces",
  "made",
  "words",
];

Deno.test({
  name: "the report in Chromium" +
    (chromium ? "" : " (skipped: there is none; CHROMIUM names one)"),
  ignore: chromium === undefined,
  async fn(t) {
    const folder = await Deno.makeTempDir({ prefix: "report-" });
    const file = join(folder, "report.html");
    await Deno.writeTextFile(file, await reportPage(await withGroups(await madeUpReport())));
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
                // Cards fill their row, and words are above the frame of a chart.
                holes: [...document.querySelectorAll(".columns")].filter((columns) => {
                  const cards = [...columns.children].map((card) => card.getBoundingClientRect());
                  const rows = Map.groupBy(cards, ({ top }) => Math.round(top));
                  return [...rows.values()].some((row) =>
                    row.at(-1)!.right < columns.getBoundingClientRect().right - 1 ||
                    row.some(({ bottom }) => Math.abs(bottom - row[0]!.bottom) > 1)
                  );
                }).length,
                // A folded part keeps its distance, and titles are at the top of their card.
                stuck: [...document.querySelectorAll("section > .card + details")].filter((one) =>
                  one.getBoundingClientRect().top -
                      one.previousElementSibling!.getBoundingClientRect().bottom < 8
                ).length,
                low: [...document.querySelectorAll("figure.card")].filter((card) => {
                  const caption = card.querySelector("figcaption")!.getBoundingClientRect();
                  return caption.top - card.getBoundingClientRect().top > 24;
                }).length,
                covered: [...document.querySelectorAll("svg")].filter((svg) => {
                  const kept = [...svg.querySelectorAll("text")].filter(({ textContent }) =>
                    /^(kept|stopped|kept, stopped)$/.test(textContent!)
                  );
                  const rule = svg.querySelector('g[stroke-dasharray="2 3"]')
                    ?.getBoundingClientRect();
                  return kept.some((one) =>
                    one.getBoundingClientRect().bottom > rule!.top + 1
                  );
                }).length,
                outside: [...document.querySelectorAll("svg text")].filter((text) =>
                  text.getBoundingClientRect().left <
                    text.closest("svg")!.getBoundingClientRect().left - 1
                ).map(({ textContent }) => textContent),
                text: document.body.innerText,
                cut: [...document.querySelectorAll(".columns .card")].filter((card) =>
                  card.scrollWidth > card.clientWidth
                ).length,
                background: getComputedStyle(document.body).backgroundColor,
              };
            });
            await screenshot(page, `report-${name}-${scheme}`);
            assert.deepEqual(await violations(page), []);
            await page.close();
            assert.deepEqual(wrong, []);
            assert.deepEqual(asked, [url]);
            assert.equal(seen.overflow, 0);
            assert.equal(seen.cut, 0, `${seen.cut} cards hold more than is seen`);
            assert.equal(seen.holes, 0, "cards leave holes");
            assert.equal(seen.stuck, 0, "folded parts stick to a table");
            assert.equal(seen.low, 0, "titles are not at the top of their card");
            assert.equal(seen.covered, 0, "words cover a curve");
            assert.deepEqual(seen.outside, [], "labels leave their chart");
            assert.doesNotMatch(seen.text, /Figure \d/);
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
      await t.step("all text follows the size that the browser is set to", async () => {
        const page = await browser.newPage();
        await page.goto(pathToFileURL(file).href);
        const sizes = await page.evaluate(() => {
          document.documentElement.style.fontSize = "32px";
          return ["body", ".note"].map((name) =>
            parseFloat(getComputedStyle(document.querySelector(name)!).fontSize)
          );
        });
        assert.ok(sizes.every((size) => size > 25), sizes.join());
        await page.close();
      });
      await t.step("on paper, the configuration is not folded away", async () => {
        const page = await browser.newPage();
        await page.goto(pathToFileURL(file).href);
        const visible = () => page.$eval("pre", (pre) => pre.checkVisibility());
        assert.equal(await visible(), false);
        await page.emulateMediaType("print");
        assert.equal(await visible(), true);
        // A4 in CSS pixels, less the margins of 13 mm.
        const [width, height] = [695, 1024];
        await page.setViewport({ width, height });
        const pages = await page.evaluate((height) => document.body.scrollHeight / height, height);
        const printed = new TextDecoder("latin1").decode(await page.pdf({ format: "A4" }));
        const count = printed.match(/\/Type \/Page\b/g)!.length;
        assert.ok(count <= Math.ceil(1.3 * pages), `${count} pages for ${pages} of content`);
        await page.close();
      });
    } finally {
      await browser.close();
      await Deno.remove(folder, { recursive: true });
    }
  },
});
