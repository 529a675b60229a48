/**
 * An example of a report section from outside: sizes and training times of the networks in one table.
 *
 * ```yaml
 * plugins: [./plugins/modelSizes.ts]
 * stages:
 *   evaluate: { sections: [data, models, modelSizes, provenance] }
 * ```
 */
import { z } from "zod";
import { html } from "../faces/evaluation/html.ts";
import { defineReportSection } from "../faces/evaluation/report_sections.ts";
import { table } from "../faces/evaluation/tables.ts";

export default defineReportSection({
  name: "modelSizes",
  summary: "Parameters and training time of each network",
  params: z.strictObject({
    title: z.string().min(1).default("Sizes").describe("Heading of the section"),
  }),
  links: () => [["sizes", "Sizes"]],
  render({ models }, { title }) {
    const rows = models.map(({ id, network, training: { epochs, secondsPerEpoch = [] } }) => {
      const seconds = secondsPerEpoch.reduce((a, b) => a + b, 0);
      return [id, network.weights.toLocaleString("en"), epochs, `${seconds.toFixed(0)} s`];
    });
    return html`
      <section>
        <h2 id="sizes">${title}</h2>
        ${table(["model", "parameters", "epochs", "training"], rows)}
      </section>
    `;
  },
});
