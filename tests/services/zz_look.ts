/// <reference lib="dom" />
import { openChromium, screens } from "./browser.ts";
const [base, out, ...views] = Deno.args;
await Deno.mkdir(out!, { recursive: true });
const browser = await openChromium();
for (const view of views) {
  const [name, hash, kinds = "ldp"] = view.split("@@");
  for (const kind of kinds) {
    const page = await browser.newPage();
    page.on("pageerror", (e) => console.log(name, String(e)));
    page.on("console", (m) => m.type() === "error" && console.log(name, m.text()));
    await page.setViewport(kind === "p" ? { ...screens.phone, deviceScaleFactor: 1 } : { width: 1280, height: 860 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: kind === "d" ? "dark" : "light" }]);
    await page.goto(/^(http|file)/.test(hash!) ? hash! : `${base}/#${hash}`);
    await page.waitForFunction(() => !/Loading …/.test(document.body.innerText), { timeout: 60000 }).catch(() => console.log(name, "loading"));
    await new Promise((r) => setTimeout(r, 700));
    const { w, c } = await page.evaluate(() => ({ w: document.documentElement.scrollWidth, c: document.documentElement.clientWidth }));
    if (w > c) console.log(name, kind, "overflow", w, c);
    await page.screenshot({ path: `${out}/${name}-${kind}.png` as `${string}.png`, fullPage: true });
    await page.close();
  }
}
await browser.close();
