/** Plans: wires outputs to inputs by kind of artifact, and sorts the stages topologically. */
import type { Config } from "./config/config.ts";
import { ConfigError, didYouMean, joinWords, MAX_PROBLEMS, type Problem, quote } from "./errors.ts";
import type { All, Kind, Stage } from "./stage.ts";
import type { ConfiguredStage } from "./config/stage_config.ts";

/** An output of another stage that an input takes. */
export interface Edge {
  readonly stage: string;
  readonly output: string;
}

export interface PlannedStage extends ConfiguredStage {
  /** Input → the output that it takes; a list when it takes all of a kind. */
  readonly wires: Readonly<Record<string, Edge | readonly Edge[]>>;
  /** Ids of the stages that its inputs come from. */
  readonly after: readonly string[];
}

export interface Plan extends Omit<Config, "stages"> {
  /** In topological order. */
  readonly stages: readonly PlannedStage[];
}

/** The part of a config that wiring needs. */
type Parts = Pick<Config, "stages" | "source">;

interface Wiring extends Parts {
  readonly byId: ReadonlyMap<string, ConfiguredStage>;
  /** Kind → outputs of that kind, in the order of the stages. */
  readonly makers: ReadonlyMap<string, readonly Edge[]>;
  /** Replaced output (`stage.output`) → id of the stage that replaces it. */
  readonly replaced: Map<string, string>;
  /** Inputs that several outputs could be taken for, by the names of these. */
  readonly choices: Map<string, Choice>;
  readonly problems: Problem[];
}

interface Choice {
  readonly kind: string;
  readonly free: readonly Edge[];
  /** Stage id → its input. */
  readonly takers: Map<string, string>;
}

/** Wires and sorts a pipeline. @throws {ConfigError} on missing or ambiguous inputs and cycles */
export function createPlan(config: Config): Plan {
  return { ...config, stages: wireAll(config) };
}

