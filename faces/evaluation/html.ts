/** HTML templates that escape every value unless it is `Html`. */

/** Markup that is not escaped. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

/** Value of a template. */
export type Child = string | number | Html | undefined | false | readonly Child[];

/** Renders a template, as in ``html`<p>${name}</p>` ``. Escapes values, in quoted attributes too. */
export function html(strings: TemplateStringsArray, ...values: Child[]): Html {
  let text = strings[0];
  values.forEach((value, i) => text += render(value) + strings[i + 1]);
  return new Html(text);
}

/** Wraps HTML or SVG from a source that escapes its text. */
export function trusted(text: string): Html {
  return new Html(text);
}

function render(value: Child): string {
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join("");
  return value === undefined || value === false ? "" : escape(String(value));
}

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}
