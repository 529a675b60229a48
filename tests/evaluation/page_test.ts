import assert from "node:assert/strict";
import { DOMParser } from "@xmldom/xmldom";
import { page } from "../../evaluation/page.ts";
import { madeUpReport } from "./fixture.ts";

Deno.test("page() opens with every model's metric, interval and guess, in words", async () => {
  const html = text(page(await madeUpReport()));
  const summary = html.slice(0, html.indexOf("The faces"));
  for (const words of ["Gender", "Age in years", "Age in 7 groups"]) {
    assert.ok(summary.includes(words));
  }
  assert.match(summary, /Right for [\d.]+ % of the 200 faces of the test set \(95 % interval: /);
  assert.match(summary, /Off by [\d.]+ years on average over the 200 faces of the test set/);
  assert.match(summary, /A guess, always saying “\w+”, the most frequent in the training set/);
  assert.match(summary, /Better than guessing/);
});

Deno.test("page() draws data, curves, errors and faces", async () => {
  const document = parse(page(await madeUpReport()));
  const labels = [...document.getElementsByTagName("svg")].map((svg) =>
    svg.getAttribute("aria-label")
  );
  const count = (label: RegExp) => labels.filter((text) => label.test(text ?? "")).length;
  assert.equal(count(/^Histogram of the ages in (wiki|imdb)_crop$/), 2);
  assert.equal(count(/^wiki_crop: \d+ % women, wiki_crop: \d+ % men, imdb_crop/), 1);
  assert.equal(count(/^loss by epoch on the training and validation set$/), 3);
  assert.equal(count(/^accuracy by epoch/), 2);
  assert.equal(count(/^mae by epoch/), 1);
  assert.equal(count(/^Mean absolute error by age band$/), 1);
  assert.equal(count(/^Predicted age against true age$/), 1);
  assert.equal(document.getElementsByTagName("img").length, 5 * 12);
});

Deno.test("page() marks the epoch whose weights were kept", async () => {
  const html = page(await madeUpReport());
  assert.equal(html.match(/aria-label="rule"[^>]*stroke-dasharray="2 3"/g)?.length, 2 * 3);
  assert.match(
    text(html),
    /stopped by itself after epoch 14 and went back to the weights of epoch 11/,
  );
});

Deno.test("page() keeps text from the data text, wherever it stands", async () => {
  const suffix = `"'><script>alert(1)</script><img src=x onerror=y> onload="&amp;</svg>`;
  const benign = parse(page(await madeUpReport({ suffix: "x".repeat(suffix.length) })));
  const html = page(await madeUpReport({ suffix }));
  const attacked = parse(html);
  const names = (document: typeof benign) =>
    [...document.getElementsByTagName("*")].map((element) =>
      [element.tagName, ...[...element.attributes].map(({ name }) => name)].join(" ")
    );
  assert.deepEqual(names(attacked), names(benign));
  assert.doesNotMatch(html, /<script/);
  assert.equal(
    attacked.getElementsByTagName("h2")[1].getElementsByTagName("span")[0].textContent,
    `ageGroups${suffix}`,
  );
});

Deno.test("page() asks the network for nothing", async () => {
  const html = page(await madeUpReport());
  const document = parse(html);
  for (const element of [...document.getElementsByTagName("*")]) {
    for (const name of ["src", "href", "xlink:href", "srcset", "data", "action"]) {
      const value = element.getAttribute(name);
      assert.ok(!value || /^(#|data:image\/png;base64,)/.test(value), `${element.tagName} ${name}`);
    }
  }
  assert.doesNotMatch(html, /<(script|link|iframe|object|base)\b|@import|url\(/);
  assert.doesNotMatch(html.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\//);
});

Deno.test("page() is the same each time", async () => {
  assert.equal(page(await madeUpReport()), page(await madeUpReport()));
});

Deno.test("page() has a style for dark screens, for phones and for paper", async () => {
  const html = page(await madeUpReport());
  assert.match(html, /@media \(prefers-color-scheme: dark\)/);
  assert.match(html, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
  assert.match(html, /@media print/);
});

Deno.test("page() shows a training whose values are not finite", async () => {
  const report = await madeUpReport();
  const [model] = report.models;
  const history = model.history.map((epoch) => ({ ...epoch, loss: NaN, val_loss: NaN }));
  const html = page({ ...report, models: [{ ...model, history }] });
  assert.match(html, /no finite value/);
  assert.doesNotMatch(html, /="[^"]*NaN/);
});

Deno.test("page() shows a training of one epoch on one data set", async () => {
  const report = await madeUpReport();
  const [, model] = report.models;
  const html = page({
    ...report,
    datasets: report.datasets.slice(0, 1),
    models: [{ ...model, history: model.history.slice(0, 1) }],
  });
  assert.match(html, /One network/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});

function parse(html: string) {
  const problems: string[] = [];
  const document = new DOMParser({ onError: (_level, message) => void problems.push(message) })
    .parseFromString(html.replace(/<style>[^<]*<\/style>/, ""), "text/html");
  assert.deepEqual(problems, []);
  return document;
}

/** What a reader sees. */
function text(html: string): string {
  return (parse(html).documentElement?.textContent ?? "").replaceAll("\u00a0", " ");
}
