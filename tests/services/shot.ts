import { openChromium, screens } from "./browser.ts";
const [url, out, ...hashes] = Deno.args;
const browser = await openChromium();
for (const hash of hashes) {
  for (const [screen, scheme] of [["desktop","light"],["desktop","dark"],["phone","light"]] as const) {
    const page = await browser.newPage();
    page.on("pageerror", (e) => console.log(hash, String(e)));
    page.on("console", (m) => m.type() === "error" && console.log(hash, m.text()));
    await page.setViewport(screens[screen]);
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(`${url}/#${hash}`);
    await new Promise((r) => setTimeout(r, 2500));
    await page.screenshot({ path: `${out}/${hash.split("?")[0]}-${screen}-${scheme}.png` as `${string}.png`, fullPage: true });
    await page.close();
  }
}
await browser.close();
