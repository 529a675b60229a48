/** Runs at work: their stages, progress, epochs and log, as they come; and dry runs. */
import { formatDuration } from "../../../packages/pipeline/format.ts";
import type { LiveEvent, LiveLine } from "../../../packages/pipeline/live_log.ts";
import type { RunRecord } from "../../../packages/pipeline/history.ts";
import { dom } from "../../serving/page_dom.ts";
import type { UiRun } from "../ui_api.ts";
import { color, DASHES, lines } from "./ui_charts.ts";
import { get, later, redraw, table, text } from "./ui_dom.ts";
import { store, type View } from "./ui_store.ts";

const POLL_MS = 1000;
const MAX_LINES = 500;

type Of<T extends LiveEvent["type"]> = Extract<LiveEvent, { type: T }>;

/** Everything that a live log has reported so far. */
class Watched {
  read = 0;
  run: Of<"run"> | undefined;
  readonly stages = new Map<string, Of<"stage"> & { at: number }>();
  readonly progress = new Map<string, Of<"progress"> & Record<"from" | "since" | "at", number>>();
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
      this.log.push(event.text);
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
      const note = Number.isFinite(left) && left > 0 ? `${formatDuration(left / 1000)} left` : "";
      return { id, after, status, why, note, progress: part.done / part.total };
    });
  }

  /** A chart for each loss and metric: heads of one network may have an accuracy and years. */
  get charts(): Node[] {
    return [...this.epochs].flatMap(([stage, epochs]) => {
      const names = [...new Set(epochs.flatMap(({ numbers }) => Object.keys(numbers)))]
        .filter((name) => name !== "learning_rate");
      return [...Map.groupBy(names, (name) => name.replace(/^val_/, ""))].map(([metric, sets]) =>
        lines(
          `${stage}: ${metric}, epoch ${epochs.at(-1)!.epoch} of ${epochs[0]!.epochs}`,
          metric,
          sets.map((name) => ({
            name: name === metric ? "training" : "validation",
            dash: DASHES[name === metric ? 1 : 0],
            color: color(0),
            points: epochs.flatMap(({ epoch, numbers: { [name]: value } }) =>
              value === undefined ? [] : [[epoch, value] as const]
            ),
          })),
        )
      );
    });
  }
}

export const liveView: View = {
  name: "live",
  title: "Live",
  show(params, signal) {
    let watched: Watched | undefined, drawn = "", stage: string | null | undefined;
    const place = document.createElement("div");
    const tick = async () => {
      if (signal.aborted) return;
      const running = store.runs.filter(({ state }) => state === "running");
      const id = params.get("id") ?? running[0]?.id ?? watched?.id;
      if (id !== undefined && id !== watched?.id) watched = new Watched(id);
      const run = store.runs.find((one) => one.id === id), alive = run?.state === "running";
      const state = [...running.map(({ id }) => id), id, run?.state].join();
      // The log of a run that is over is read once.
      const due = document.visibilityState === "visible" && (alive || state !== drawn);
      // While the server is away, nothing is drawn: a log would look as if it were removed.
      const changed = due ? await watched?.load().catch(() => undefined) : undefined;
      if (signal.aborted) return;
      if (watched && changed !== undefined && (changed || state !== drawn)) {
        drawn = state;
        const links = running.map((run) =>
          dom`<li><a href="#live?id=${run.id}" data-key="${run.id}" aria-current="${
            run.id === id
          }">${run.name}
            ${run.id}</a> <small>${listed({ ...run.settings, ...run.seeds })}</small></li>`
        );
        const held = place.querySelector("pre");
        const written = watched.log.join("\n");
        const bottom = !held || held.scrollTop + held.clientHeight > held.scrollHeight - 30;
        const scrolled = [place.querySelector(".graph")?.scrollLeft ?? 0, held?.scrollTop ?? 0];
        const ended = !alive &&
          dom`<p class="notice">Run ${watched.id} is over: <a href="#runs">Runs</a> ${
            run ? "lists it." : "does not list it."
          }${
            run?.state === "interrupted" &&
            ` Its process ended before the run did; deno task run ${run.name} resumes.`
          }${written === "" && " Its log is no longer there."}</p>`;
        const view = dom`${ended}<ul class="at-work">${links}</ul>
          ${stageGraph(watched.graph(alive))}<div class="grid">${watched.charts}</div>${
          written && dom`<h2>Log</h2><pre tabindex="0" data-key="log" role="region"
            aria-label="Log">${written}</pre>`
        }`;
        redraw(() => place.replaceChildren(view));
        const log = place.querySelector("pre"), graph = place.querySelector(".graph")!;
        if (log) log.scrollTop = bottom ? log.scrollHeight : scrolled[1]!;
        graph.scrollLeft = scrolled[0]!;
        const box = graph.querySelector(".running"), now = box?.querySelector("b")?.textContent;
        if (now !== stage) box?.scrollIntoView({ block: "nearest", inline: "center" });
        stage = now;
      } else if (watched && alive) {
        // Time passes also where a stage reports nothing.
        const old = place.querySelector(".graph"), graph = stageGraph(watched.graph(alive));
        const left = old?.scrollLeft ?? 0;
        redraw(() => old?.replaceWith(graph));
        if (old) place.querySelector(".graph")!.scrollLeft = left;
      } else if (!watched && place.childElementCount === 0) {
        place.append(dom`<p>No run is at work. Start one in a terminal, such as
          <code>deno task run pipeline</code>; it appears here.</p>`);
      }
      setTimeout(tick, POLL_MS);
    };
    tick();
    return place;
  },
};

