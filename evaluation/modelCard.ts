/** MODEL_CARD.md of a run. */
import type { Preprocessing } from "../faces/preprocessing.ts";
import { cardBlocks, type CardFacts, toMarkdown } from "./card.ts";
import type { Report } from "./report.ts";
import { count, subject, summary } from "./words.ts";

export function modelCard({ pipeline, models, data, made }: Report): string {
  const { lineage } = made;
  const mirror = lineage.stages.map(({ params }) => params.mirror).find((from) => from);
  const facts: CardFacts = {
    models: models.map(({ id, metrics, training, network }) => ({
      id,
      title: subject(metrics),
      worth: summary(metrics),
      origin:
        `${count(metrics.counts.train)} faces of ${Object.keys(training.datasets).join(" and ")}; ${
          training.epochs === 1 ? "1 epoch" : `${training.epochs} epochs`
        }, seed ` +
        `${training.seed}, ${count(network.weights)} weights`,
      metrics,
    })),
    datasets: data.datasets.map(({ name }) => name),
    ...(typeof mirror === "string" ? { mirror } : {}),
    preprocessing: data.preprocessing as Preprocessing,
  };
  const trained = lineage.stages.findLast(({ id }) =>
    models.some((model) => model.id.split(".")[0] === id)
  );
  const when = trained ? `, trained on ${trained.startedAt.slice(0, 10)}` : "";
  return toMarkdown("Model card", [
    {
      text:
        `The models of pipeline ${pipeline} (${lineage.file}, seed ${lineage.seed}${
          lineage.run ? `, run ${lineage.run.id}` : ""
        })${when}. ` +
        "report.html beside this card tells more of them.",
    },
    ...cardBlocks(facts),
  ]);
}
