/** A table of runs: what varies, metrics with spread or interval, curves, state. */
import { cautionLines, counted } from "../../../packages/pipeline/causes.ts";
import { didYouMean } from "../../../packages/pipeline/did_you_mean.ts";
import { formatDuration } from "../../../packages/pipeline/format.ts";
import { withoutOptions } from "../../../packages/pipeline/spread.ts";
import { byId, dom, part, stored } from "../../serving/page_dom.ts";
import { compareCells, type UiRun } from "../ui_api.ts";
import { sparkline } from "./ui_charts.ts";
import { date, number, range, redraw, table, text, withValue } from "./ui_dom.ts";
import {
  bestOf,
  detailsOf,
  metricsOf,
  repeatsOf,
  type Row,
  rowsOf,
  setParams,
  statsOf,
  store,
  variedOf,
  type View,
} from "./ui_store.ts";

/** Height of a row, fixed in ui_style.css: only rows in view are drawn. */
const ROW = 2.875 * parseFloat(getComputedStyle(document.documentElement).fontSize);
const SHOWN = { test: "test results", train: "training set", loss: "loss", code: "code and data" };
/** Number of rows whose cautions are shown above the table. */
const CAUTIONED = 50;
const MARKS = { ok: "✓", failed: "✗", running: "▶", interrupted: "!", damaged: "✗" };

const pins = stored<string[]>("pins", []);
const notes = stored<Record<string, string>>("notes", {});

interface Column {
  readonly key: string;
  readonly head?: unknown;
  value(row: Row): unknown;
  cell?(row: Row): unknown;
}

let query = "", sort = "-ended", fold = true, active = 0;
let show = new Set<string>(), picked = new Set<string>();
/** Scroll position that rows were last drawn for. */
let drawnAt = 0;
let rows: Row[] = [], columns: Column[] = [];
/** Keys of rows that differ from a newer one in code or data alone. */
let older = new Set<string>();

export const runsView: View = {
  name: "runs",
  title: "Runs",
  show(params) {
    const list = (name: string) => new Set((params.get(name) ?? "").split(",").filter(Boolean));
    [query, sort] = [params.get("q") ?? "", params.get("sort") ?? "-ended"];
    [show, picked, fold, active] = [list("show"), list("pick"), params.get("fold") !== "0", 0];
    const toggles = Object.entries(SHOWN).map(([key, label]) =>
      checkbox(label, show.has(key), (on) => {
        if (on) show.add(key);
        else show.delete(key);
        change({ show: [...show].join() });
      })
    );
    const folded = checkbox("fold seeds", fold, (on) => {
      fold = on;
      change({ fold: on ? "" : "0" });
    });
    const search = withValue((value) => change({ q: query = value }));
    // Eight rows are drawn in advance.
    const scroll = () => Math.abs(byId("box").scrollTop - drawnAt) > 5 * ROW && refill();
    return dom`<div class="tools"><input type="search" id="search" aria-label="Filter" value="${query}"
        placeholder="dropout>0.3 gender state=ok" @input=${search}>${folded}${toggles}
        <span class="actions" id="actions"></span></div>
      <p class="muted small" id="count"></p>
      <div class="wide runs" id="box" tabindex="0" role="region" aria-label="Table of runs"
        @scroll=${scroll}></div>
      <p class="muted small desk">Keys: / filter, ↑ ↓ move, space choose, p pin, Enter details,
        c compare.</p>`;
  },
  update() {
    arrange();
    redraw(draw);
  },
};

function checkbox(label: string, on: boolean, set: (on: boolean) => void): Node {
  const changed = ({ target }: Event) => set((target as HTMLInputElement).checked);
  return dom`<label><input type="checkbox" ${on && "checked"} @change=${changed}>${label}</label>`;
}

function change(changes: Record<string, string>): void {
  setParams(changes);
  active = byId("box").scrollTop = 0;
  runsView.update!();
}

