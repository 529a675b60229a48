/** HTML from a template, in which every value is escaped unless it is HTML itself. */

export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

export type Child = string | number | Html | undefined | false | readonly Child[];

/** ``html`<p>${name}</p>` ``: whatever `name` holds stays text, in attributes (quoted!) as well. */
export function html(strings: TemplateStringsArray, ...values: Child[]): Html {
  let text = strings[0];
  values.forEach((value, i) => text += render(value) + strings[i + 1]);
  return new Html(text);
}

/** Text that is HTML (or SVG) already, from a source that escapes what it writes. */
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
