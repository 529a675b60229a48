/** The page: its views, their addresses, the theme. */
import { byId, dom, offerThemes } from "../../serving/page_dom.ts";
import { compareView } from "./compare_view.ts";
import { insideView } from "./inside_view.ts";
import { liveView, whyView } from "./live_view.ts";
import { runsView } from "./runs_view.ts";
import { sweepsView } from "./sweeps_view.ts";
import { store, type View } from "./ui_store.ts";
import { get, redraw } from "./ui_dom.ts";

const views: View[] = [runsView, liveView, compareView, sweepsView, insideView];
/** Interval of requests while the page is visible, ms. */
const POLL_MS = 2500;

const main = byId("main");
const nav = byId("nav");
let current: View | undefined;
let leave = new AbortController();

function show(): void {
  const [name, query] = location.hash.slice(1).split("?");
  const view = views.find((one) => one.name === name) ?? views[0]!;
  leave.abort();
  leave = new AbortController();
  current = view;
  document.title = `${view.title} · ${store.about.artifacts.split(/[\\/]/).slice(-2).join("/")}`;
  const links = views.map(({ name, title }) =>
    dom`<a href="#${name}" data-key="${name}" aria-current="${
      name === view.name ? "page" : "false"
    }">${title}</a>`
  );
  const content = view.show(new URLSearchParams(query), leave.signal);
  redraw(() => {
    nav.replaceChildren(...links);
    main.replaceChildren(dom`<h1 class="unseen">${view.title}</h1>`, content);
    view.update?.();
  });
}

/** Reads on. The page keeps what it has while the server does not answer. */
async function poll(): Promise<void> {
  let pause = POLL_MS, problem = "";
  try {
    if (store.about.artifacts === "") {
      store.about = await get<typeof store.about>("/api/about");
      if (store.about.pipelines.length > 0) views.push(whyView);
    }
    const partial = store.left > 0;
    if ((!current || document.visibilityState === "visible") && await store.load()) {
      if (current?.update) current.update();
      else if (partial || !current || current === sweepsView) show();
    }
    if (store.left > 0) pause = 50;
  } catch (error) {
    problem = (error as Error).message;
  }
  // The same text again would be read aloud again.
  if (byId("problem").textContent !== problem) byId("problem").textContent = problem;
  setTimeout(poll, pause);
}

offerThemes();
addEventListener("hashchange", show);
await poll();