/** Filters, groups and sorts. */
function arrange(): void {
  const runs = store.runs.filter((run) => matches(run, query));
  rows = rowsOf(runs, fold);
  const names = rows.flatMap(({ first: { state, name } }) => state === "damaged" ? [] : name);
  const several = new Set(names).size > 1;
  const varied = variedOf(rows, show.has("code"));
  const alike = Map.groupBy(
    rows.filter(({ first }) => first.state === "ok"),
    ({ first: { name, settings } }) => JSON.stringify([name, varied.map((key) => settings[key])]),
  );
  older = new Set(
    [...alike.values()].flatMap(([newest, ...rest]) =>
      rest.filter(({ first }) => first.group !== newest!.first.group).map(({ key }) => key)
    ),
  );
  columns = [
    { key: "ended", head: "date", value: ({ first }) => first.at, cell: dateCell },
    { key: "state", value: ({ first }) => first.state, cell: stateCell },
    ...(several ? [{ key: "pipeline", value: ({ first }: Row) => first.name }] : []),
    ...metricsOf(runs, show).map((path): Column => {
      const [model, split, metric] = path;
      const best = bestOf(rows, path);
      return {
        key: path.join(" "),
        head: headOf(`${model}.${metric}`, split),
        value: (row) => statsOf(row, path)?.mean,
        cell: (row) => metricCell(row, path, best),
      };
    }),
    ...varied.map((key): Column => ({
      key,
      head: headOf(key),
      value: ({ first }) => first.settings[key],
    })),
    { key: "curve", head: "validation curve", value: () => 0, cell: curveCell },
    {
      key: "took",
      value: ({ first }) => secondsOf(first),
      cell: ({ first }) => formatDuration(secondsOf(first)),
    },
    { key: "stages", value: ({ first }) => ranOf(first).length, cell: stagesCell },
  ];
  const column = columns.find(({ key }) => key === sort.replace(/^-/, "")) ?? columns[0]!;
  const sign = sort.startsWith("-") ? -1 : 1;
  const keyed = rows.map((row) => ({
    row,
    pin: isPinned(row) ? 0 : 1,
    value: column.value(row),
  }));
  keyed.sort((a, b) => a.pin - b.pin || compareCells(a.value, b.value, sign));
  rows = keyed.map(({ row }) => row);
}

/** "trainGender.dropout" in two lines. */
function headOf(name: string, second = ""): unknown {
  const [, stage, rest] = name.match(/^([^.:]+)[.:] ?(.+)$/) ?? [];
  return stage === undefined ? name : part`<small>${stage} ${second}</small><br>${rest}`;
}

/** Returns true if all words and conditions such as "dropout>0.3" hold. */
function matches(run: UiRun, query: string): boolean {
  return query.toLowerCase().split(/\s+/).filter(Boolean).every((term) => {
    const [, name, sign = "", wanted] = term.match(CONDITION) ?? [];
    if (name === undefined) return textOf(run).includes(term);
    return pairsOf(run).some(([key, value]) => {
      if (!isMeant(key, name)) return false;
      if (sign === "=" && text(value).toLowerCase() === wanted) return true;
      const above = typeof value === "number" ? value - Number(wanted) : NaN;
      if (above === 0) return sign.endsWith("=");
      return above < 0 ? sign.startsWith("<") : above > 0 && sign.startsWith(">");
    });
  });
}

const CONDITION = /^([^<>=]+)([<>]=?|=)(.+)$/;

/** Checks the end of a key; "cs" is "cs@5" as well. */
function isMeant(key: string, name: string): boolean {
  return [key, withoutOptions(key)].some((one) => one.toLowerCase().endsWith(name));
}

/** Returns an error for a condition on what no run has. */
function unknownIn(query: string): string {
  const keys = [...new Set(store.runs.flatMap(pairsOf).map(([key]) => key))];
  const names = query.toLowerCase().split(/\s+/).flatMap((term) =>
    term.match(CONDITION)?.[1] ?? []
  );
  const unknown = names.find((name) => !keys.some((key) => isMeant(key, name)));
  if (unknown === undefined) return "";
  const varied = variedOf(rowsOf(store.runs, false), true);
  const shown = keys.filter((key) =>
    varied.includes(key) || !store.runs.some(({ settings }) => Object.hasOwn(settings, key))
  );
  const ends = shown.map((key) => key.split(/[. ]/).at(-1)!);
  return `No column is called "${unknown}".${didYouMean(unknown, [...new Set(ends)])}`;
}

