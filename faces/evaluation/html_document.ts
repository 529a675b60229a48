/** The HTML document shared by all pages. */
import { type Html, html } from "./html.ts";

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
  `.text.trimStart();
}