/** Returns the problems with which `createPlan` would fail. */
export function wiringProblems(config: Parts): readonly Problem[] {
  try {
    wireAll(config);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function wireAll(config: Parts): PlannedStage[] {
  const problems: Problem[] = [];
  const byId = new Map(config.stages.map((stage) => [stage.id, stage]));
  const edges = config.stages.flatMap(({ id, definition }) =>
    Object.keys(definition.outputs).map((output): Edge => ({ stage: id, output }))
  );
  const kindOf = ({ stage, output }: Edge) => byId.get(stage)!.definition.outputs[output]!.kind;
  const makers = Map.groupBy(edges, kindOf);
  const choices: Wiring["choices"] = new Map();
  const wiring: Wiring = { ...config, byId, makers, replaced: new Map(), choices, problems };
  for (const stage of config.stages) {
    if (stage.replaces !== undefined && problems.length < MAX_PROBLEMS) replace(stage, wiring);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const planned = config.stages.map((stage): PlannedStage => {
    if (problems.length >= MAX_PROBLEMS) return { ...stage, wires: {}, after: [] };
    const wires: Record<string, Edge | readonly Edge[]> = {};
    const known = Object.keys(stage.definition.inputs);
    for (const name of Object.keys(stage.inputs).filter((name) => !known.includes(name))) {
      problems.push({
        at: config.source.at(["stages", stage.id, "inputs", name], true),
        message: `${stage.use} has no input ${quote(name)}.${didYouMean(name, known)} ` +
          (known.length > 0 ? `It has ${joinWords(known)}.` : "It takes none."),
      });
    }
    for (const [name, wanted] of Object.entries(stage.definition.inputs)) {
      const found = wire(stage, name, wanted, wiring);
      if (!found) continue;
      wires[name] = found;
      refuseOtherKind(stage, "all" in wanted ? wanted.all : wanted, [found].flat(), wiring);
    }
    const after = [...new Set(Object.values(wires).flat().map((source) => source.stage))];
    return { ...stage, wires, after };
  });
  problems.push(...choices.values().map((choice) => ambiguity(choice, wiring)));
  if (problems.length > 0) throw new ConfigError(problems);
  return order(planned, config);
}

function replace(stage: ConfiguredStage, { byId, source, replaced, problems }: Wiring): void {
  const { id, replaces } = stage;
  const report = (message: string) =>
    problems.push({ at: source.at(["stages", id, "replaces"]), message });
  const [maker, only] = replaces!.split(".");
  const chain = chainOf(id, byId);
  if (chain.has(id)) {
    report(`these stages replace each other: ${[id, ...chain].join(" → ")}`);
  } else if (!byId.has(maker!)) {
    const known = [...byId.keys()].filter((other) => other !== id);
    const near = didYouMean(maker!, known);
    report(`there is no stage "${maker}".${near} There are ${joinWords(known)}.`);
  } else {
    const outputs = Object.entries(byId.get(maker!)!.definition.outputs)
      .filter(([output]) => only === undefined || only === output);
    const kinds = turnedBy(stage.definition);
    const found = outputs.filter(([, { kind }]) => kinds.includes(kind));
    if (found.length === 0) {
      const made = joinWords(outputs.map(([, { kind }]) => quote(kind)), "or") || "its output";
      report(`${id} cannot replace ${replaces}: ${stage.use} does not turn ${made} into another.`);
    }
    for (const [output] of found) {
      const other = replaced.get(`${maker}.${output}`);
      if (other === undefined) replaced.set(`${maker}.${output}`, id);
      else {
        const wayOut = `To apply one after the other, write ${id}: { replaces: ${other} }.`;
        report(`${other} and ${id} both replace ${maker}. ${wayOut}`);
      }
    }
  }
}

/** Returns the ids of the stages that a stage replaces, directly or not. */
function chainOf(id: string, byId: Wiring["byId"]): Set<string> {
  const chain = new Set<string>();
  const next = (of: string) => byId.get(of)?.replaces?.split(".")[0];
  for (let at = next(id); at !== undefined && !chain.has(at); at = next(at)) chain.add(at);
  return chain;
}

/** Returns the kinds that a stage both takes and makes. */
export function turnedBy({ inputs, outputs }: Stage): string[] {
  const made = Object.values(outputs).map(({ kind }) => kind);
  return Object.values(inputs).flatMap((input) => "all" in input ? [] : [input.kind])
    .filter((kind) => made.includes(kind));
}

function wire(
  stage: ConfiguredStage,
  name: string,
  wanted: Kind | All,
  { source, byId, replaced, choices, problems, ...wiring }: Wiring,
): Edge | readonly Edge[] | undefined {
  const path = ["stages", stage.id];
  const reportAt = (at: Problem["at"], message: string) => {
    problems.push({ at, message });
    return undefined;
  };
  const takesAll = "all" in wanted;
  const { kind, summary } = takesAll ? wanted.all : wanted;
  const makers = (wiring.makers.get(kind) ?? []).filter((other) => other.stage !== stage.id);
  const named = (edge: Edge) => edgeName(edge, byId.get(edge.stage)!.definition);
  const replacerOf = ({ stage, output }: Edge) => replaced.get(`${stage}.${output}`);
  const isReplaced = !takesAll && makers.some((other) => replacerOf(other) === stage.id);
  const written = stage.inputs[name] ?? (isReplaced ? stage.replaces : undefined);
  if (written !== undefined) {
    const place = stage.inputs[name] !== undefined ? ["inputs", name] : ["replaces"];
    const report = (message: string) => reportAt(source.at([...path, ...place]), message);
    const ids = [written].flat();
    if (!takesAll && ids.length !== 1) {
      return report(`${stage.use} takes one ${quote(kind)}, got ${ids.length}.`);
    }
    const wires = ids.map((id) => {
      const [maker, output] = id.split(".");
      const found = makers.filter((source) =>
        source.stage === maker && (output === undefined || source.output === output)
      );
      if (found.length > 1 && !takesAll) {
        const meant = joinWords(found.map(named), "or");
        report(`stage "${maker}" makes more than one ${quote(kind)}. Write ${meant}.`);
      } else if (found.length === 0) {
        const reason = id === stage.id
          ? "a stage cannot take what it makes itself. Name another stage."
          : byId.has(maker!)
          ? `stage "${id}" makes no ${quote(kind)}.`
          : `there is no stage "${maker}".${didYouMean(maker!, makers.map((made) => made.stage))}`;
        const makes = makers.length > 1 ? "make" : "makes";
        const offer = makers.length > 0
          ? `${joinWords(makers.map(named))} ${makes} it.`
          : `No other stage makes a ${quote(kind)}: add one.`;
        report(`${reason} ${offer}`);
      }
      return found.length === 1 || takesAll ? found : [];
    });
    if (wires.some(({ length }) => length === 0)) return undefined;
    return takesAll ? inOrder(wires.flat()) : wires[0]![0];
  }
  if (takesAll && wanted.named) return [];
  // What a stage replaces is not taken from its replacement, or it would wait for itself.
  const free = replaced.size === 0 ? makers : makers.filter((other) => {
    const by = replacerOf(other);
    return (by === undefined || by === stage.id) && !chainOf(other.stage, byId).has(stage.id);
  });
  if (takesAll && (free.length > 0 || wanted.orNone)) return inOrder(free);
  if (free.length === 1) return free[0];
  const report = (message: string) => reportAt(source.at(path, true), message);
  if (free.length === 0) {
    return report(
      `${stage.id} needs ${takesAll ? "at least one " : ""}${quote(kind)} ` +
        `(${summary.charAt(0).toLowerCase()}${summary.slice(1)}), and no other stage of the ` +
        "pipeline makes it. Add one that does.",
    );
  }
  const names = [kind, ...free.map(named)].join(" ");
  choices.getOrInsert(names, { kind, free, takers: new Map() }).takers.set(stage.id, name);
  return undefined;
}

/** Two plugins may declare a kind of the same name with other files; some name none. */
function refuseOtherKind(
  { id, use }: ConfiguredStage,
  { kind, files, optional = [] }: Kind,
  edges: readonly Edge[],
  { byId, source, problems }: Wiring,
): void {
  for (const { stage, output } of edges) {
    const made = Object.keys(byId.get(stage)!.definition.outputs[output]!.files);
    const lacking = Object.keys(files)
      .find((name) => !optional.includes(name) && !made.includes(name));
    if (lacking === undefined || made.length === 0) continue;
    problems.push({
      at: source.at(["stages", id], true),
      message:
        `${use} takes ${quote(kind)} with a file ${quote(lacking)}, and that of ${stage} has ` +
        `${joinWords(made.map(quote))}: two plugins declare a kind of this name. Rename one.`,
    });
  }
}

/** Returns the problem that stages have to choose, at the only one, or at the stage to be taken. */
function ambiguity({ kind, free, takers }: Choice, { source, byId }: Wiring): Problem {
  const definitionOf = ({ stage }: Edge) => byId.get(stage)!.definition;
  const named = (edge: Edge) => edgeName(edge, definitionOf(edge));
  // A stage that turns the kind into itself (a blur) was most likely added to be taken.
  const turns = (edge: Edge) => turnedBy(definitionOf(edge)).includes(kind);
  const meant = free.findLast(turns) ?? free.at(-1)!, { use, replaces } = byId.get(meant.stage)!;
  const [first, ...others] = free.filter(({ stage }) => stage !== meant.stage);
  const [[id, input]] = [...takers], several = takers.size > 1;
  const [need, choose] = several
    ? ["need", "Choose one for each, as in"]
    : ["needs", "Choose one:"];
  const inPlace = !first || others.length > 0 || replaces
    ? ""
    : turns(meant)
    ? `, or for all stages ${meant.stage}: { replaces: ${named(first)} }`
    : several
    ? `, or for all stages ${first.stage}: { use: ${use}, ... } in place of ${meant.stage}`
    : "";
  return {
    at: source.at(["stages", several ? meant.stage : id], true),
    message: `${joinWords([...takers.keys()])} ${need} one ${quote(kind)}, and ` +
      `${joinWords(free.map(named))} make one each. ${choose} ` +
      `${id}: { inputs: { ${input}: ${named(meant)} } }${inPlace}`,
  };
}

/** Returns an output as `inputs:` names it: its stage, or `stage.output` if it makes several. */
export function edgeName(edge: Edge, { outputs }: Stage): string {
  const { kind } = outputs[edge.output]!;
  const same = Object.keys(outputs).filter((output) => outputs[output]!.kind === kind);
  return outputName(edge, same.map((output) => ({ stage: edge.stage, output })));
}

/** Returns an output by its stage, or as `stage.output` among others of the same stage. */
export function outputName({ stage, output }: Edge, others: readonly Edge[]): string {
  const alone = others.filter((other) => other.stage === stage).length < 2;
  return alone ? stage : `${stage}.${output}`;
}

/** Sorts by id, each once. */
function inOrder(edges: readonly Edge[]): Edge[] {
  const unique = new Map(edges.map((edge) => [`${edge.stage}.${edge.output}`, edge]));
  const before = (a: Edge, b: Edge) =>
    a.stage === b.stage ? a.output < b.output : a.stage < b.stage;
  return [...unique.values()].sort((a, b) => before(a, b) ? -1 : 1);
}

/** Sorts topologically, in the YAML's order where possible. */
function order(stages: readonly PlannedStage[], config: Parts): PlannedStage[] {
  const waiting = new Map(stages.map((stage) => [stage.id, stage]));
  const ordered: PlannedStage[] = [];
  while (waiting.size > 0) {
    const ready = waiting.values().find(({ after }) => !after.some((id) => waiting.has(id)));
    if (!ready) {
      const cycle = findCycle(waiting), circle = [...cycle, cycle[0]].join(" → ");
      throw ConfigError.at(
        config.source.at(["stages", cycle[0]!], true),
        `these stages wait for each other: ${circle}. Change the inputs of one of them.`,
      );
    }
    ordered.push(ready);
    waiting.delete(ready.id);
  }
  return ordered;
}

/** Returns the ids along a cycle, each before the one that takes from it. */
function findCycle(waiting: ReadonlyMap<string, PlannedStage>): string[] {
  const seen: string[] = [];
  let id = [...waiting.keys()][0]!;
  while (!seen.includes(id)) {
    seen.push(id);
    id = waiting.get(id)!.after.find((other) => waiting.has(other))!;
  }
  return seen.slice(seen.indexOf(id)).reverse();
}

/** Ids of stages; not any iterable, as a text would be one of letters. */
type Ids = readonly string[] | ReadonlySet<string>;

/** Returns the ids of stages and of all that they take from, directly or not. */
export function ancestors(plan: Plan, ids: Ids): Set<string> {
  const found = new Set(ids);
  for (const stage of plan.stages.toReversed()) {
    if (found.has(stage.id)) stage.after.forEach((other) => found.add(other));
  }
  return found;
}

/** Returns the ids of stages and of all that take from them, directly or not. */
export function descendants(plan: Plan, ids: Ids): Set<string> {
  const found = new Set(ids);
  for (const stage of plan.stages) {
    if (stage.after.some((other) => found.has(other))) found.add(stage.id);
  }
  return found;
}

/** Ids of stages, as the command line names them. */
export interface Selection {
  /** These stages and all that they need. */
  until?: readonly string[];
  /** These and all that need one of them. */
  from?: readonly string[];
  only?: readonly string[];
  /** Run even if cached. */
  force?: readonly string[];
}

/** Returns the ids of the stages to run, without services. */
export function select(plan: Plan, { until, from, only }: Selection): Set<string> {
  let ids = plan.stages.filter(({ definition }) => !definition.service).map(({ id }) => id);
  const keep = (wanted: ReadonlySet<string>) => ids = ids.filter((id) => wanted.has(id));
  if (until) keep(ancestors(plan, until));
  if (from) keep(descendants(plan, from));
  if (only) keep(new Set(only));
  return new Set(ids);
}

/** Returns the stages as a Mermaid flowchart. */
export function mermaid({ stages }: Plan): string {
  const boxes = stages.map(({ id, use, definition }) => {
    const label = id === use ? id : `${id}<br/><small>${use}</small>`;
    return definition.service ? `  ${id}(["${label}"])` : `  ${id}["${label}"]`;
  });
  const arrows = stages.flatMap(({ id, wires }) =>
    Object.values(wires).flat().map((wire) => `  ${wire.stage} -- ${wire.output} --> ${id}`)
  );
  return ["flowchart LR", ...boxes, ...arrows].join("\n");
}
