/**
 * Makes docs/report.png of a report page: its beginning, and the section of a model.
 *
 *     deno run -A --config tests/services/services.json tests/services/report_picture.ts artifacts/evaluate/…/report/report.html
 */
import { fileURLToPath } from "node:url";
import { Buffer } from "node:buffer";
import { pathToFileURL } from "node:url";
import puppeteer, { type ElementHandle } from "puppeteer-core";
import sharp from "sharp";

const [file] = Deno.args;
if (file === undefined) throw new Error("Name the report.html that is to be shown.");
const browser = await puppeteer.launch({
  executablePath: Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--hide-scrollbars"],
});
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1120, height: 900 });
  await page.goto(pathToFileURL(await Deno.realPath(file)).href);
  const box = async (selector: string) => {
    const element = await page.$(selector) as ElementHandle;
    return (await element.boundingBox())!;
  };
  const protocol = await box("section.protocol");
  const chapter = await box("section.model:has(#trainGender)");
  const results = await box("section.model:has(#trainGender) > .columns:nth-of-type(3)");
  const clips = [
    { y: 0, height: protocol.y + protocol.height + 24 },
    { y: chapter.y, height: results.y + results.height - chapter.y + 12 },
  ];
  let height = 0;
  const parts = [];
  for (const clip of clips) {
    const input = await page.screenshot({
      clip: { x: 0, width: 1120, ...clip },
      captureBeyondViewport: true,
    });
    parts.push({ input: Buffer.from(input), left: 0, top: height });
    height += (await sharp(input).metadata()).height;
  }
  await sharp({ create: { width: 1120, height, channels: 3, background: "white" } })
    .composite(parts).png({ palette: true })
    .toFile(fileURLToPath(new URL("../../docs/report.png", import.meta.url)));
} finally {
  await browser.close();
}
