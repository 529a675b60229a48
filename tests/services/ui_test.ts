/// <reference lib="dom" />
/** The page over runs in a real browser: what each view shows, keyboard, speed, axe-core. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { openChromium, screens, screenshot } from "./browser.ts";
import { inChromium, open, patience, violations, visibleText } from "./page.ts";
import { MODELS, startUi } from "../faces/ui/fixture.ts";
import { workshop } from "../faces/commands/workshop.ts";
import { History, type RunRecord } from "../../packages/pipeline/history.ts";
import type { LiveLine } from "../../packages/pipeline/live_log.ts";
import { writeState } from "../../packages/pipeline/state.ts";

declare global {
  /** In the page: resolves after a frame, or after 250 ms without one. */
  var nextFrame: () => Promise<void>;
}

const waitText = (page: Page, pattern: RegExp) =>
  page.waitForFunction(
    (source: string) => new RegExp(source).test(document.querySelector("main")!.innerText),
    patience,
    pattern.source,
  );

/** Returns the caption and legend of each chart. */
const chartsOf = (page: Page) =>
  page.$$eval(
    "figure:has(.plot)",
    (figures) =>
      figures.map((figure) =>
        [figure.querySelector("figcaption"), ...figure.querySelectorAll(".legend li")]
          .map((one) => one!.textContent).join(", ")
      ),
  );

/** Runs of three settings, one of them with two seeds, a damaged record, and a run at work. */
async function folder() {
  const shop = await workshop([
    { models: MODELS(0.95, 0.1), cautions: ["Drawn faces."], validation: true },
    { models: MODELS(0.9, 0.1), seed: 7, validation: true },
    { models: MODELS(0.7, 0.3, 0.5), validation: true, metrics: ["f1"] },
    { models: MODELS(0.6, 0.5), validation: true, metrics: [] },
  ]);
  const broken = join(shop.artifacts, "runs", "2026-01-01T00-00-00Z-faces-0badbad0.json");
  await Deno.writeTextFile(broken, "{");
  const begun = await new History(shop.artifacts).begin({
    pipeline: "faces",
    overrides: {},
    seed: 1,
  });
  await Deno.mkdir(join(shop.artifacts, ".live"));
  const log = async (...events: LiveLine["events"]) =>
    await Deno.writeTextFile(
      join(shop.artifacts, ".live", `${begun.id}.jsonl`),
      JSON.stringify({ at: Date.now(), events }) + "\n",
      { append: true },
    );
  await log(
    {
      type: "run",
      pipeline: "faces",
      startedAt: begun.startedAt,
      stages: [
        { id: "split", use: "split", after: [] },
        { id: "trainGender", use: "trainGender", after: ["split"] },
        { id: "evaluate", use: "evaluate", after: ["trainGender", "split"] },
      ],
    },
    { type: "stage", id: "split", status: "cached", why: "cached", seconds: 0 },
    { type: "stage", id: "trainGender", status: "running", why: "dropout changed" },
    { type: "progress", id: "trainGender", done: 10, total: 100, unit: "steps" },
    epoch(1, 0.6),
  );
  return { shop, begun, log };
}

const epoch = (n: number, loss: number) => ({
  type: "epoch" as const,
  id: "trainGender",
  epoch: n,
  epochs: 4,
  numbers: {
    loss,
    accuracy: 1 - loss,
    val_loss: loss + 0.1,
    val_accuracy: 0.9 - loss,
    val_f1: 0.7,
  },
  text: `  trainGender: epoch ${n}/4 loss ${loss.toPrecision(3)} best`,
});

