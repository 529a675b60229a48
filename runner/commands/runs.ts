/** deno task runs: what ran, when, with which metrics. */
import { join, resolve } from "node:path";
import { readCount } from "../arguments.ts";
import { list } from "../errors.ts";
import { byTime, cautionLines, findRun, History, type RunRecord, runsOf } from "../history.ts";
import { short, userFolder } from "../paths.ts";
import { type Call, EXIT } from "../program.ts";
import { clock } from "../reporter.ts";
import { scores } from "../scores.ts";
import { Store } from "../store.ts";
import { labelOf } from "../sweep/grid.ts";
import { moment, table } from "../table.ts";

export default async function runs(call: Call): Promise<number> {
  const { values, names, reporter } = call;
  const artifacts = artifactsOf(call);
  const all = await listRuns(artifacts, reporter.line);
  if (values.forget) {
    await forget(values.forget.map((name) => findRun(name, all)), artifacts);
    reporter.line(
      `forgot ${list([...new Set(values.forget)])}; deno task gc removes what only they used`,
    );
    return EXIT.ok;
  }
  const last = readCount("last", values);
  const chosen = names.length === 0 ? all : names.flatMap((name) => runsOf(name, all));
  const listed = chosen.sort(byTime).slice(last === undefined ? 0 : -last);
  if (values.json) {
    console.log(JSON.stringify({ ok: true, runs: listed }));
  } else if (listed.length === 0) {
    reporter.line("nothing has run yet: deno task run pipeline");
  } else {
    cautionLines(listed).forEach((text) => reporter.line(reporter.paint.warning(text)));
    const head = ["run", "ended", "pipeline", "took", "result"];
    table([head, ...listed.map(rowOf)], [3]).forEach(reporter.line);
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
  for (const { pipeline, stages } of runs) {
    const prints = stages.flatMap(({ fingerprint }) => fingerprint ?? []);
    await store.forget(pipeline, new Set(prints));
  }
  await new History(artifacts).remove(new Set(runs.map(({ id }) => id)));
}

function rowOf(run: RunRecord): string[] {
  const failed = run.stages.filter(({ status }) => status === "failed");
  const result = failed.length > 0
    ? `${
      list(
        failed.map(({ id, why }) => why === "interrupted" ? `${id} interrupted` : `${id} failed`),
      )
    }`
    : scores(run.metrics) || "no metrics";
  const sweep = run.point ? `${labelOf(run.point)}: ` : "";
  return [run.id, moment(run.at), run.pipeline, clock(run.seconds), sweep + result];
}
