/** HTML templates, from Hono, and the document that all pages share. */
import { html as template, raw } from "hono/html";

/** Markup that is not escaped. */
export type Html = ReturnType<typeof raw>;

export type Child = string | number | Html | undefined | false | readonly Child[];

/**
 * Renders a template. Escapes values, in quoted attributes too.
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * strictEqual(`${html`<p title="${"<b>"}">${1} of ${2}</p>`}`, '<p title="&lt;b&gt;">1 of 2</p>');
 * ```
 */
export const html = template as (parts: TemplateStringsArray, ...values: Child[]) => Html;

/** Wraps HTML or SVG from a source that escapes its text. */
export const trusted: (text: string) => Html = raw;

/**
 * Renders an HTML document.
 * @param head further content of the head, such as a style sheet
 */
export function document(title: string, head: Html, body: Html): string {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${title}</title>
        ${head}
      </head>
      <body>
        ${body}
      </body>
    </html>
  `.trimStart();
}
