/** Elements of pages from templates, values in the browser's storage, and the theme. */
/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** A template that becomes a part of another one, parsed with it. */
class Part {
  constructor(readonly parts: readonly string[], readonly values: readonly unknown[]) {}
}

/** Like `dom`, for parts of a large template: one parse is faster than hundreds. */
export const part = (parts: TemplateStringsArray, ...values: readonly unknown[]) =>
  new Part(parts, values);

/**
 * Parses HTML with values in it: text is escaped, nodes and lists of nodes take their place, and
 * `@click=${fn}` listens to an event. false and undefined are left out.
 */
export function dom(parts: TemplateStringsArray, ...values: readonly unknown[]): DocumentFragment {
  const held: unknown[] = [];
  const hold = (value: unknown) => held.push(value) - 1;
  const join = ({ parts, values }: Part): string =>
    parts.map((part, i) => part + write(values[i])).join("");
  const write = (value: unknown): string => {
    if (value === false || value === undefined || value === null) return "";
    if (typeof value === "function") return `"${hold(value)}"`;
    if (value instanceof Part) return join(value);
    if (value instanceof Node) return `<!--${hold(value)}-->`;
    if (Array.isArray(value)) return value.map(write).join("");
    return String(value).replace(/[&<>"]/g, (char) => ESCAPES[char]!);
  };
  const template = document.createElement("template");
  template.innerHTML = join({ parts, values });
  const walker = document.createTreeWalker(template.content, NodeFilter.SHOW_COMMENT);
  const slots: Comment[] = [];
  while (walker.nextNode()) slots.push(walker.currentNode as Comment);
  for (const slot of slots) slot.replaceWith(held[Number(slot.data)] as Node);
  for (const element of template.content.querySelectorAll("*")) {
    for (const { name, value } of [...element.attributes]) {
      if (!name.startsWith("@")) continue;
      element.addEventListener(name.slice(1), held[Number(value)] as EventListener);
      element.removeAttribute(name);
    }
  }
  return template.content;
}

export function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** A value in the browser's storage, also of other tabs, or a default where there is none. */
export function stored<T>(key: string, empty: T): { value: T; save(): void } {
  const read = (): T => {
    try {
      return JSON.parse(localStorage.getItem(key) ?? "null") ?? empty;
    } catch {
      return empty; // storage is off, or damaged
    }
  };
  const held = {
    value: read(),
    save() {
      try {
        localStorage.setItem(key, JSON.stringify(held.value));
      } catch {
        // It is kept until the page is closed.
      }
    },
  };
  addEventListener("storage", (event) => {
    if (event.key === key) held.value = read();
  });
  return held;
}

/** Lets the page's button change its colors: the browser's, light, dark. */
export function offerThemes(): void {
  const theme = stored("theme", "auto"), names = ["auto", "light", "dark"];
  const button = byId("theme");
  const apply = () => {
    button.textContent = `Theme: ${theme.value}`;
    document.documentElement.style.colorScheme = theme.value === "auto" ? "" : theme.value;
  };
  button.onclick = () => {
    theme.value = names[(names.indexOf(theme.value) + 1) % 3]!;
    theme.save();
    apply();
  };
  apply();
}
