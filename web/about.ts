/** What the page says of the service: its models, where it computes, and what it is worth. */
import type { Service } from "../serving/api.ts";
import { make, part } from "./dom.ts";
import { drawnOnly, origin, title, worth } from "./words.ts";

/** What the server wrote into the page. */
export const service = JSON.parse(part("service").textContent!) as Service;

export function showAbout(): void {
  const { models, mode, report } = service;
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const where = mode === "browser"
    ? "Pictures are analysed in this browser and do not leave it."
    : local
    ? "Pictures are analysed on this computer and not stored."
    : `Pictures are sent to ${location.host}, analysed there and not stored.`;
  part("lead").textContent = where;
  part("privacy").textContent = where;
  part("drawn").hidden = !models.every(drawnOnly);
  part("models").replaceChildren(...models.map((model) =>
    make(
      "article",
      { className: "model" },
      make("h3", {}, title(model)),
      make("p", {}, `${capital(worth(model))}.`),
      make("p", {}, `Trained with ${origin(model)} (${model.id}).`),
    )
  ));
  const links = part("links");
  if (report) links.append(", ", make("a", { href: "/report" }, "the whole report"));
  links.append(" and ", make("a", { href: "/openapi.json" }, "the API"), ".");
}

function capital(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}
