/** Runs at work: their stages, progress, epochs and log, as they come; and dry runs. */
/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="esnext" />
import type { LiveEvent, LiveLine } from "../../../packages/pipeline/live_log.ts";
import type { UiRun } from "../ui_api.ts";
import { type GraphStage, stageGraph } from "./stage_graph.ts";
import { color, lines } from "./ui_charts.ts";
import { dom, duration, get, later, text } from "./ui_dom.ts";
import { store, type View } from "./ui_store.ts";

const POLL_MS = 1000;
const MAX_LINES = 500;

type Of<T extends LiveEvent["type"]> = Extract<LiveEvent, { type: T }>;

/** Everything that a live log has reported so far. */
class Watched {
  read = 0;
  run: Of<"run"> | undefined;
  readonly stages = new Map<string, Of<"stage"> & { at: number }>();
  readonly progress = new Map<
    string,
    Of<"progress"> & { from: number; since: number; at: number }
  >();
  readonly epochs = new Map<string, Of<"epoch">[]>();
  readonly log: string[] = [];

  constructor(readonly id: string) {}

  /** Reads on; returns true if there was something new. */
  async load(): Promise<boolean> {
    const response = await fetch(`/api/live/${this.id}?from=${this.read}`);
    const added = response.ok ? await response.text() : "";
    this.read += added.length;
    for (const line of added.split("\n").filter(Boolean)) {
      const { at, events } = JSON.parse(line) as LiveLine;
      for (const event of events) this.#take(event, at);
    }
    return added !== "";
  }

  #take(event: LiveEvent, at: number): void {
    if (event.type === "run") this.run = event;
    else if (event.type === "stage") this.stages.set(event.id, { ...event, at });
    else if (event.type === "log") this.log.push(event.text);
    else if (event.type === "epoch") {
      this.epochs.set(event.id, [...this.epochs.get(event.id) ?? [], event]);
      const numbers = Object.entries(event.numbers).map(([name, n]) => `${name} ${text(n)}`).join(
        " ",
      );
      this.log.push(`  ${event.id}: epoch ${event.epoch}/${event.epochs} ${numbers}`);
    } else {
      const old = this.progress.get(event.id);
      const same = old?.total === event.total && old.unit === event.unit && event.done >= old.done;
      const { from, since } = same ? old : { from: event.done, since: at };
      this.progress.set(event.id, { ...event, from, since, at });
    }
    if (this.log.length > MAX_LINES) this.log.shift();
  }

  /** Returns the stages. @param alive false for a run whose process has ended */
  graph(alive: boolean): GraphStage[] {
    return (this.run?.stages ?? []).map(({ id, after }) => {
      const { status = "waits", why = "", seconds, at = 0 } = this.stages.get(id) ?? {};
      if (status !== "running") return { id, after, status, why, seconds };
      if (!alive) return { id, after, status: "interrupted", why };
      const part = this.progress.get(id);
      const passed = (Date.now() - at) / 1000;
      if (!part || part.total === 0) return { id, after, status, why, seconds: passed };
      const left = (part.at - part.since) / (part.done - part.from) * (part.total - part.done);
      const note = Number.isFinite(left) && left > 0 ? `${duration(left / 1000)} left` : "";
      return { id, after, status, why, note, progress: part.done / part.total };
    });
  }

  /** Two charts of each training: losses, and metrics. */
  get charts(): Node[] {
    return [...this.epochs].flatMap(([stage, epochs]) => {
      const names = Object.keys(epochs[0]!.numbers).filter((name) => name !== "learning_rate");
      return [true, false].map((loss) => {
        const chosen = names.filter((name) => /(^|_)loss$/.test(name) === loss);
        const plain = chosen.filter((name) => !name.startsWith("val_"));
        return lines(
          `${stage}: ${plain.join(", ")}, epoch ${epochs.at(-1)!.epoch} of ${epochs[0]!.epochs}`,
          loss ? "loss" : plain.join(", "),
          chosen.map((name) => ({
            name: `${plain.length > 1 ? `${name.replace("val_", "")}, ` : ""}${
              name.startsWith("val_") ? "validation" : "training"
            }`,
            dashed: !name.startsWith("val_"),
            color: color(plain.indexOf(name.replace("val_", ""))),
            points: epochs.map(({ epoch, numbers }) => [epoch, numbers[name]!] as const),
          })),
        );
      });
    });
  }
}

