/** deno task runs: what ran, when, with which metrics. */
import { join, resolve } from "node:path";
import { readCount } from "../arguments.ts";
import { list } from "../errors.ts";
import { identityNamed } from "../find.ts";
import { canonical } from "../fingerprint.ts";
import {
  byTime,
  cautionLines,
  findRun,
  History,
  nameOf,
  noteOf,
  pipelinesOf,
  type RunRecord,
  runsOf,
  settingsOf,
} from "../history.ts";
import { short, userFolder } from "../paths.ts";
import { type Call, EXIT } from "../program.ts";
import { clock } from "../reporter.ts";
import { scores } from "../scores.ts";
import { withoutSecrets } from "../secrets.ts";
import { Store } from "../store.ts";
import { labelOf } from "../sweep/grid.ts";
import { moment, table } from "../table.ts";

export default async function runs(call: Call): Promise<number> {
  const { values, names, reporter } = call;
  const artifacts = artifactsOf(call);
  const all = await listRuns(artifacts, reporter.line);
  if (values.forget) {
    const found = values.forget.map(async (name) => {
      const identity = await identityNamed(name, userFolder(), call.program.project);
      return findRun(name, all, { identity });
    });
    await forget(await Promise.all(found), artifacts);
    reporter.line(
      `forgot ${list([...new Set(values.forget)])}; deno task gc removes what only they used`,
    );
    return EXIT.ok;
  }
  const last = readCount("last", values);
  const chosen = names.length === 0 ? all : await ofPipelines(names, all, call);
  const listed = chosen.sort(byTime).slice(last === undefined ? 0 : -last);
  if (values.json) {
    console.log(JSON.stringify(withoutSecrets({ ok: true, runs: listed })));
  } else if (listed.length === 0) {
    reporter.line("nothing has run yet: deno task run pipeline");
  } else {
    cautionLines(listed).forEach((text) => reporter.line(reporter.paint.warning(text)));
    const head = ["run", "ended", "pipeline", "took", "values", "result"];
    const pipelineOf = pipelinesOf(all);
    const rows = listed.map((run) => {
      const own = all.filter((other) => pipelineOf(other) === pipelineOf(run));
      const before = own.slice(0, own.indexOf(run)).findLast(({ stages }) => stages.length > 0);
      return rowOf(run, valuesOf(run, before));
    });
    table([head, ...rows], [3], reporter.columns()).forEach(reporter.line);
  }
  return EXIT.ok;
}

/** The artifact folder that a command is about. */
export function artifactsOf({ values, program }: Pick<Call, "values" | "program">): string {
  return values.artifacts === undefined
    ? join(program.project, "artifacts")
    : resolve(userFolder(), values.artifacts);
}

/**
 * The runs of an artifact folder. Prints which records do not count.
 * @param unread told the text of each of these
 */
export async function listRuns(
  artifacts: string,
  line: (text: string) => void,
  unread: (text: string) => void = () => {},
): Promise<RunRecord[]> {
  return await new History(artifacts).list((path, { problem, newer, text = "" }) => {
    const folder = short(join(path, ".."), userFolder());
    line(`${folder}/${problem} and is passed over${newer ? "" : "; it may be removed"}`);
    unread(text);
  });
}

/** Takes runs off the list, and off what their pipelines used last. */
export async function forget(runs: readonly RunRecord[], artifacts: string): Promise<void> {
  const store = new Store(artifacts);
  for (const run of runs) {
    const prints = run.stages.flatMap(({ fingerprint }) => fingerprint ?? []);
    await store.forget(noteOf(run), new Set(prints));
  }
  await new History(artifacts).remove(new Set(runs.map(({ id }) => id)));
}

/** The runs of pipelines, or those that ids name. */
async function ofPipelines(
  names: readonly string[],
  all: readonly RunRecord[],
  { program: { project } }: Call,
): Promise<RunRecord[]> {
  const found = await Promise.all(names.map(async (name) => {
    const one = all.find(({ id }) => id === name);
    return one ? [one] : runsOf(name, all, await identityNamed(name, userFolder(), project));
  }));
  return [...new Set(found.flat())];
}

/** How many values are listed, but that a run was given more. */
const MOST_VALUES = 4;

/** What a run was given, and in what else it differs from the one before of its pipeline. */
function valuesOf(run: RunRecord, before: RunRecord | undefined): string {
  const given = new Map(Object.entries(run.overrides ?? run.point ?? {}));
  const most = Math.max(MOST_VALUES, given.size);
  const [then, now] = [before ? settingsOf(before) : undefined, settingsOf(run)];
  for (const [name, { value, stage }] of now) {
    const old = then?.get(name);
    const isNew = then === undefined || (stage !== undefined && !then.has(stage));
    if (isNew || given.has(name) || canonical(old?.value ?? null) === canonical(value ?? null)) {
      continue;
    }
    // Records of earlier versions do not know what a stage took from.
    if (name.endsWith(": inputs") && old?.value === undefined) continue;
    given.set(name.replace(/: \w+$/, ""), /: \w+$/.test(name) ? name.split(": ")[1] : value);
  }
  const told = [...given].map(([name, value]) => labelOf({ [name]: value }));
  const more = told.length - most;
  return told.slice(0, most).join(" ") + (more > 0 ? ` and ${more} more` : "");
}

function rowOf(run: RunRecord, values: string): string[] {
  const failed = run.stages.filter(({ status }) => status === "failed");
  const result = run.state !== undefined ? run.state : failed.length > 0
    ? `${
      list(
        failed.map(({ id, why }) => why === "interrupted" ? `${id} interrupted` : `${id} failed`),
      )
    }`
    : scores(run.metrics) || "no metrics";
  const began = Date.parse(run.startedAt ?? run.at);
  const took = run.state === undefined
    ? clock(run.seconds)
    : run.state === "running"
    ? clock((Date.now() - began) / 1000)
    : "–";
  return [run.id, moment(run.at), nameOf(run), took, values, result];
}