function pairsOf(run: UiRun): [string, unknown][] {
  const { settings, seeds, state, name, id } = run;
  return [
    ...Object.entries({ ...settings, ...seeds, state, pipeline: name, id, took: secondsOf(run) }),
    ...metricsOf([run], show).map((path): [string, unknown] => [
      path.join(" "),
      statsOf({ runs: [run] }, path)?.mean,
    ]),
  ];
}

const texts = new WeakMap<UiRun, string>();
function textOf(run: UiRun): string {
  const { id, name, state, problem = "", at, settings } = run;
  const words = () => [id, name, state, problem, date(at), ...Object.entries(settings).flat()];
  if (!texts.has(run)) texts.set(run, words().map(text).join(" ").toLowerCase());
  return `${texts.get(run)} ${noteOf({ first: run, runs: [run] }).toLowerCase()}`;
}

/** Keys of a row's pin and note. A run at work has its id, and joins a group when it has ended. */
const keysOf = ({ first, runs }: Pick<Row, "first" | "runs">) => [
  first.group,
  ...runs.map(({ id }) => id),
];

function noteOf(row: Pick<Row, "first" | "runs">): string {
  return keysOf(row).map((key) => notes.value[key]).find(Boolean) ?? "";
}

function isPinned(row: Row): boolean {
  return [row.key, ...keysOf(row)].some((key) => pins.value.includes(key));
}

function dateCell({ key, first }: Row): unknown {
  const note = older.has(key) && part`<small>other code or data</small>`;
  return part`<span class="number">${date(first.at)}${note}</span>`;
}

function metricCell(row: Row, path: readonly string[], best: number | undefined): unknown {
  const stats = statsOf(row, path);
  if (!stats) return "–";
  const interval = detailsOf(row.first, refill)?.intervals[`${path[0]} ${path[1]}`];
  const spread = stats.deviation !== undefined
    ? `± ${number(stats.deviation, false, stats.mean)}, ${stats.runs} ${repeatsOf(row)}`
    : /^(accuracy|mae)$/.test(path[2]!) && range(interval);
  const value = number(stats.mean, false);
  const marked = stats.mean === best ? part`<b title="best on validation">★ ${value}</b>` : value;
  return part`<span class="number">${marked}<small>${spread}</small></span>`;
}

function curveCell({ runs }: Row): unknown {
  const all = runs.slice(0, 5).flatMap((run) => detailsOf(run, refill)?.curves ?? []);
  return part`<span class="sparks">${
    [...Map.groupBy(all, ({ model }) => model)].sort(([a], [b]) => a < b ? -1 : 1).map(
      ([model, curves]) => {
        const label = `${model}: validation ${curves[0]!.metric} by epoch`;
        return sparkline(
          label,
          curves.map(({ columns, epochs, kept }) => ({
            kept,
            values: epochs.map((epoch) => epoch[columns.indexOf("val_metric")]!),
          })),
        );
      },
    )
  }</span>`;
}

function stateCell({ first: { state, problem = "" } }: Row): unknown {
  return part`<span class="state ${state}" title="${problem}">${MARKS[state]} ${state}</span>`;
}

const secondsOf = (run: UiRun) =>
  run.state === "running" ? (Date.now() - Date.parse(run.startedAt)) / 1000 : run.seconds;
const ranOf = ({ stages }: UiRun) =>
  stages.filter(({ status }) => status === "ran" || status === "failed");

function stagesCell({ first }: Row): unknown {
  const ran = ranOf(first);
  // A run ends at the first stage that does not succeed.
  const ids = ran.map(({ id, status }) => status === "failed" ? `${id} ${first.state}` : id);
  const line = first.problem ?? (ids.length > 3 ? `${ids.length} ran` : ids.join(", "));
  const reasons = ran.map(({ id, why }) => `${id}: ${why}`).join("\n");
  return part`<span class="why" title="${reasons}">${
    line || (first.state === "running" ? "at work" : "all cached")
  }</span>`;
}