/** "trainGender.dropout 0.3, seed 2" */
const listed = (settings: UiRun["settings"]) =>
  Object.entries(settings).map(([name, value]) => `${name} ${text(value)}`).join(", ");

/** Stages that a dry run would run, with the reasons. */
export const whyView: View = {
  name: "why",
  title: "Why",
  show(params, signal) {
    const chosen = params.get("pipeline") ?? "";
    const links = store.about.pipelines.map((name) =>
      dom`<a class="button" href="#why?${
        new URLSearchParams({ pipeline: name }).toString()
      }">${name}</a> `
    );
    return dom`<p>A dry run prints which stages would run, and why.
      It changes nothing. ${links}</p>${chosen && later(dryRun(chosen, signal))}`;
  },
};

async function dryRun(pipeline: string, signal: AbortSignal): Promise<Node> {
  type DryRun = Pick<RunRecord, "stages">;
  /** The runs of a sweep have the stages. */
  type Answer = DryRun & { runs?: (DryRun & { values: UiRun["settings"] })[] };
  const answer = await get<Answer>("/api/why", { pipeline }, signal);
  const runs = answer.runs ?? [{ ...answer, values: {} }];
  return dom`<h2>${pipeline}</h2>${
    runs.map(({ values, stages }) => {
      const all = stages.map(({ id, after = [], status, why, cause }): GraphStage => {
        const run = cause === "runs" || cause === "waits";
        return { id, after, why, status: run ? "runs" : status };
      });
      const rows = all.map(({ id, status, why }) => {
        const reason = status === "runs" ? why.replace("runs: ", "") : why;
        return [id, status, reason !== status && reason];
      });
      const title = listed(values);
      return dom`${title && dom`<h3>${title}</h3>`}${stageGraph(all, title)}
        ${table(`Reasons ${title}`, ["stage", "state", "why"], rows)}`;
    })
  }`;
}

interface GraphStage {
  readonly id: string;
  readonly after: readonly string[];
  readonly status: string;
  readonly why: string;
  readonly seconds?: number;
  /** From 0 to 1. */
  readonly progress?: number;
  readonly note?: string;
}

const [WIDTH, HEIGHT, GAP_X, GAP_Y] = [148, 58, 24, 14];

/** Draws stages in columns: each one right of all that it takes from. */
function stageGraph(stages: readonly GraphStage[], of = ""): Node {
  // Stages are in the order of execution.
  const depths = new Map<string, number>(), above = new Map<string, ReadonlySet<string>>();
  for (const { id, after } of stages) {
    depths.set(id, Math.max(-1, ...after.map((one) => depths.get(one) ?? -1)) + 1);
    above.set(id, new Set(after.flatMap((one) => [one, ...above.get(one) ?? []])));
  }
  const columns = Map.groupBy(stages, ({ id }) => depths.get(id)!);
  const places = new Map(
    [...columns].flatMap(([column, list]) =>
      list.map(({ id }, i) => [id, [column * (WIDTH + GAP_X), i * (HEIGHT + GAP_Y)]] as const)
    ),
  );
  const edges = stages.flatMap(({ id, after }) =>
    after.filter((one) =>
      // Arrows that follow from others are left out.
      places.has(one) && !after.some((other) => above.get(other)?.has(one))
    ).map((one) => {
      const [x1, y1] = places.get(one)!, [x2, y2] = places.get(id)!;
      const [from, to, middle] = [y1 + HEIGHT / 2, y2 + HEIGHT / 2, x2 - GAP_X / 2];
      return `M${x1 + WIDTH},${from}C${middle},${from} ${middle},${to} ${x2},${to}`;
    })
  );
  const rows = Math.max(0, ...[...columns.values()].map(({ length }) => length));
  const [width, height] = [columns.size * (WIDTH + GAP_X) - GAP_X, rows * (HEIGHT + GAP_Y)];
  const boxes = stages.map(({ id, status, why, seconds, progress, note }) => {
    const state = progress === undefined ? status : `${Math.floor(progress * 100)} %`;
    const box = dom`<li class="stage-box ${status}" title="${id} ${why}"><b>${id}</b>
      <span>${state} ${seconds ? formatDuration(seconds) : ""} ${note}</span>${
      progress !== undefined && dom`<progress value="${progress}" aria-label="${id}"></progress>`
    }</li>`.firstElementChild as HTMLElement;
    const [x, y] = places.get(id)!;
    box.style.translate = `${x}px ${y}px`;
    return box;
  });
  return dom`<div class="graph" tabindex="0" data-key="graph" role="region" aria-label="Stages ${of}">
    <svg width="${width}" height="${height}" aria-hidden="true"><path d="${edges.join("")}"/></svg>
    <ul>${boxes}</ul></div>`;
}
