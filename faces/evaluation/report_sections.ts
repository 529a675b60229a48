/** Sections of the report, for the parameter `sections` of evaluate. */
import { z } from "zod";
import {
  type Choice,
  chosen,
  define,
  defineMembers,
  type Definition,
  method,
} from "../../packages/pipeline/define.ts";
import { quote } from "../../packages/pipeline/errors.ts";
import { modelTitle } from "./format_result.ts";
import type { Html } from "./html.ts";
import type { Report } from "./report_data.ts";

/** Anchors, each with its title. */
export type Links = readonly (readonly [id: string, title: string])[];

/** A section of the report. */
export interface ReportSectionDefinition<P extends z.ZodObject = z.ZodObject> extends Definition {
  readonly params?: P;
  /** Returns the anchors that the contents link to, each with its title. */
  links(report: Report): Links;
  /** Renders the section, with the anchors as `id` of its headings. */
  render(report: Report, options: z.output<P>): Html | Promise<Html>;
}

defineMembers<ReportSectionDefinition>("reportSection", { links: method, render: method });

/**
 * Declares a section, for `sections: [NAME]` of evaluate. `html` of `faces/evaluation/html.ts` escapes
 * all values.
 * @example
 * ```ts
 * import { z } from "zod";
 * const contact = defineReportSection({
 *   name: "contact", summary: "Whom to ask",
 *   params: z.strictObject({ address: z.email().describe("E-mail address") }),
 *   links: () => [["contact", "Contact"]],
 *   render: (_, { address }) => html`<section><h2 id="contact">Contact</h2>${address}</section>`,
 * });
 * console.assert(contact.extends === "reportSection");
 * ```
 */
export function defineReportSection<P extends z.ZodObject>(
  section: Omit<ReportSectionDefinition<P>, "extends">,
): ReportSectionDefinition {
  return define({ kind: "reportSection", ...section }) as never;
}

/** The built-in sections, in their usual order. Their modules load when a report is written. */
export const reportSections: readonly ReportSectionDefinition[] = [
  defineReportSection({
    name: "models",
    summary: "Results, training and network of each model",
    links: ({ models }) => models.map((model) => [model.id, modelTitle(model, models)]),
    render: async (report) => (await import("./sections/model_section.ts")).modelSections(report),
  }),
  defineReportSection({
    name: "fairness",
    summary: "Metrics by groups of people, and differences",
    links: ({ models }) =>
      models.some(({ fairness }) => fairness) ? [["fairness", "Fairness"]] : [],
    render: async (report) =>
      (await import("./sections/fairness_section.ts")).fairnessSection(report),
  }),
  defineReportSection({
    name: "gate",
    summary: "Errors of the age gate that evaluate.gate sets",
    links: ({ models }) => models.some(({ metrics }) => metrics.gate) ? [["gate", "Age gate"]] : [],
    render: async (report) => (await import("./sections/gate_section.ts")).gateSection(report),
  }),
  defineReportSection({
    name: "data",
    summary: "Data sets, splits, crops and photos without a face",
    links: () => [["faces", "Data"]],
    render: async ({ data }) => (await import("./sections/data_section.ts")).dataSection(data),
  }),
  defineReportSection({
    name: "provenance",
    summary: "Stages, parameters, packages and machine",
    links: () => [["made", "Provenance"]],
    render: async (report) =>
      (await import("./sections/provenance_section.ts")).provenanceSection(report),
  }),
];

export const DEFAULT_SECTIONS = reportSections.map(({ name }) => name);

/** A section with its options; `foreign` if a third-party plugin renders it. */
export type ChosenSection = ReturnType<typeof chooseSections>[number];

const linksSchema = z.array(z.tuple([z.string().regex(/^[\w.-]+$/), z.string()]));

/** A page's policy blocks scripts, but not a redirect. */
const htmlSchema = z.string("expected markup: return html`...`").refine(
  (text) => !/<meta/i.test(text),
  "has a <meta>",
);

/** Returns the sections that a parameter names. @param plugins definitions that plugins brought */
export function chooseSections(
  written: readonly Choice[] = DEFAULT_SECTIONS,
  plugins: readonly Definition[] = [],
) {
  const all = [...reportSections, ...plugins as ReportSectionDefinition[]];
  return written.map((choice) => {
    const { definition, options } = chosen(choice, all, "");
    const { call, name } = definition;
    return {
      async write(report: Report): Promise<{ links: Links; html: Html }> {
        const { trusted } = await import("./html.ts");
        const html = call
          ? trusted(await call("render", htmlSchema, report, options))
          : await definition.render(report, options);
        const links = call ? await call("links", linksSchema, report) : definition.links(report);
        if (reportSections.includes(definition)) return { links, html };
        const found = linksSchema.safeParse(links).data, text = String(html);
        const lost = found?.find(([id]) => !text.includes(`id="${id}"`));
        if (html?.isEscaped && found && !lost) return { links, html };
        throw new Error(
          `Cannot write section "${name}": ` +
            (!html?.isEscaped
              ? `render() returned ${quote(html)}. Return html\`...\`, of faces/evaluation/html.ts.`
              : found
              ? `render() wrote no id="${lost![0]}", which links() returned. Give it to a heading.`
              : `links() returned ${quote(links)}. Return pairs, [["id", "Title"]].`),
        );
      },
      foreign: call !== undefined,
    };
  });
}
