/** Access to the page's elements. */
import type { Service } from "../api.ts";

/** Returns the element of index.html with an id. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no element "${id}".`);
  return element as T;
}

/** Creates an element. Strings become text, never markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Description of the service, which the server writes into the page. */
export const service = JSON.parse(byId("service").textContent!) as Service;
