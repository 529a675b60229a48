/// <reference lib="dom" />
/** The page in a real browser, and what there is to show it. */
import { join } from "node:path";
import axe from "axe-core";
import type { Browser, Page } from "puppeteer-core";
import { chromium, screens } from "./browser.ts";
import { drawnGroup, writeClip } from "../faces/serving/fixture.ts";

/** Time limit of anything on a page, polled by a timer: a busy browser may draw no frame. */
export const patience = { timeout: 60_000, polling: 100 };

/** Runs a test in Chromium, or says that there is none. */
export function inChromium(name: string, run: (t: Deno.TestContext) => Promise<void>): void {
  const ignore = chromium === undefined;
  const why = ignore ? " (skipped: no Chromium; apt-get install chromium, or set CHROMIUM)" : "";
  // What puppeteer-core leaves open when a browser has closed is not ours to close.
  Deno.test({ name: name + why, ignore, fn: run, sanitizeOps: false, sanitizeResources: false });
}

/** Opens the page, and fails with what goes wrong on it. */
export async function open(
  browser: Browser,
  url: string,
  screen: keyof typeof screens = "desktop",
) {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience.timeout); // also of loading a page
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

/** Waits until the page says so. */
export async function message(page: Page, pattern: RegExp): Promise<void> {
  await page.waitForFunction(
    (source: string) => new RegExp(source).test(document.querySelector("#message")!.textContent!),
    patience,
    pattern.source,
  );
}

/** How many cards of faces there are. */
export async function cards(page: Page, count: number): Promise<void> {
  await page.waitForFunction(
    (count: number) => document.querySelectorAll(".face").length === count,
    patience,
    count,
  );
}

/**
 * Returns the visible text of elements, in one step: of an element that the page has replaced
 * between a query and its evaluation, innerText has no tabs and lines.
 */
export async function visibleText(page: Page, selector: string): Promise<string[]> {
  return await page.evaluate(
    (selector: string) =>
      [...document.querySelectorAll<HTMLElement>(selector)].map(({ innerText }) => innerText),
    selector,
  );
}

/** Chooses a file for the page. */
export async function upload(page: Page, path: string): Promise<void> {
  const input = await page.$("input#file");
  await (input as unknown as { uploadFile(path: string): Promise<void> }).uploadFile(path);
}

/** A temporary folder with a clip and pictures. */
export async function material() {
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

/** Returns what axe-core finds: rule and element. */
export async function violations(page: Page): Promise<string[]> {
  // Past the policy of the page, as a person's tools are.
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
    };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(({ html }) => `${id}: ${html.slice(0, 160)}`)
    );
  });
}
