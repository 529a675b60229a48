/** The runs that the page knows, and their files, loaded when they are shown. */
import {
  areAlike,
  listMetrics,
  spreadOf,
  withoutOptions,
} from "../../../packages/pipeline/spread.ts";
import type { UiDetails, UiRun, UiRuns } from "../ui_api.ts";
import { get } from "./ui_dom.ts";

export interface View {
  readonly name: string;
  readonly title: string;
  /** Returns its content; `signal` is aborted when another view is shown. */
  show(params: URLSearchParams, signal: AbortSignal): Node;
  /** Called when it is shown and when runs change. */
  update?(): void;
}

export const store = {
  about: {
    artifacts: "",
    pipelines: [] as readonly string[],
    better: {} as Readonly<Record<string, "more" | "less">>,
  },
  runs: [] as readonly UiRun[],
  left: 0,

  /** Loads the runs; returns true if they have changed. */
  async load(): Promise<boolean> {
    const answer = await get<UiRuns>("/api/runs");
    const text = JSON.stringify(answer);
    if (text === this.text) return false;
    Object.assign(this, { text, runs: answer.runs, left: answer.left });
    return true;
  },
  text: "",
};

const details = new Map<string, UiDetails | null>();
/** Run → key of its details. */
let wanted = new Map<string, string>();
/** Maximum number of runs in a request for details. */
const MAX_IDS = 60;

/** Returns files of a run; without them, requests those of all runs that are wanted together. */
export function detailsOf(run: UiRun, loaded: () => void): UiDetails | undefined {
  const key = `${run.id} ${run.state}`;
  const known = details.get(key);
  if (known !== undefined) return known ?? undefined;
  if (wanted.size === 0) {
    setTimeout(async () => {
      // Rows that were scrolled past are requested when they are shown again.
      const asked = wanted, ids = [...wanted.keys()].slice(-MAX_IDS);
      for (const [id, key] of wanted) if (!ids.includes(id)) details.delete(key);
      wanted = new Map();
      const all = await get<Record<string, UiDetails>>("/api/details", { ids: ids.join(",") })
        .catch(() => undefined);
      // While the server is away, nothing is drawn: that would request them again at once.
      if (!all) return asked.forEach((key) => details.delete(key));
      // The state of a run may have changed meanwhile.
      for (const [id, key] of asked) if (all[id]) details.set(key, all[id]);
      loaded();
    }, 80);
  }
  wanted.set(run.id, key);
  details.set(key, null);
  return undefined;
}

/** Changes the view's address. Empty values are left out. */
export function setParams(changes: Readonly<Record<string, string>>, view?: string): void {
  const [name = "runs", query] = location.hash.slice(1).split("?");
  const params = new URLSearchParams(view === undefined ? query : "");
  for (const [key, value] of Object.entries(changes)) {
    if (value === "") params.delete(key);
    else params.set(key, value);
  }
  const hash = `#${view ?? name}${params.size > 0 ? `?${params}` : ""}`;
  if (view === undefined) history.replaceState(null, "", hash);
  else location.hash = hash;
}

/** Changes the address, and draws the view again. */
export function turn(changes: Readonly<Record<string, string>>): void {
  setParams(changes);
  dispatchEvent(new Event("hashchange"));
}

/** Runs that differ in seeds alone. */
export interface Row {
  readonly key: string;
  /** The newest first. */
  readonly runs: readonly UiRun[];
  readonly first: UiRun;
}

/** Groups runs by everything but their seeds, where `fold` is true. */
export function rowsOf(runs: readonly UiRun[], fold = true): Row[] {
  const groups = Map.groupBy(runs, ({ id, group }) => fold ? group : id);
  return [...groups].map(([key, runs]) => ({ key, runs, first: runs[0]! }));
}

/** Names what the runs of a row differ in: "seeds", "folds", or "runs" for both. */
export function repeatsOf({ runs }: Row): string {
  const names = Object.keys(runs[0]!.seeds).filter((name) =>
    new Set(runs.map(({ seeds }) => seeds[name])).size > 1
  );
  const folds = names.filter((name) => !/(^|\.)seed$/.test(name));
  return folds.length === 0 ? "seeds" : folds.length === names.length ? "folds" : "runs";
}

/** Returns spread and number of a metric over the runs of a row; undefined without a value. */
export function statsOf({ runs }: Pick<Row, "runs">, [model, split, metric]: readonly string[]) {
  return spreadOf(runs.map(({ id, metrics, stages }) => ({
    result: stages.find((stage) => stage.id === model!.split(".")[0])?.result ?? id,
    value: metrics[model!]?.[split!]?.[metric!],
  })));
}

/** Returns which values of a metric are better, if rows know it. */
export function betterOf(rows: readonly Row[], metric: string): "more" | "less" | undefined {
  const name = withoutOptions(metric);
  return store.about.better[name] ??
    rows.map(({ first: { better } }) => better?.[name]).find((one) => one !== undefined);
}

/**
 * Returns the best of a metric's means over rows. Choices are made on validation; of equal values none is
 * the best, nor where rows share less than half of their validation sets, as of folds and random splits.
 */
export function bestOf(rows: readonly Row[], path: readonly string[]): number | undefined {
  const [, split, metric] = path as [string, string, string];
  const measured = rows.filter((row) => statsOf(row, path));
  const means = measured.map((row) => statsOf(row, path)!.mean), better = betterOf(rows, metric);
  if (split !== "validation" || !better || means.length < 2) return undefined;
  const divisions = measured.map(({ runs }) => new Set(runs.map(({ division }) => division)));
  if (!areAlike(divisions)) return undefined;
  const best = (better === "more" ? Math.max : Math.min)(...means);
  return means.filter((mean) => mean === best).length === 1 ? best : undefined;
}

/**
 * Settings with several values among rows, or that some rows with their stage lack; code, data and
 * wiring only if asked for.
 */
export function variedOf(rows: readonly Row[], code = false): string[] {
  const names = new Set(rows.flatMap(({ first }) => Object.keys(first.settings)));
  return [...names].filter((name) => {
    const stage = name.split(/[.:]/)[0]!, ofCode = /: (code|data|packages|inputs)$/.test(name);
    const values = rows.filter(({ first: { settings, stages } }) =>
      settings[name] !== undefined ||
      !ofCode && stages.some(({ id, result }) => id === stage && result !== undefined)
    ).map(({ first }) => JSON.stringify(first.settings[name]));
    return (code || !ofCode) && new Set(values).size > 1;
  }).sort();
}

/** Metrics of runs as [model, split, metric]; test, training and losses only if asked for. */
export function metricsOf(runs: readonly UiRun[], show: ReadonlySet<string>): string[][] {
  const all = runs.flatMap(({ metrics }) => listMetrics(metrics)).filter(({ split, metric }) =>
    (split === "validation" || show.has(split)) && (metric !== "loss" || show.has("loss"))
  ).map(({ stage, split, metric }) => [stage, split, metric]);
  // Models of heads may have spaces in their names.
  const named = new Map(all.map((path) => [path.join(" "), path]));
  return [...named].sort(([a], [b]) => a < b ? -1 : 1).map(([, path]) => path);
}
