/** A real browser for tests, where there is one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import puppeteer, { type Browser, type Page } from "puppeteer-core";

/** Where systems keep Chromium; CHROMIUM says another place. */
const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Path of a Chromium, or undefined where there is none. */
export const chromium = [Deno.env.get("CHROMIUM") ?? "", ...places].find((path) =>
  path !== "" && existsSync(path)
);

/** Path of a Firefox, or undefined where there is none. */
export const firefox = [Deno.env.get("FIREFOX") ?? "", "/usr/bin/firefox-esr", "/usr/bin/firefox"]
  .find((path) => path !== "" && existsSync(path));

export interface BrowserOptions {
  /** A clip (.mjpeg) that its camera shows; without one, there is no camera. */
  clip?: string;
  /** Whether the person lets the page use the camera. */
  allow?: boolean;
}

/** Starts a headless Chromium. */
export async function openChromium({ clip, allow = true }: BrowserOptions = {}): Promise<Browser> {
  return await puppeteer.launch({
    executablePath: chromium!,
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      "--disable-gpu",
      "--hide-scrollbars",
      ...(clip
        ? [
          "--use-fake-device-for-media-stream",
          `--use-file-for-fake-video-capture=${clip}`,
          ...(allow ? ["--use-fake-ui-for-media-stream"] : ["--deny-permission-prompts"]),
        ]
        : []),
    ],
  });
}

/** Sizes of screens. */
export const screens = {
  desktop: { width: 1280, height: 860 },
  tablet: { width: 900, height: 860 },
  phone: { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
} as const;

const folder = new URL("../../artifacts/screenshots/", import.meta.url);

/** Keeps a picture of a page; they are worth looking at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const path = join(fileURLToPath(folder), `${name}.png`) as `${string}.png`;
  await page.screenshot({ path, fullPage: true });
}
