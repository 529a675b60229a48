/**
 * The report as one self-contained HTML page. Its times come from the records of the stages before
 * it, so the same results of the same run give the same bytes.
 */
import { capitalized, sortModels, subjects } from "./format_result.ts";
import { document, html, trusted } from "./html.ts";
import type { Report } from "./report_data.ts";
import { chooseSections, type ChosenSection } from "./report_sections.ts";
import { style } from "./report_style.ts";
import { glossarySection } from "./sections/glossary_section.ts";
import { protocolSection, runFacts } from "./sections/protocol_section.ts";
import { cards, contents, opening } from "./sections/summary_section.ts";

/** Policy of a report with a third-party section: no scripts, and nothing leaves the page. */
const POLICY = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; ` +
  `style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'">\n`;

/**
 * Renders the report as HTML. All text from data is escaped.
 * @param sections Default: the built-in ones
 */
export async function reportPage(
  unordered: Report,
  sections: readonly ChosenSection[] = chooseSections(),
): Promise<string> {
  const report = { ...unordered, models: sortModels(unordered.models) };
  const written = await Promise.all(sections.map((section) => section.write(report)));
  const policy = sections.some(({ foreign }) => foreign) && trusted(POLICY);
  const about = `${subjects(report.models.map(({ metrics }) => metrics))} from faces`;
  return document(
    `${report.pipeline}: ${about}`,
    html`${policy}<style>${style}</style>`,
    html`
      <header>
        <p class="over">${report.pipeline}</p>
        <h1>${capitalized(about)}</h1>
        ${runFacts(report)}
        <p class="lead">${opening(report)}</p>
        ${contents(written.flatMap(({ links }) => links))}
      </header>
      <main>
      ${cards(report)}
      ${protocolSection(report)}
      ${written.map(({ html }) => html)}
      </main>
      <footer>${glossarySection(report)}</footer>
    `,
  );
}
