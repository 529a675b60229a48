/** The runs of an artifact folder in the short form of the page, read once per change. */
import { join } from "node:path";
import type { ArtifactStore } from "../../packages/pipeline/artifact_store.ts";
import { History, isInterrupted, type RunRecord } from "../../packages/pipeline/history.ts";
import { nameOf } from "../../packages/pipeline/find_runs.ts";
import {
  divisionOf,
  settingKey,
  shownSettingsOf,
  valuesOf,
} from "../../packages/pipeline/run_settings.ts";
import type { Metrics } from "../../packages/pipeline/stage.ts";
import { metricNamesOf } from "../evaluation/metrics.ts";
import { Problem } from "../serving/problem.ts";
import type { UiRun, UiRuns } from "./ui_api.ts";

/** Time of reading in ms after which an answer leaves further records to the next one. */
const BUDGET_MS = 400;

export class RunIndex {
  readonly #history: History;
  /** File → its date and size, and the run. */
  readonly #entries = new Map<string, { readonly stamp: string; readonly run: UiRun }>();
  #version = 0;
  #left = 0;
  #reading: Promise<void> | undefined;
  #answer = { version: -1, text: "" };

  constructor(readonly store: ArtifactStore) {
    this.#history = new History(store.folder);
  }

  /** Returns the runs as JSON, and a version that changes with them. */
  async answer(): Promise<{ text: string; version: number }> {
    await (this.#reading ??= this.#read().finally(() => this.#reading = undefined));
    if (this.#answer.version !== this.#version) {
      const all = inOnePiece([...this.#entries.values()].map(({ run }) => run));
      // Settings that not all successful runs share.
      const ended = all.filter(({ state }) => state === "ok").map(({ settings }) => settings);
      const valuesOf = (name: string) => new Set(ended.map((one) => JSON.stringify(one[name])));
      const varied = ended.flatMap(Object.keys).filter((name) => valuesOf(name).size > 1);
      // What a run at work was given is compared with all others.
      const given = all.flatMap(({ state, settings }) =>
        state === "running" ? Object.keys(settings) : []
      );
      const shown = new Set([...varied, ...given]);
      const runs = all.toSorted((a, b) => a.at < b.at ? 1 : -1).map((run) => ({
        ...run,
        settings: Object.fromEntries(
          Object.entries(run.settings).filter(([name]) => shown.has(name)),
        ),
      }));
      const answer: UiRuns = { runs, left: this.#left };
      this.#answer = { version: this.#version, text: JSON.stringify(answer) };
    }
    return this.#answer;
  }

  /** Returns the record of a run. @throws {Problem} if there is none */
  async record(id = ""): Promise<RunRecord> {
    await this.answer();
    const [name] = [...this.#entries].find(([, { run }]) => run.id === id) ?? [];
    const { value } = name === undefined ? {} : await this.#history.read(name);
    if (value) return value;
    const quoted = JSON.stringify(id.slice(0, 40));
    throw new Problem(404, "no_run", `There is no run ${quoted} with a readable record.`);
  }

  async #read(): Promise<void> {
    // Names begin with the date: the newest first.
    const names = (await this.#history.names()).sort().reverse();
    const there = new Set(names);
    for (const name of this.#entries.keys()) {
      if (there.has(name)) continue;
      this.#entries.delete(name);
      this.#version++;
    }
    let left = 0, spent = 0;
    for (const name of names) {
      const info = await Deno.stat(join(this.#history.folder, name)).catch(() => undefined);
      const entry = this.#entries.get(name);
      const stamp = `${info?.mtime?.getTime()} ${info?.size}`;
      // A run at work may die without a change of its file.
      if (entry?.stamp === stamp && entry.run.state !== "running") continue;
      if (spent > BUDGET_MS && !entry) {
        left++;
        continue;
      }
      const began = performance.now();
      const { value, problem } = await this.#history.read(name);
      spent += performance.now() - began;
      if (!value && problem === undefined) continue;
      const run = value
        ? shorten(value, await divisionOf(value, this.store))
        : damaged(name, problem!, info?.mtime ?? new Date());
      if (entry?.stamp === stamp && entry.run.state === run.state) continue;
      this.#entries.set(name, { stamp, run });
      this.#version++;
    }
    if (left !== this.#left) this.#version++;
    this.#left = left;
  }
}

function shorten(run: RunRecord, division: string): UiRun {
  const settings = shownSettingsOf(run);
  const failed = run.stages.filter(({ status }) => status === "failed");
  const interrupted = failed.length > 0 && failed.every(isInterrupted);
  return {
    id: run.id,
    name: nameOf(run),
    at: run.at,
    startedAt: run.startedAt ?? run.at,
    state: run.state ?? (run.ok ? "ok" : interrupted ? "interrupted" : "failed"),
    seconds: run.seconds,
    // A run without results has settings of its own.
    group: run.ok ? settingKey(run).slice(0, 12) : run.id,
    settings: valuesOf(settings, false),
    seeds: valuesOf(settings, true),
    metrics: printed(run),
    better: run.better,
    division,
    stages: run.stages.map(({ id, use, status, why, seconds, after, fingerprint }) => ({
      id,
      use,
      status,
      why,
      seconds,
      after,
      ...(fingerprint && { result: fingerprint.slice(0, 16) }),
    })),
    cautions: run.cautions ?? [],
  };
}

/** Returns metrics by the names that they are printed by. */
function printed({ metrics, stages }: RunRecord): Metrics {
  const entries = Object.entries(metrics).map(([model, splits]) => {
    const names = metricNamesOf(model, stages);
    const renamed = Object.entries(splits).map(([split, named]) => {
      const values = Object.entries(named).map(([key, value]) => [names[key] ?? key, value]);
      return [split, Object.fromEntries(values)];
    });
    return [model, Object.fromEntries(renamed)];
  });
  return Object.fromEntries(entries);
}

function damaged(name: string, problem: string, date: Date): UiRun {
  const id = name.replace(/\.json$/, ""), at = date.toISOString();
  const none = { ok: false, seconds: 0, seed: 0, stages: [], metrics: {} };
  const run = shorten({ id, pipeline: "?", at, ...none }, "");
  return { ...run, state: "damaged", problem, group: name, seeds: {} };
}

/** Joins the options of a map to one setting where another run has a plain value in its place. */
function inOnePiece(runs: readonly UiRun[]): readonly UiRun[] {
  const names = new Set(runs.flatMap(({ settings }) => Object.keys(settings)));
  const owners = new Map([...names].flatMap((name) => {
    const parts = name.split("."); // the first one is the stage
    const owner = parts.map((_, i) => parts.slice(0, i).join(".")).slice(2)
      .find((one) => names.has(one));
    return owner === undefined ? [] : [[name, owner] as const];
  }));
  if (owners.size === 0) return runs;
  return runs.map((run) => {
    const settings: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(run.settings)) {
      const owner = owners.get(name);
      if (owner === undefined) settings[name] = value;
      else Object.assign(settings[owner] ??= {}, { [name.slice(owner.length + 1)]: value });
    }
    return { ...run, settings };
  });
}
