/** Settings of recorded runs, in which they are compared with each other and with a plan. */
import type { ArtifactStore } from "./artifact_store.ts";
import { writtenKey } from "./cache/cache_key.ts";
import { ConfigError } from "./errors.ts";
import { canonicalJson, explainChanges, isRecord, sha256 } from "./fingerprint.ts";
import { nameOf } from "./find_runs.ts";
import type { RecordedStage, RunRecord } from "./history.ts";
import type { Plan } from "./plan.ts";
import { isSeed } from "./spread.ts";
import { readRecord } from "./stage_record.ts";

/** A setting of a run; runs of one experiment may differ in seeds. */
export interface Setting {
  readonly value: unknown;
  readonly seed?: boolean;
  /** Name of its stage, if it is one of a stage. */
  readonly stage?: string;
}

/**
 * Returns everything that a run's results depend on but the content of its data, by name: "seed",
 * "split" (its stage), "split.test", "split: code".
 * @param stageName names a stage. Default: its id
 */
export function settingsOf(
  { seed, compute, stages }: RunRecord,
  stageName: (id: string) => string = (id) => id,
): Map<string, Setting> {
  const settings = new Map<string, Setting>([["seed", { value: seed, seed: true }]]);
  if (compute) settings.set("compute", { value: compute.backend });
  for (const { id, use, dependencies, after } of stages) {
    if (!dependencies) continue;
    const stage = stageName(id);
    const put = (name: string, value: unknown) => settings.set(name, { value, stage });
    put(stage, use);
    if (dependencies.seed !== undefined && dependencies.seed !== seed) {
      settings.set(`${stage}.seed`, { value: dependencies.seed, seed: true, stage });
    }
    for (const [path, value] of leaves(dependencies.params)) {
      const name = `${stage}.${path}`;
      settings.set(name, { value, stage, ...(isSeed(name) && { seed: true }) });
    }
    put(`${stage}: inputs`, after?.map(stageName));
    put(`${stage}: data`, digits(dependencies.external));
    put(`${stage}: code`, digits(dependencies.modules));
    put(`${stage}: packages`, digits(dependencies.packages));
  }
  return settings;
}

/**
 * Returns the settings of a run for display: `settingsOf`, and values that it was given but no stage
 * records, such as paths, of which stages record the content.
 */
export function shownSettingsOf(
  run: RunRecord,
  stageName: (id: string) => string = (id) => id,
): Map<string, Setting> {
  const settings = settingsOf(run, stageName);
  for (const [given, value] of Object.entries(run.overrides ?? {})) {
    const name = given.replace(/^[^.]+/, stageName);
    if (settings.keys().some((one) => one === name || one.startsWith(`${name}.`))) continue;
    settings.set(name, { value, seed: isSeed(name, value) });
  }
  return settings;
}

/** Returns the values of settings by name: of seeds and folds, or of all others. */
export function valuesOf(
  settings: ReadonlyMap<string, Setting>,
  ofSeeds: boolean,
): Record<string, unknown> {
  const chosen = [...settings].filter(([, { seed = false }]) => seed === ofSeeds);
  return Object.fromEntries(chosen.map(([name, { value }]) => [name, value]));
}

/** Returns a hash that is equal for runs that differ in seeds or folds alone, or that of its seeds. */
export function settingKey(run: RunRecord, ofSeeds = false): string {
  return sha256(canonicalJson([nameOf(run), valuesOf(settingsOf(run), ofSeeds)]));
}

/** Yields the values of nested maps, each with its path: "earlyStopping.patience". */
export function* leaves(
  value: Readonly<Record<string, unknown>>,
  path = "",
): Generator<[string, unknown]> {
  for (const [key, inner] of Object.entries(value)) {
    if (isRecord(inner)) yield* leaves(inner, `${path}${key}.`);
    else yield [path + key, inner];
  }
}

/** Returns a short hash of code, packages or data. */
function digits(parts: Readonly<Record<string, string>>): string {
  return sha256(canonicalJson(parts)).slice(0, 7);
}

/** Stages of a plan as the YAML gives them, by id. */
export type WrittenStages = ReadonlyMap<
  string,
  ReturnType<typeof writtenKey> & Pick<RecordedStage, "after">
>;

/** Returns the stages of these ids as the YAML gives them. */
export function writtenStages(plan: Plan, ids: ReadonlySet<string>): WrittenStages {
  const stages = plan.stages.filter(({ id }) => ids.has(id));
  return new Map(
    stages.map((stage) => [stage.id, { ...writtenKey(stage, plan), after: stage.after }]),
  );
}

/**
 * Explains how a plan's stages differ from a run's record; undefined if they do not.
 * @param written if a plan does not take the run's values, it rejects with a ConfigError
 */
export async function editSince(
  { stages }: Pick<RunRecord, "stages">,
  written: Promise<WrittenStages>,
): Promise<string | undefined> {
  try {
    for (const [id, now] of await written) {
      const { dependencies, after } = stages.find((stage) => stage.id === id) ?? {};
      if (!dependencies) continue; // a new stage gives others new inputs
      const [change] = explainChanges(id, dependencies, { ...dependencies, ...now });
      if (change !== undefined) return change;
      // Records of earlier versions have no inputs.
      const same = after === undefined || canonicalJson(after) === canonicalJson(now.after);
      if (!same) return `${id} takes other inputs`;
    }
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems[0]!.message;
    throw error;
  }
}

/**
 * Names the validation sets of a run's models: their rows, and the sources of these. Stages between
 * them, such as one that resizes, change no set, and nor do test sets where the store has the split.
 */
export async function divisionOf(
  { stages, metrics }: Pick<RunRecord, "stages" | "metrics">,
  store: ArtifactStore,
): Promise<string> {
  const divided = stages.filter(({ dependencies }) => dependencies?.inputs.splits);
  const measured = new Set(Object.keys(metrics).map((key) => key.split(".")[0]!));
  // Models may be tested on other splits than they were trained with.
  const trained = divided.filter(({ id }) => measured.has(id));
  const rows = new Map((trained.length > 0 ? trained : divided).map(({ dependencies }) => {
    const { splits } = dependencies!.inputs;
    return [splits, splits];
  }));
  const sources: unknown[] = [], above = new Set<string>();
  for (const { id, use, after = [], outputs, dependencies, fingerprint } of stages.toReversed()) {
    let divides = outputs.splits !== undefined;
    if (divides && fingerprint) {
      const { splits } = (await readRecord(store.pathOf(use, fingerprint))).value?.outputs ?? {};
      const validation = splits?.files["validation.npy"];
      divides = !splits || rows.has(splits.digest);
      if (splits && divides && validation) rows.set(splits.digest, validation.sha256);
    }
    if (!divides && !above.has(id)) continue;
    after.forEach((one) => above.add(one));
    if (after.length === 0) sources.push([dependencies?.params, dependencies?.external]);
  }
  return sha256(canonicalJson([...new Set(rows.values()), sources])).slice(0, 12);
}

/** Returns the values that a sweep gave a run, with paths as they counted. */
export function sweptValues({ point = {}, overrides = {} }: RunRecord): Record<string, unknown> {
  const counted = (key: string, value: unknown) =>
    typeof value === "string" ? overrides[key.replace(/^stages\./, "")] ?? value : value;
  return Object.fromEntries(
    Object.entries(point).map(([key, value]) => [key, counted(key, value)]),
  );
}
