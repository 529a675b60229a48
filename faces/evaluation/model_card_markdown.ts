/** Content of a run's MODEL_CARD.md. */
import type { Preprocessing } from "../images/preprocessing.ts";
import { cautionsOf } from "../../packages/pipeline/stage.ts";
import { cardBlocks, type ModelCardData, notices, toMarkdown } from "./model_card.ts";
import type { Report } from "./report_data.ts";
import { count, faces, subject, summary } from "./format_metric.ts";
import { counted } from "../../packages/pipeline/causes.ts";

/** Renders the model card of a report as Markdown. */
export function modelCard({ pipeline, models, data, made }: Report): string {
  const { lineage } = made;
  const mirror = lineage.stages.map(({ params }) => params.mirror).find((from) => from);
  const cautions = cautionsOf(lineage.stages);
  const facts: ModelCardData = {
    models: models.map(({ id, metrics, training, network }) => ({
      id,
      title: subject(metrics),
      worth: summary(metrics),
      origin:
        `${faces(metrics.counts.train)} of ${Object.keys(training.datasets).join(" and ")}; ${
          counted(training.epochs, "epoch")
        }, seed ` +
        `${training.seed}, ${count(network.weights)} parameters`,
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
    ...notices(cautions),
    {
      text:
        `Models of pipeline ${pipeline} (${lineage.file}, seed ${lineage.seed}${
          lineage.run ? `, run ${lineage.run.id}` : ""
        })${when}. ` +
        "Details: report.html.",
    },
    ...cardBlocks(facts),
  ]);
}
