/** The page's HTML, with what it says of the service in place: nothing moves when its script starts. */
import { type Child, html } from "../evaluation/html.ts";
import { formatScore, origin, title } from "./web/wording.ts";
import type { ServedModel, Service } from "./api.ts";

/**
 * Fills in `faces/serving/web/index.html`.
 * @param local whether the server listens on this machine alone
 */
export function renderPage(template: string, service: Service, local: boolean): string {
  const { models, cautions, mode, report } = service;
  const parts: Record<string, Child> = {
    where: mode === "browser"
      ? "Pictures are analysed in this browser and do not leave it."
      : local
      ? "Pictures are analysed on this computer and not stored."
      : "Pictures are sent to the server, analysed there and not stored.",
    notice: cautions.map((caution) => html`<p class="notice">${caution}</p>`),
    models: models.map(about),
    links: html`<a href="/card">model card</a>${
      report && html`, <a href="/report">the whole report</a>`
    } and <a href="/openapi.json">the API</a>`,
  };
  // "<" would let "</script>" through.
  const facts = JSON.stringify(service).replaceAll("<", "\\u003c");
  return template
    .replace(/\{\{ (\w+) \}\}/g, (_, name: string) => html`${parts[name]}`.toString())
    .replace('"{{service}}"', () => facts);
}

function about(model: ServedModel): Child {
  return html`
    <article class="model">
      <h3>${title(model)}</h3>
      <p>${capital(formatScore(model))}.</p>
      <p>Trained with ${origin(model)} (${model.id}).</p>
    </article>
  `;
}

function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}