inChromium("the page over runs: every view, in light, dark and on a phone", async (t) => {
  const { shop, begun, log } = await folder();
  await using _shop = shop;
  await using ui = await startUi(shop.artifacts);
  const [first, second, , last] = shop.runs as RunRecord[];
  const browser = await openChromium();
  try {
    await t.step("runs: folded seeds, what varies, the best, hidden test columns", async () => {
      const { page, wrong, requests } = await open(browser, ui.url);
      await waitText(page, new RegExp(`6 of 6 runs in 5 rows\\.\\s+${first!.id}: Drawn faces\\.`));
      const heads = await visibleText(page, ".runs thead th");
      assert.ok(heads.some((text) => /trainGender\s+dropout/.test(text)), heads.join());
      assert.ok(heads.some((text) => /evaluate\s+metrics/.test(text)), heads.join());
      // Parameters may be many: metrics come first.
      const place = (pattern: RegExp) => heads.findIndex((text) => pattern.test(text));
      assert.ok(place(/validation\s+accuracy/) < place(/evaluate\s+metrics/), heads.join());
      assert.ok(!heads.some((text) => /test/.test(text)), "test columns are hidden");
      await waitText(page, /★ 0\.9/);
      const rows = () => visibleText(page, ".runs tbody tr:not(.space)");
      assert.match((await rows()).join("\n"), /0badbad0[^]*damaged/);
      await page.click(".tools label:nth-of-type(2) input");
      await waitText(page, /trainGender test/);
      assert.match(page.url(), /show=test/);
      // 0.95 and 0.9, within what chance allows.
      assert.match((await rows()).join("\n"), /0\.9\d+\s+± 0\.0\d+, 2 seeds/);
      // The rows are drawn anew with curves once these are loaded.
      await page.waitForFunction(() => document.querySelectorAll(".spark").length === 3, patience);
      await page.type("#search", "dropout>0.2");
      await waitText(page, /2 of 6 runs in 2 rows/);
      await page.type("#search", " dropout>=0.5 dropout<=0.5");
      await waitText(page, /1 of 6 runs in 1 row/);
      await page.reload();
      await waitText(page, /1 of 6 runs in 1 row/);
      await page.type("#search", " drpout>0");
      await waitText(
        page,
        /0 of 6 runs in 0 rows\. No column is called "drpout"\. Did you mean "dropout"\?/,
      );
      assert.deepEqual(wrong, []);
      assert.ok(requests.every(({ url, method }) => method === "GET" && url.startsWith(ui.url)));
      await page.close();
    });

    await t.step("a first request that fails is shown, and made again", async () => {
      const { page, wrong } = await open(browser, "about:blank");
      await page.evaluateOnNewDocument(() => {
        const { fetch } = globalThis;
        globalThis.fetch = (...args) => {
          if (!String(args[0]).startsWith("/api/runs")) return fetch(...args);
          globalThis.fetch = fetch;
          return Promise.reject(new TypeError("connection refused"));
        };
      });
      await page.goto(ui.url);
      const problem = (pattern: RegExp) =>
        page.waitForFunction(
          (source: string) => {
            const { innerText, offsetHeight } = document.querySelector<HTMLElement>("#problem")!;
            return new RegExp(source).test(innerText) &&
              (innerText === "") === (offsetHeight === 0);
          },
          patience,
          pattern.source,
        );
      await problem(/The server does not answer/);
      await waitText(page, /6 of 6 runs in 5 rows/);
      await problem(/^$/);
      // The server stops later, and is started again.
      await page.evaluate(() => {
        Object.assign(globalThis, { answering: fetch });
        globalThis.fetch = () => Promise.reject(new TypeError("connection refused"));
      });
      await problem(/The server does not answer/);
      await waitText(page, /6 of 6 runs in 5 rows/);
      assert.deepEqual(await violations(page), []);
      await page.evaluate(() =>
        Object.assign(globalThis, { fetch: Reflect.get(globalThis, "answering") })
      );
      await problem(/^$/);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("the keyboard alone: filter, move, pin, note, choose, compare", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#runs?q=state=ok`);
      await waitText(page, /4 of 6 runs in 3 rows/);
      const heads = await visibleText(page, ".runs thead th");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("p");
      await page.waitForSelector("tr.pinned:first-of-type, .space + tr.pinned", patience);
      await page.keyboard.press("Enter");
      await page.waitForSelector("dialog[open]", patience);
      assert.match((await visibleText(page, "dialog")).join(), /trainGender/);
      assert.deepEqual(await violations(page), []);
      await page.type("#note", "look again");
      await page.keyboard.press("Escape");
      await page.waitForSelector(".note", patience);
      await page.keyboard.press("Space");
      await page.waitForSelector("tr.picked", patience);
      assert.deepEqual(await visibleText(page, ".runs thead th"), heads);
      await page.keyboard.press("j");
      await page.keyboard.press("Space");
      await page.waitForFunction(() => /pick=\w+/.test(location.hash), patience);
      await page.keyboard.press("c");
      await waitText(page, /Parameters that differ/);
      await page.goto(`${ui.url}/#runs`);
      await page.reload();
      await page.waitForSelector(".pinned .note", patience);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("pins and notes stay when a run ends, and where two tabs write", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#runs?q=state=ok`);
      await waitText(page, /4 of 6 runs in 3 rows/);
      // A run at work has its id for a key, and that of its group when it has ended.
      await page.evaluate((id) => {
        localStorage.setItem("pins", JSON.stringify([id]));
        localStorage.setItem("notes", JSON.stringify({ [id]: "while at work" }));
      }, last!.id);
      await page.reload();
      await page.waitForSelector(`.pinned [aria-label="Choose ${last!.id}"]`, patience);
      await page.waitForFunction(
        () => document.querySelector(".pinned .note")?.textContent === "while at work",
        patience,
      );
      const { page: other, wrong: otherWrong } = await open(browser, `${ui.url}/#runs?q=state=ok`);
      await other.waitForSelector(".pinned .note", patience);
      const write = async (tab: typeof page, id: string, text: string) => {
        const name = `[aria-label^="Choose ${id}"] + button`;
        await tab.$eval(name, (one) => (one as HTMLElement).click());
        await tab.waitForSelector("dialog[open]", patience);
        await tab.$eval("#note", (one, text) => {
          (one as HTMLTextAreaElement).value = text;
          one.dispatchEvent(new Event("change"));
        }, text);
        await tab.keyboard.press("Escape");
        await tab.waitForSelector("dialog", { hidden: true, ...patience });
      };
      await write(page, last!.id, "of the first tab");
      await other.waitForFunction(() => /first/.test(localStorage.getItem("notes")!), patience);
      await write(other, second!.id, "of the second tab");
      const kept = await other.evaluate(() => localStorage.getItem("notes")!);
      const notes = Object.values(JSON.parse(kept)).map(String).sort();
      assert.deepEqual(notes, ["of the first tab", "of the second tab"]);
      await page.evaluate(() => localStorage.clear());
      assert.deepEqual([wrong, otherWrong], [[], []]);
      await Promise.all([page.close(), other.close()]);
    });

    await t.step("a folded row is compared with all its seeds", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#runs?q=state=ok`);
      await waitText(page, /4 of 6 runs in 3 rows/);
      const pick = `[aria-label="Choose ${second!.id} and 1 more"]`;
      await page.$eval(pick, (one) => (one as HTMLElement).click());
      await page.waitForSelector(`${pick}[aria-checked="true"]`, patience);
      await page.$eval(
        `[aria-label="Choose ${last!.id}"]`,
        (one) => (one as HTMLElement).click(),
      );
      await waitText(page, /Compare 3 runs/);
      await page.keyboard.press("c");
      await waitText(page, /Over seeds[^]*runs\s+2\s+1\s[^]* ± 0\.0[^]*All as LaTeX/);
      const chosen = new URLSearchParams(page.url().split("?")[1]).get("ids")!.split(",");
      // The oldest first, as after `compare --last 3`: differences have the same sign.
      assert.deepEqual(chosen, [first!.id, second!.id, last!.id]);
      const latex = await page.$eval("details:last-of-type pre", (pre) => pre.textContent!);
      assert.match(latex, /\$\\pm\$/);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step(
      "compare: tests, curves, confusion, faces on which they disagree, LaTeX",
      async () => {
        const { page, wrong } = await open(
          browser,
          `${ui.url}/#compare?ids=${first!.id},${last!.id}`,
        );
        await waitText(page, /is significantly (better|worse) than/);
        await waitText(page, /They disagree on \d\d+ of 200 faces/);
        await waitText(page, /Confusion on the test set/);
        await page.waitForFunction(
          () => document.querySelectorAll("details").length === 2,
          patience,
        );
        const latex = await page.$eval("details:last-of-type pre", (pre) => pre.textContent!);
        assert.match(latex, /\\begin\{tabular\}\{lrr?r?\}[^]*\\bottomrule/);
        const loaded = await page.$$eval(".faces-grid img", async (all) => {
          const images = all as HTMLImageElement[];
          for (const image of images) image.loading = "eager";
          await Promise.all(images.map((image) => image.decode()));
          return images.map(({ naturalWidth }) => naturalWidth);
        });
        assert.deepEqual([loaded.length, loaded[0]], [24, 2]);
        await waitText(page, /Differences of further metrics[^]*trainGender AUC/);
        await waitText(page, /accuracy against multiply-adds/);
        const sizes = await page.$$eval(
          ".plot",
          (all) =>
            all.filter((plot) => / against /.test(plot.getAttribute("aria-label")!)).map((
              plot,
            ) => ({
              dots: plot.querySelectorAll("circle").length,
              text: plot.textContent,
            })),
        );
        assert.deepEqual(sizes.map(({ dots }) => dots), [2, 2]);
        assert.match(sizes[0]!.text!, /1995[^]*31\.6K/);
        // Loss and accuracy, each of two runs, on the training and the validation set.
        const drawn = await page.$$eval(
          ".plot g[stroke^='var(--c'] path",
          (all) => all.length,
        );
        assert.equal(drawn, 8);
        // Seeds of one row, one of them named twice, and a run that was removed.
        const ids = [first!.id, second!.id, first!.id, "0badbad1"];
        await page.goto(`${ui.url}/#compare?ids=${ids}`);
        await waitText(page, /2 of 3 runs: others were removed[^]*All as LaTeX/);
        assert.deepEqual(wrong, []);
        await page.close();
      },
    );

    await t.step("live: epochs and progress as they come, until the run is over", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#live`);
      await waitText(page, /trainGender\s+10 %/);
      const marks = await page.$eval(
        ".plot",
        (plot) =>
          [...plot.querySelectorAll("circle")].map(({ parentElement }) =>
            ["fill", "stroke"].map((name) => parentElement!.getAttribute(name)).join()
          ),
      );
      assert.deepEqual(marks, ["var(--card),var(--c0)", "var(--c0),var(--c0)"]);
      await log(epoch(2, 0.4), {
        type: "progress",
        id: "trainGender",
        done: 50,
        total: 100,
        unit: "steps",
      });
      await waitText(page, /50 % .*left/);
      await waitText(page, /epoch 2 of 4/);
      await waitText(page, /trainGender: epoch 2\/4 loss 0\.400 best/);
      const charts = await chartsOf(page);
      assert.deepEqual(charts, [
        "trainGender: loss, epoch 2 of 4, training, validation",
        "trainGender: accuracy, epoch 2 of 4, training, validation",
        "trainGender: f1, epoch 2 of 4, validation",
      ]);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("sweeps mark the best; a face's way; tables; a dry run", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#sweeps`);
      await waitText(page, /the star is the best on validation/);
      await waitText(page, /0\.1\s+★ 0\.9\d+ ± 0\.0\d+\s+2 seeds/);
      // Runs has a column of it; it comes after the network.
      assert.doesNotMatch((await visibleText(page, "main")).join(), /evaluate/);
      assert.equal(
        await page.$$eval(".plot circle, .plot [fill] path", (all) => all.length > 2),
        true,
      );
      await page.goto(`${ui.url}/#inside?id=${first!.id}`);
      await waitText(page, /200 of 200 faces/);
      await page.click(".faces-grid a");
      await waitText(page, /as the networks receive it/);
      await page.click(".way button");
      await waitText(page, /Orange[^]*images\.npy/);
      assert.deepEqual(await violations(page), []);
      await page.goBack();
      await waitText(page, /predictions\.parquet/);
      await page.evaluate(() => {
        const links = [...document.querySelectorAll<HTMLAnchorElement>(".wide a")];
        links.find((link) => link.textContent === "predictions.parquet")!.click();
      });
      await waitText(page, /202 rows/);
      await page.goBack();
      await waitText(page, /odd #1\+2%\.csv/);
      await page.evaluate(() => {
        const links = [...document.querySelectorAll<HTMLAnchorElement>(".wide a")];
        links.find((link) => link.textContent === "odd #1+2%.csv")!.click();
      });
      await waitText(page, /1 row[^s][^]*odd/);
      await page.goto(`${ui.url}/#why?pipeline=known`);
      await waitText(page, /trainGender\s+runs\s+trainGender\.dropout changed/);
      // An error that reads like a reason to run.
      await waitText(page, /evaluate\s+failed\s+runs: is no number/);
      const places = await page.$$eval(
        ".graph li",
        (boxes) => boxes.map((box) => (box as HTMLElement).style.translate),
      );
      assert.deepEqual(places, ["0px", "172px", "172px 72px"], "as no run of it has recorded");
      await page.goto(`${ui.url}/#why?pipeline=swept`);
      await waitText(page, /seed 1\s[^]*dropout changed[^]*seed 2\s[^]*dropout changed/);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("the focus stays on what was used, though views are drawn anew", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#inside?id=${first!.id}`);
      await waitText(page, /200 of 200 faces/);
      const stays = async (act: () => Promise<unknown>, key: string) => {
        await page.focus(`[data-key="${key}"]`);
        await page.evaluate(() => document.activeElement!.setAttribute("data-old", ""));
        await act();
        await page.waitForFunction(
          (key: string) => {
            const { dataset } = document.activeElement as HTMLElement;
            return dataset.key === key && dataset.old === undefined;
          },
          patience,
          key,
        );
      };
      await stays(() => page.keyboard.press("Enter"), "Next from");
      await waitText(page, /61 to 120/);
      await stays(() => page.select('[data-key="Sort"]', "row"), "Sort");
      await stays(() => page.keyboard.press("Enter"), "runs");
      await stays(() => page.keyboard.press("Enter"), "by state");
      await page.goto(`${ui.url}/#live`);
      await waitText(page, /epoch 2 of 4/);
      await waitText(page, /trainGender: epoch 2\/4 loss 0\.400 best/);
      await stays(() => log({ type: "log", text: "  trainGender: a line" }), "log");
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("the log of a run that is over is requested once", async () => {
      const { page, wrong, requests } = await open(browser, `${ui.url}/#live?id=${first!.id}`);
      await waitText(page, /is over: Runs lists it\. Its log is no longer there\./);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.equal(requests.filter(({ url }) => /api\/live/.test(url)).length, 1);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("no button moves when the images of a face arrive", async () => {
      const { page, wrong } = await open(browser, "about:blank", "phone");
      const arrive = Promise.withResolvers<void>();
      await page.setRequestInterception(true);
      page.on("request", async (request) => {
        if (request.url().includes("/image/")) await arrive.promise;
        await request.continue();
      });
      await page.goto(`${ui.url}/#inside?id=${first!.id}&row=3`);
      await waitText(page, /as the networks receive it/);
      const top = () => page.$eval(".way button", (one) => one.getBoundingClientRect().top);
      const before = await top();
      arrive.resolve();
      await page.$eval(".way img", async (image) => await (image as HTMLImageElement).decode());
      assert.equal(await top(), before);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    const files = await (await fetch(`${ui.url}/api/files?id=${first!.id}`)).json();
    const placeOf = (wanted: string) =>
      files.outputs.find(({ kind }: { kind: string }) => kind === wanted).place;
    const views = {
      table: `inside?id=${first!.id}&file=${placeOf("report")}/predictions.parquet`,
      layers: `inside?id=${first!.id}&file=${placeOf("model")}/model.json`,
      runs: "runs?show=test",
      live: "live",
      compare: `compare?ids=${first!.id},${second!.id},${last!.id}`,
      sweeps: "sweeps",
      inside: `inside?id=${first!.id}`,
      way: `inside?id=${first!.id}&row=3`,
      why: "why?pipeline=known",
      "why-sweep": "why?pipeline=swept",
    };
    for (const [name, hash] of Object.entries(views)) {
      for (
        const [screen, scheme] of [["desktop", "light"], ["desktop", "dark"], ["phone", "light"]]
      ) {
        await t.step(
          `${name}, ${screen}, ${scheme}: axe-core finds nothing, and nothing overflows`,
          () =>
            look(
              browser,
              `${ui.url}/#${hash}`,
              `ui-${name}`,
              screen as keyof typeof screens,
              scheme!,
            ),
        );
      }
    }

    await t.step("a run that ends meanwhile is over on the page", async () => {
      const { page } = await open(browser, `${ui.url}/#live`);
      await waitText(page, /epoch 2 of 4/);
      await waitText(page, /trainGender: epoch 2\/4 loss 0\.400 best/);
      // Time passes where a stage reports nothing.
      await log({ type: "stage", id: "evaluate", status: "running", why: "it has not run yet" });
      const passed = () => page.$eval('[title^="evaluate "] span', (box) => box.textContent!);
      await waitText(page, /evaluate\s+running\s+\d/);
      const before = await passed();
      await page.waitForFunction(
        (before) => document.querySelector('[title^="evaluate "] span')!.textContent !== before,
        patience,
        before,
      );
      begun.lock![Symbol.dispose]();
      await waitText(page, /is over/);
      await page.goto(`${ui.url}/#runs?q=state=interrupted`);
      await page.waitForSelector(".runs .link", patience);
      // The table is drawn anew while a run is at work, so a position is old when it is clicked.
      await page.$eval(".runs .link", (link) => (link as HTMLElement).click());
      await page.waitForSelector("dialog[open] a", patience);
      await page.click("dialog a");
      await waitText(page, /process ended before the run did[^]*trainGender\s+interrupted/);
      await waitText(page, /epoch 2 of 4/);
      await waitText(page, /trainGender: epoch 2\/4 loss 0\.400 best/);
      assert.deepEqual(await violations(page), []);
      const [run] = shop.runs;
      const ended = { ...run!.stages[0]!, status: "failed" as const, why: "interrupted" };
      await new History(shop.artifacts).add({ ...run!, ok: false, stages: [ended] });
      await page.goto(`${ui.url}/#runs?q=state=interrupted`);
      await waitText(page, new RegExp(`${ended.id} interrupted`));
      await page.close();
    });
  } finally {
    await browser.close();
  }
});

async function look(
  browser: Browser,
  url: string,
  name: string,
  screen: keyof typeof screens,
  scheme: string,
): Promise<void> {
  const { page, wrong } = await open(browser, "about:blank", screen);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url);
  await page.waitForFunction(() => {
    const { innerText } = document.querySelector("main")!;
    return innerText.length > 40 && !/Loading …/.test(innerText);
  }, patience);
  await page.waitForNetworkIdle({ idleTime: 300 }); // curves and images arrive
  await screenshot(page, `${name}-${screen}-${scheme}`);
  assert.deepEqual(await violations(page), []);
  const overflow = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
  assert.equal(overflow, 0);
  assert.deepEqual(wrong, []);
  await page.close();
}

inChromium("runs that begin, end and are added while their page is open", async (t) => {
  const { shop, begun } = await folder();
  await using _shop = shop;
  await using ui = await startUi(shop.artifacts);
  const history = new History(shop.artifacts), [first] = shop.runs as [RunRecord];
  const { id: _, at: __, ...run } = first;
  const measure = (train: number, validation: number | null) => ({
    trainGender: { train: { accuracy: train }, validation: { accuracy: validation as number } },
  });
  const browser = await openChromium();
  try {
    await t.step("conditions on seeds, times, and metrics that are shown and known", async () => {
      await history.add({ ...run, pipeline: "odd", seed: 20261201, metrics: measure(0.99, null) });
      await history.add({ ...run, pipeline: "odd", seed: 20261202, metrics: measure(0.99, 0.4) });
      const { page, wrong } = await open(browser, `${ui.url}/#runs?fold=0&q=pipeline=odd`);
      await waitText(page, /2 of 8 runs in 2 rows/);
      assert.doesNotMatch((await visibleText(page, ".runs")).join(), /other code or data/);
      const filter = async (query: string, runs: number) => {
        await page.$eval("#search", (one, query) => {
          const search = one as HTMLInputElement;
          search.value = `pipeline=odd ${query}`;
          search.dispatchEvent(new Event("input"));
        }, query);
        await waitText(page, new RegExp(`${runs} of 8 runs in ${runs} rows?\\.`));
      };
      await filter("accuracy<0.5", 1); // null is no number
      await filter("accuracy>0.9", 0); // that of the training set is hidden
      await filter("accuracy=0.40", 1);
      await filter("accuracy=0.3", 0);
      await filter("seed=20261201", 1);
      await filter("took>0.5", 2);
      await filter("took>abc", 0);
      await page.goto(`${ui.url}/#runs?fold=0&show=train&q=accuracy>0.9`);
      await waitText(page, /4 of 8 runs/);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    await t.step("a log that the server does not answer for is not called removed", async () => {
      const page = await browser.newPage();
      await refuseOnce(page, "/api/live");
      begun.lock![Symbol.dispose]();
      await page.goto(`${ui.url}/#live?id=${begun.id}`);
      await waitText(page, /process ended before the run did[^]*epoch 1\/4 loss 0\.600/);
      await page.close();
    });

    await t.step("sweeps have a run that was added", async () => {
      const { page, wrong } = await open(browser, `${ui.url}/#sweeps`);
      await waitText(page, new RegExp(shop.runs.at(-1)!.id));
      const { id } = await history.add({ ...run, stages: shop.runs.at(-1)!.stages, seed: 9 });
      await waitText(page, new RegExp(`2 seeds\\s+${id}`));
      assert.deepEqual(wrong, []);
      await page.close();
    });
  } finally {
    await browser.close();
  }
});

inChromium("many runs, long names and equal values fit their charts and a phone", async () => {
  const pipeline = `experiments/${"a_name_without_a_place_to_break_".repeat(3)}`;
  await using shop = await workshop(
    Array.from({ length: 60 }, (_, i) => ({
      pipeline,
      models: {
        trainGender: { skill: 0.9, params: { dropout: i / 100 }, curve: [0.5, 0.5, 0.5 + i / 100] },
      },
      validation: true,
    })),
  );
  await using ui = await startUi(shop.artifacts);
  const browser = await openChromium();
  try {
    const ids = shop.runs.slice(0, 12).map(({ id }) => id);
    const { page, wrong } = await open(browser, `${ui.url}/#compare?ids=${ids}`, "phone");
    await waitText(page, /Curves that differ/);
    const overflow = await page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth
    );
    assert.equal(overflow, 0);
    const lines = await page.$$eval(
      ".plot + .legend",
      (legends) =>
        [...legends[0]!.querySelectorAll("line")].map((line) =>
          `${line.getAttribute("stroke")} ${line.getAttribute("stroke-dasharray")}`
        ),
    );
    assert.deepEqual([lines.length, new Set(lines).size], [12, 12]);
    // All losses are 1.
    const [loss] = await page.$$eval(".plot", (all) => all.map((plot) => plot.textContent!));
    assert.match(loss!, /1\.00(?!0)/);
    assert.doesNotMatch(await page.$eval("main", (main) => main.innerText), /dashed/);
    await page.goto(`${ui.url}/#sweeps`);
    await page.waitForFunction(
      () => document.querySelectorAll("tbody tr").length === 60,
      patience,
    );
    // The table stays where it is when a row is chosen, and scrolls on with the focus in it.
    await page.setViewport(screens.desktop);
    await page.goto(`${ui.url}/#runs`);
    await page.waitForSelector('tr[data-row="0"]', patience);
    const top = () => page.$eval("#box", (box) => box.scrollTop);
    await page.$eval("#box", (box) => box.scrollTop = 2000);
    await page.waitForSelector('tr[data-row="50"]', patience);
    // In one step, as a click does: rows are drawn anew when their curves arrive, and `$eval` has two.
    await page.evaluate(() => {
      const pick = document.querySelector<HTMLElement>('tr[data-row="50"] .pick')!;
      pick.focus();
      pick.click();
    });
    await page.waitForFunction(() => /pick=/.test(location.hash), patience);
    assert.equal(await top(), 2000);
    assert.equal(await page.evaluate(() => document.activeElement!.getAttribute("data-row")), "50");
    await page.$eval("#box", (box) => box.scrollTop = 0);
    await page.waitForSelector('tr[data-row="0"]', patience);
    await page.waitForFunction(() => !document.querySelector('tr[data-row="50"]'), patience);
    assert.equal(await top(), 0);
    // In a browser that is set to text of twice the size, lines stay in their rows.
    await (await page.createCDPSession()).send("Page.setFontSizes", {
      fontSizes: { standard: 32 },
    });
    await page.reload();
    // In one step each: rows are drawn anew when their intervals arrive.
    await page.waitForFunction(() => {
      const row = document.querySelector<HTMLElement>('tr[data-row="0"]');
      row?.focus();
      return !!row?.querySelector(".number small")?.textContent;
    }, patience);
    await page.keyboard.press("End");
    await page.waitForFunction(() => {
      const row = document.querySelector('tr[data-row="59"]:focus');
      return !!row?.querySelector(".number small")?.textContent;
    }, patience);
    const low = await page.evaluate(() =>
      [...document.querySelectorAll(".runs tbody tr:not(.space)")].filter((row) => {
        const [outer, ...inner] = [row, ...row.querySelectorAll(".number, small")]
          .map((one) => one.getBoundingClientRect());
        return outer!.height !== 92 || inner.some(({ bottom }) => bottom > outer!.bottom);
      }).length
    );
    assert.equal(low, 0);
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
  }
});

/** Refuses a page's first request of a path, and counts them all. */
async function refuseOnce(page: Page, path: string): Promise<{ readonly asked: number }> {
  const requests = { asked: 0 };
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const away = request.url().includes(path) && ++requests.asked === 1;
    void (away ? request.abort("connectionrefused") : request.continue());
  });
  return requests;
}

inChromium("a server that is away for the first request is asked again", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1), validation: true }]);
  await using ui = await startUi(shop.artifacts);
  const browser = await openChromium();
  try {
    const page = await browser.newPage();
    const requests = await refuseOnce(page, "/api/about");
    await page.goto(ui.url);
    await waitText(page, /1 of 1 run in 1 row/);
    assert.equal(requests.asked, 2);
    assert.equal(await page.$eval("#problem", (problem) => problem.textContent), "");
    assert.match((await visibleText(page, "#nav")).join(), /Why/);
  } finally {
    await browser.close();
  }
});

inChromium(
  "curves of a stage of years in one run and classes in another have a chart each",
  async () => {
    await using shop = await workshop([
      { models: { trainAge: { error: 4, curve: [9, 8, 7], weights: 10 } }, validation: true },
      {
        models: { trainAge: { skill: 0.9, curve: [0.5, 0.7, 0.9], weights: 99 } },
        validation: true,
      },
      { models: { trainAge: { error: 8, curve: [9, 8, 7] } }, validation: true, seed: 7 },
    ]);
    await using ui = await startUi(shop.artifacts);
    const browser = await openChromium();
    try {
      const ids = shop.runs.slice(0, 2).map(({ id }) => id);
      const { page, wrong } = await open(browser, `${ui.url}/#runs`);
      // A deviation has the decimals of its mean.
      await waitText(page, /\s\d\.\d\d\s+± 1\.\d\d, 2 seeds/);
      await page.goto(`${ui.url}/#compare?ids=${ids}`);
      await waitText(page, /Curves that differ/);
      const charts = await chartsOf(page);
      const chart = (y: string, run: number) => `trainAge: ${y} of the validation set, ${ids[run]}`;
      assert.deepEqual(charts, [
        ...[chart("loss", 0), chart("mae", 0), chart("loss", 1), chart("accuracy", 1)],
      ]);
      assert.deepEqual(wrong, []);
    } finally {
      await browser.close();
    }
  },
);

inChromium("2,000 runs stay smooth: a frame while scrolling, a filter, a sort", async () => {
  await using shop = await workshop([{ models: MODELS(0.9, 0.1) }]);
  const [run] = shop.runs;
  await Promise.all(Array.from({ length: 1999 }, async (_, i) => {
    const stages = run!.stages.map((stage) => ({
      ...stage,
      dependencies: {
        ...stage.dependencies!,
        params: { ...stage.dependencies!.params, dropout: i % 400 / 400 },
      },
    }));
    const id = (0x10000000 + i).toString(16);
    const path = join(shop.artifacts, "runs", `2026-01-01T00-00-00Z-faces-${id}.json`);
    await writeState(path, { version: 1, ...run, id, seed: i, stages });
  }));
  await using ui = await startUi(shop.artifacts);
  const browser = await openChromium();
  try {
    const { page, wrong } = await open(browser, `${ui.url}/#runs?fold=0`);
    await waitText(page, /2,000 of 2,000 runs in 2,000 rows(?!;)/);
    // Time of the processor in the page's thread: other programs may share the machine.
    const session = await page.createCDPSession();
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    const busy = async (act: () => Promise<void>) => {
      const seconds = async () => {
        const { metrics } = await session.send("Performance.getMetrics");
        return metrics.find(({ name }) => name === "TaskDuration")!.value;
      };
      const before = await seconds();
      await page.evaluate(act);
      return (await seconds() - before) * 1000;
    };
    // A browser may draw no frame, such as on a busy machine.
    await page.evaluate(() => {
      globalThis.nextFrame = () =>
        new Promise((resolve) => {
          requestAnimationFrame(() => resolve());
          setTimeout(resolve, 250);
        });
    });
    const scroll = await busy(async () => {
      for (let i = 0; i < 60; i++) {
        document.getElementById("box")!.scrollTop = i * 1400;
        for (let frames = 0; frames < 2; frames++) await nextFrame();
      }
    }) / 60;
    const filter = await busy(async () => {
      const search = document.getElementById("search") as HTMLInputElement;
      search.value = "dropout>0.5";
      search.dispatchEvent(new Event("input"));
      await nextFrame();
    });
    const sort = await busy(async () => {
      document.querySelector<HTMLElement>("thead button")!.click();
      await nextFrame();
    });
    await waitText(page, /994 of 2,000 runs/);
    const elements = await page.$$eval("tr", (all) => all.length);
    const text = JSON.stringify({ scroll, filter, sort, elements });
    assert.ok(elements < 80, `only rows in view are in the page: ${text}`);
    console.log(`ms of processor time: ${text}`);
    assert.deepEqual(wrong, []);
  } finally {
    await browser.close();
  }
});
