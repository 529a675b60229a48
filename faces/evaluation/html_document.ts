/** What every page of the project begins with. */
import { type Html, html } from "./html.ts";

/** A whole page. @param head what else is in its head, such as its style */
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