export const liveView: View = {
  name: "live",
  title: "Live",
  show(root, params, signal) {
    let watched: Watched | undefined, drawn = "", stage: string | null | undefined;
    root.append(dom`<h1 class="unseen">Live</h1><div id="live"></div>`);
    const place = root.querySelector("#live")!;
    const tick = async () => {
      if (signal.aborted) return;
      const running = store.runs.filter(({ state }) => state === "running");
      const id = params.get("id") ?? running[0]?.id ?? watched?.id;
      if (id !== undefined && id !== watched?.id) watched = new Watched(id);
      const changed = document.visibilityState === "visible" &&
        await watched?.load().catch(() => false);
      if (signal.aborted) return;
      const run = store.runs.find((one) => one.id === id);
      const state = [...running.map(({ id }) => id), id, run?.state].join();
      if (watched && (changed || state !== drawn)) {
        drawn = state;
        const alive = run?.state === "running";
        const links = running.map((run) =>
          dom`<li><a href="#live?id=${run.id}" aria-current="${run.id === id}">${run.name}
            ${run.id}</a> <small>${settingsOf(run)}</small></li>`
        );
        const held = place.querySelector("pre");
        const bottom = !held || held.scrollTop + held.clientHeight > held.scrollHeight - 30;
        const scrolled = [place.querySelector(".graph")?.scrollLeft ?? 0, held?.scrollTop ?? 0];
        const ended = !alive &&
          dom`<p class="notice">Run ${watched.id} is over: <a href="#runs">Runs</a> lists it.${
            run?.state === "interrupted" &&
            ` Its process ended before the run did; deno task run ${run.name} resumes.`
          }</p>`;
        place.replaceChildren(dom`${ended}<ul class="at-work">${links}</ul>
          ${stageGraph(watched.graph(alive))}<div class="grid">${watched.charts}</div><h2>Log</h2>
          <pre tabindex="0">${watched.log.join("\n")}</pre>`);
        const log = place.querySelector("pre")!, graph = place.querySelector(".graph")!;
        log.scrollTop = bottom ? log.scrollHeight : scrolled[1]!;
        graph.scrollLeft = scrolled[0]!;
        const box = graph.querySelector(".running"), now = box?.querySelector("b")?.textContent;
        if (now !== stage) box?.scrollIntoView({ block: "nearest", inline: "center" });
        stage = now;
      } else if (!watched && place.childElementCount === 0) {
        place.append(dom`<p>No run is at work. Start one in a terminal, such as
          <code>deno task run pipeline</code>; it appears here.</p>`);
      }
      setTimeout(tick, POLL_MS);
    };
    tick();
  },
};

/** "trainGender.dropout 0.3, seed 2" */
const settingsOf = ({ settings, seeds }: UiRun) =>
  Object.entries({ ...settings, ...seeds }).map(([name, value]) => `${name} ${text(value)}`)
    .join(", ");

/** Stages that a dry run would run, with the reasons. */
export const whyView: View = {
  name: "why",
  title: "Why",
  show(root, params) {
    const chosen = params.get("pipeline") ?? "";
    const links = store.about.pipelines.map((name) =>
      dom`<a class="button" href="#why?pipeline=${name}">${name}</a> `
    );
    root.append(dom`<h1 class="unseen">Why</h1><p>A dry run prints which stages would run, and why.
      It changes nothing. ${links}</p>`);
    if (chosen !== "") root.append(later(dryRun(chosen)));
  },
};

async function dryRun(pipeline: string): Promise<Node> {
  const { stages } = await get<{ stages: { id: string; status: string; why: string }[] }>(
    "/api/why",
    { pipeline },
  );
  const known = store.runs.find(({ name }) => name === pipeline)?.stages ?? [];
  const all = stages.map(({ id, status, why }, i): GraphStage => {
    const run = why.startsWith("runs: ");
    const after = known.find((one) => one.id === id)?.after ??
      stages.slice(i - 1, i).map((s) => s.id);
    return { id, after, why, status: run ? "runs" : status };
  });
  const rows = all.map(({ id, status, why }) =>
    dom`<tr><th scope="row">${id}</th><td>${status}</td><td>${
      why !== status && why.replace("runs: ", "")
    }</td></tr>`
  );
  return dom`<h2>${pipeline}</h2>${stageGraph(all)}<div class="wide"><table>${rows}</table></div>`;
}