function draw(): void {
  const runs = rows.reduce((sum, row) => sum + row.runs.length, 0);
  const left = store.left > 0 && `; reading ${counted(store.left, "more record")}`;
  const cautions = cautionLines(rows.slice(0, CAUTIONED).flatMap(({ runs }) => runs));
  const of = rows.length > CAUTIONED && cautions.length > 0 ? `First ${CAUTIONED} rows. ` : "";
  byId("count").replaceChildren(
    store.runs.length === 0
      ? dom`No run is in ${store.about.artifacts} yet: deno task run pipeline`
      : dom`${number(runs)} of ${counted(store.runs.length, "run")} in ${
        counted(rows.length, "row")
      }${left}.
        <span class="bad">${rows.length > 0 ? of + cautions.join(" ") : unknownIn(query)}</span>`,
  );
  const heads = columns.map(({ key, head = key }) => {
    if (key === "curve") return dom`<th scope="col">${head}</th>`;
    const direction = sort === key ? "ascending" : sort === `-${key}` ? "descending" : "none";
    const click = () => change({ sort: sort = sort === `-${key}` ? key : `-${key}` });
    return dom`<th scope="col" aria-sort="${direction}"><button data-key="by ${key}"
      @click=${click}>${head}</button></th>`;
  });
  const box = byId("box"), top = box.scrollTop;
  box.replaceChildren(dom`<table aria-rowcount="${rows.length + 1}">
    <thead><tr><th scope="col">run</th>${heads}</tr></thead>
    <tbody @keydown=${press}></tbody></table>`);
  fillRows(top);
  const n = store.runs.filter(({ id }) => picked.has(id)).length; // others were removed
  const clear = () => {
    picked.clear();
    change({ pick: "" });
  };
  byId("actions").replaceChildren(
    n > 1
      ? dom`<button data-key="compare runs" @click=${compare}>Compare ${n} runs</button>`
      : dom`<button disabled>Compare</button>`,
    n > 0 ? dom`<button data-key="clear" @click=${clear}>Clear</button>` : "",
  );
}

const refill = () => void requestAnimationFrame(() => redraw(fillRows));

/** @param top position to scroll to. Default: the one now */
function fillRows(top?: number): void {
  const box = document.getElementById("box");
  const body = box?.querySelector("tbody");
  if (!box || !body) return;
  drawnAt = top ?? box.scrollTop;
  const first = Math.max(0, Math.floor(drawnAt / ROW) - 8);
  const last = Math.min(rows.length, first + Math.ceil((box.clientHeight || 700) / ROW) + 16);
  const space = (n: number) =>
    part`<tr aria-hidden="true" class="space"><td colspan="${columns.length + 1}"
      height="${n * ROW}"></td></tr>`;
  const shown = rows.slice(first, last).map((row, i) => rowElement(row, first + i));
  body.replaceChildren(dom`${space(first)}${shown}${space(rows.length - last)}`);
  box.scrollTop = drawnAt;
}

function rowElement(row: Row, i: number): unknown {
  const { key, first: { id }, runs } = row, pinned = isPinned(row), note = noteOf(row);
  const others = runs.length - 1, chosen = isPicked(row);
  const cells = columns.map(({ value, cell }) => {
    const written = cell ? undefined : text(value(row));
    return part`<td title="${written}">${cell ? cell(row) : written}</td>`;
  });
  return part`<tr tabindex="${
    i === active ? 0 : -1
  }" data-row="${i}" data-key="run ${key}" aria-rowindex="${i + 2}"
    class="${pinned && "pinned"} ${chosen && "picked"}" @focus=${() => active = i}>
    <th scope="row"><button class="pick" tabindex="-1" role="checkbox" aria-label="Choose ${id}${
    others > 0 && ` and ${others} more`
  }"
      aria-checked="${String(chosen)}" @click=${() => choose(row)}></button>
    <button class="link" tabindex="-1" @click=${() => details(row)}>${id.slice(-8)}</button>
    ${others > 0 && part`<small>+${others}</small>`}
    ${pinned && part`<small>pinned</small>`}
    ${note && part`<small class="note" title="${note}">${note}</small>`}</th>${cells}</tr>`;
}

function focusRow(i: number): void {
  const box = byId("box");
  active = Math.max(0, Math.min(rows.length - 1, i));
  const top = active * ROW, lowest = top + 3 * ROW - box.clientHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (lowest > box.scrollTop) box.scrollTop = lowest;
  const find = () => box.querySelector<HTMLElement>(`tr[data-row="${active}"]`);
  if (!find()) fillRows();
  find()?.focus({ preventScroll: true });
}

