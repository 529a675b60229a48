import assert from "node:assert/strict";
import { cardBlocks, notices, toMarkdown } from "../../../faces/evaluation/model_card.ts";
import { modelCard } from "../../../faces/evaluation/model_card_markdown.ts";
import { madeUpReport } from "./fixture.ts";

Deno.test("modelCard() tells purpose, limits, data and its terms, and results by group", async () => {
  const report = await madeUpReport();
  const card = modelCard(report);
  for (
    const heading of [
      "What it is for",
      "What it must not be used for",
      "The models",
      "Data and its terms",
      "From a photo to what a network sees",
      "Where it fails",
    ]
  ) assert.ok(card.includes(`\n## ${heading}\n`), heading);
  assert.match(
    card,
    /pipeline experiment \(experiments\/made-up\.yaml, seed 42, run 1a2b3c4d\), trained on 2026/,
  );
  assert.match(card, /wiki\\_crop, imdb\\_crop: IMDB-WIKI .* for academic research only/);
  assert.match(card, /\| Age in years \(trainAge\) \| Off by \d+\.\d\u00a0years on average over/);
  const { metrics } = report.models.find(({ id }) => id === "trainGender")!;
  const men = metrics.groups!.find(({ gender, from }) => gender === 1 && from === undefined)!;
  assert.ok(card.includes(`| men | ${men.count} | ${(100 * men.value).toFixed(1)} | `));
});

Deno.test("toMarkdown() keeps text from the data text, in one cell and one line", () => {
  const text = toMarkdown("Card", [{ head: ["a|b"], rows: [["<img src=x>\n# *x* [y](z)"]] }]);
  assert.equal(
    text,
    "# Card\n\n| a\\|b |\n| --- |\n| \\<img src=x\\> \\# \\*x\\* \\[y\\](z) |\n",
  );
});

Deno.test("modelCard() begins with what the lineage cautions against", async () => {
  const report = await madeUpReport();
  assert.doesNotMatch(modelCard(report), /^[^]{0,40}\*\*/);
  const [stage, ...others] = report.made.lineage.stages;
  const stages = [{ ...stage!, caution: "Faces are drawn." }, ...others];
  const made = { ...report.made, lineage: { ...report.made.lineage, stages } };
  assert.match(
    modelCard({ ...report, made }),
    /^# Model card\n\n\*\*Faces are drawn\.\*\*\n\nThe mo/,
  );
});

Deno.test("cardBlocks() tells where data came from", async () => {
  const { data } = await madeUpReport();
  const preprocessing = {
    ...data.preprocessing,
    steps: [],
  } as unknown as Parameters<typeof cardBlocks>[0]["preprocessing"];
  const told = (datasets: string[], mirror?: string) =>
    toMarkdown("Card", cardBlocks({ models: [], datasets, mirror, preprocessing }));
  assert.equal(toMarkdown("Card", notices(["a", "b"])), "# Card\n\n**a**\n\n**b**\n");
  assert.match(told(["sample"]), /sample: faces that the project draws/);
  assert.match(told(["mine"]), /mine: pictures of the person who ran this/);
  assert.match(told(["wiki"], "/mnt/faces"), /The files came from \/mnt\/faces/);
});
