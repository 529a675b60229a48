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

/** State of wiring. */
interface Wiring extends Parts {
  readonly byId: ReadonlyMap<string, ConfiguredStage>;
  /** Kind → outputs of that kind, in the order of the stages. */
  readonly makers: ReadonlyMap<string, readonly Edge[]>;
  /** Replaced output (`stage.output`) → id of the stage that replaces it. */
  readonly replaced: Map<string, string>;
  readonly problems: Problem[];
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
  const makers = Map.groupBy(
    config.stages.flatMap(({ id, stage }) =>
      Object.keys(stage.outputs).map((output): Edge => ({ stage: id, output }))
    ),
    ({ stage, output }) => byId.get(stage)!.stage.outputs[output]!.kind,
  );
  const wiring: Wiring = { ...config, byId, makers, replaced: new Map(), problems };
  for (const stage of config.stages) {
    if (stage.replaces !== undefined && problems.length < MAX_PROBLEMS) replace(stage, wiring);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const planned = config.stages.map((stage): PlannedStage => {
    if (problems.length >= MAX_PROBLEMS) return { ...stage, wires: {}, after: [] };
    const wires: Record<string, Edge | readonly Edge[]> = {};
    for (const name of Object.keys(stage.inputs)) {
      if (!Object.hasOwn(stage.stage.inputs, name)) {
        const known = Object.keys(stage.stage.inputs);
        problems.push({
          at: config.source.at(["stages", stage.id, "inputs", name], true),
          message: `${stage.use} has no input ${quote(name)}.${didYouMean(name, known)} ` +
            (known.length > 0 ? `It has ${joinWords(known)}.` : "It takes none."),
        });
      }
    }
    for (const [name, wanted] of Object.entries(stage.stage.inputs)) {
      const found = wire(stage, name, wanted, wiring);
      if (found) wires[name] = found;
    }
    const after = [...new Set(Object.values(wires).flat().map((source) => source.stage))];
    return { ...stage, wires, after };
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return order(planned, config);
}

/** Records the outputs that a stage replaces. */
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
    report(
      `there is no stage "${maker}".${didYouMean(maker!, known)} There are ${joinWords(known)}.`,
    );
  } else {
    const outputs = Object.entries(byId.get(maker!)!.stage.outputs)
      .filter(([output]) => only === undefined || only === output);
    const kinds = turnedBy(stage.stage);
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
  { source, byId, replaced, problems, ...wiring }: Wiring,
): Edge | readonly Edge[] | undefined {
  const takesAll = "all" in wanted;
  const { kind } = takesAll ? wanted.all : wanted;
  const makers = (wiring.makers.get(kind) ?? []).filter((other) => other.stage !== stage.id);
  const nameOf = ({ stage, output }: Edge) => {
    const { outputs } = byId.get(stage)!.stage;
    const same = Object.keys(outputs).filter((other) => outputs[other]!.kind === kind);
    return outputName({ stage, output }, same.map((output) => ({ stage, output })));
  };
  const isReplaced = !takesAll &&
    makers.some((other) => replaced.get(`${other.stage}.${other.output}`) === stage.id);
  const written = stage.inputs[name] ?? (isReplaced ? stage.replaces : undefined);
  if (written !== undefined) {
    const place = stage.inputs[name] !== undefined ? ["inputs", name] : ["replaces"];
    const at = source.at(["stages", stage.id, ...place]);
    const ids = Array.isArray(written) ? written as string[] : [written as string];
    if (!takesAll && ids.length !== 1) {
      problems.push({ at, message: `${stage.use} takes one ${quote(kind)}, got ${ids.length}.` });
      return undefined;
    }
    const wires = ids.map((id) => {
      const [maker, output] = id.split(".");
      const found = makers.filter((source) =>
        source.stage === maker && (output === undefined || source.output === output)
      );
      if (found.length > 1 && !takesAll) {
        const meant = found.map(nameOf);
        problems.push({
          at,
          message: `stage "${maker}" makes more than one ${quote(kind)}. Write ${
            joinWords(meant, "or")
          }.`,
        });
      } else if (found.length === 0) {
        const reason = id === stage.id
          ? "a stage cannot take what it makes itself."
          : byId.has(maker!)
          ? `stage "${id}" makes no ${quote(kind)}.`
          : `there is no stage "${maker}".${didYouMean(maker!, makers.map((made) => made.stage))}`;
        const names = makers.map(nameOf);
        const offer = names.length > 0
          ? ` ${joinWords(names)} ${names.length > 1 ? "make" : "makes"} it.`
          : "";
        problems.push({ at, message: `${reason}${offer}` });
      }
      return found.length === 1 || takesAll ? found : [];
    });
    if (wires.some(({ length }) => length === 0)) return undefined;
    return takesAll ? inOrder(wires.flat()) : wires[0]![0];
  }
  if (takesAll && wanted.named) return [];
  const at = source.at(["stages", stage.id], true);
  // What a stage replaces is not taken from its replacement, or it would wait for itself.
  const free = replaced.size === 0 ? makers : makers.filter((other) => {
    const by = replaced.get(`${other.stage}.${other.output}`);
    return (by === undefined || by === stage.id) && !chainOf(other.stage, byId).has(stage.id);
  });
  if (free.length === 0) {
    if (takesAll && wanted.orNone) return [];
    problems.push({
      at,
      message: `${stage.id} needs ${takesAll ? "at least one " : ""}${quote(kind)} ` +
        `(${lowerFirst((takesAll ? wanted.all : wanted).summary)}), and no other stage of the ` +
        "pipeline makes it. Add one that does.",
    });
    return undefined;
  }
  if (takesAll) return inOrder(free);
  if (free.length > 1) {
    // A stage that turns the kind into itself (a blur) was most likely added to be taken.
    const turns = ({ stage }: Edge) => turnedBy(byId.get(stage)!.stage).includes(kind);
    const meant = free.findLast(turns);
    const [first, ...others] = free.filter((other) => other !== meant).map(nameOf);
    const everywhere = meant && others.length === 0 && !byId.get(meant.stage)!.replaces
      ? `, or for all stages ${meant.stage}: { replaces: ${first} }`
      : "";
    problems.push({
      at,
      message:
        `${stage.id} needs one ${quote(kind)}, and ${joinWords(free.map(nameOf))} make one each. ` +
        `Choose one: ${stage.id}: { inputs: { ${name}: ${nameOf(meant ?? free.at(-1)!)} } }` +
        everywhere,
    });
    return undefined;
  }
  return free[0];
}

/** Returns an output as `inputs:` names it: its stage, with its name where the stage makes several. */
export function outputName({ stage, output }: Edge, others: readonly Edge[]): string {
  const alone = others.filter((other) => other.stage === stage).length < 2;
  return alone ? stage : `${stage}.${output}`;
}

/** Sorts by id, each once. */
function inOrder(wires: readonly Edge[]): Edge[] {
  const unique = new Map(wires.map((source) => [`${source.stage}.${source.output}`, source]));
  const before = (a: Edge, b: Edge) =>
    a.stage === b.stage ? a.output < b.output : a.stage < b.stage;
  return [...unique.values()].sort((a, b) => before(a, b) ? -1 : 1);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Sorts topologically, in the YAML's order where possible. */
function order(stages: readonly PlannedStage[], config: Parts): PlannedStage[] {
  const ordered: PlannedStage[] = [];
  const done = new Set<string>();
  let waiting = [...stages];
  while (waiting.length > 0) {
    const ready = waiting.find((stage) => stage.after.every((id) => done.has(id)));
    if (!ready) {
      const cycle = findCycle(waiting);
      throw new ConfigError([{
        at: config.source.at(["stages", cycle[0]!], true),
        message: `these stages wait for each other: ${[...cycle, cycle[0]].join(" → ")}. ` +
          "Change the inputs of one of them.",
      }]);
    }
    ordered.push(ready);
    done.add(ready.id);
    waiting = waiting.filter((stage) => stage !== ready);
  }
  return ordered;
}

/** Returns the ids along a cycle, each before the one that takes from it. */
function findCycle(waiting: readonly PlannedStage[]): string[] {
  const byId = new Map(waiting.map((stage) => [stage.id, stage]));
  const seen: string[] = [];
  let id = waiting[0]!.id;
  while (!seen.includes(id)) {
    seen.push(id);
    id = byId.get(id)!.after.find((other) => byId.has(other))!;
  }
  return seen.slice(seen.indexOf(id)).reverse();
}

/** Returns the ids of a stage and of all it takes from, directly or not. */
export function ancestors(plan: Plan, id: string): Set<string> {
  const found = new Set<string>([id]);
  for (const stage of plan.stages.toReversed()) {
    if (found.has(stage.id)) stage.after.forEach((other) => found.add(other));
  }
  return found;
}

/** Returns the ids of a stage and of all that take from it, directly or not. */
export function descendants(plan: Plan, id: string): Set<string> {
  const found = new Set<string>([id]);
  for (const stage of plan.stages) {
    if (stage.after.some((other) => found.has(other))) found.add(stage.id);
  }
  return found;
}

/** Returns the stages as a Mermaid flowchart. */
export function mermaid(plan: Plan): string {
  const lines = ["flowchart LR"];
  for (const { id, use, stage } of plan.stages) {
    const label = id === use ? id : `${id}<br/><small>${use}</small>`;
    lines.push(stage.service ? `  ${id}(["${label}"])` : `  ${id}["${label}"]`);
  }
  for (const { id, wires } of plan.stages) {
    for (const source of Object.values(wires).flat()) {
      lines.push(`  ${source.stage} -- ${source.output} --> ${id}`);
    }
  }
  return lines.join("\n");
}