function press(event: KeyboardEvent): void {
  const row = rows[active];
  const acts: Record<string, () => void> = {
    ArrowDown: () => focusRow(active + 1),
    ArrowUp: () => focusRow(active - 1),
    j: () => focusRow(active + 1),
    k: () => focusRow(active - 1),
    Home: () => focusRow(0),
    End: () => focusRow(rows.length - 1),
    ...(row && { " ": () => choose(row), p: () => pin(row), Enter: () => details(row) }),
  };
  const act = acts[event.key];
  if (event.ctrlKey || event.metaKey || event.altKey || !act) return;
  if ((event.target as HTMLElement).tagName !== "TR") return;
  event.preventDefault();
  act();
}

addEventListener("keydown", (event) => {
  const typing = (event.target as HTMLElement).closest?.("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || !document.getElementById("box")) return;
  if (event.key === "/") {
    event.preventDefault();
    byId("search").focus();
  } else if (event.key === "ArrowDown" && document.activeElement === document.body) {
    focusRow(active);
  } else if (event.key === "c" && picked.size > 1) compare();
});

const isPicked = ({ runs }: Row) => runs.every(({ id }) => picked.has(id));

/** Chooses all runs of a row, or none if all are chosen. */
function choose(row: Row): void {
  const ids = new Set(row.runs.map(({ id }) => id));
  picked = isPicked(row) ? picked.difference(ids) : picked.union(ids);
  setParams({ pick: [...picked].join() });
  byId("message").textContent = `${counted(picked.size, "run")} chosen`;
  redraw(draw);
}

function pin(row: Row): void {
  const own = [row.key, ...keysOf(row)], others = pins.value.filter((key) => !own.includes(key));
  pins.value = isPinned(row) ? others : [...others, row.key];
  pins.save();
  runsView.update!();
  focusRow(rows.findIndex(({ key }) => key === row.key));
}

/** Compares the chosen runs, the oldest first as after `deno task compare --last`. */
function compare(): void {
  const ids = store.runs.map(({ id }) => id).filter((id) => picked.has(id)).reverse();
  setParams({ ids: ids.join() }, "compare");
}

/** Opens a dialog on a row: reasons of its stages, its runs, a note. */
function details(row: Row): void {
  const { first, runs } = row;
  const { id, name, state, group, startedAt, stages } = first;
  const write = withValue((value) => {
    for (const key of keysOf(row)) delete notes.value[key];
    notes.value[group] = value;
    notes.save();
  });
  const problem = first.problem ?? detailsOf(first, () => {})?.problem;
  const [view, words] = stages.length > 0
    ? ["inside", "Look inside"]
    : ["live", state === "running" ? "Watch" : "Last log"];
  const seeds = (run: UiRun) =>
    Object.entries(run.seeds).map(([key, seed]) => `${key} ${text(seed)}`);
  byId("main").append(dom`<dialog aria-label="Run ${id}" @close=${(event: Event) => {
    (event.target as HTMLElement).remove();
    draw();
    focusRow(rows.findIndex(({ key }) => key === row.key));
  }}>
    <form method="dialog"><button class="close" aria-label="Close">✕</button></form>
    <h2>${name} <code>${id}</code></h2>
    ${problem && dom`<p class="notice">${problem}</p>`}
    <p>${state}, ${date(startedAt)}, ${formatDuration(secondsOf(first))}. ${
    state !== "damaged" && dom`<a href="#${view}?id=${id}">${words}</a>`
  }</p>
    <p><label for="note">Note, kept in this browser</label>
      <textarea id="note" rows="2" @change=${write}>${noteOf(row)}</textarea></p>
    ${
    stages.length > 0 && table(
      "Stages",
      ["stage", "state", "why", "took"],
      stages.map(({ id, status, why, seconds }) => [
        ...[id, status, why !== status && why, seconds > 0 && formatDuration(seconds)],
      ]),
    )
  }${
    runs.length > 1 && table(
      `Runs that differ in ${repeatsOf(row)}`,
      ["run", "seeds", "date", "state"],
      runs.map((run) => [
        ...[dom`<a href="#inside?id=${run.id}">${run.id}</a>`, seeds(run).join(", ")],
        ...[date(run.at), run.state],
      ]),
    )
  }</dialog>`);
  document.querySelector("dialog")!.showModal();
}
