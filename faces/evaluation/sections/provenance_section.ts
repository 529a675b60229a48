/** The report's section on provenance and reproduction. */
import { stringify } from "yaml";
import type { Machine, StageProvenance } from "../../../packages/pipeline/stage.ts";
import { asWritten } from "../../training/trained_models.ts";
import { type Html, html } from "../html.ts";
import type { Report } from "../report_data.ts";
import { listEntries, table, wideCard } from "../tables.ts";
import { duration } from "../format_result.ts";
import { minuteOf } from "./protocol_section.ts";

export function provenanceSection({ made }: Report): Html {
  const { id, lineage } = made;
  const { stages } = lineage;
  const machines = [...new Set(stages.flatMap(({ machine: one }) => one ? [describe(one)] : []))];
  const denos = [...new Set(stages.map(({ deno, platform }) => `Deno ${deno} (${platform})`))];
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const backends = [...new Set(stages.flatMap(({ compute }) => compute ? [compute] : []))];
  const versions = Object.fromEntries(stages.flatMap((stage) => Object.entries(stage.packages)));
  const packages = Object.entries(versions).sort()
    .map(([name, version]) => `${name} ${version.split(" ")[0]}`);
  const foreign = [...stages, { id, rights: lineage.rights }]
    .flatMap(({ id, rights }) => rights ? `${id} (allow: [${rights.join(", ")}])` : []);
  const facts: [string, string][] = [
    ["backend", backends.join(", ")],
    ["machine", machines.join("; ")],
    ["runtime", denos.join("; ")],
    ["packages", packages.join(", ")],
    ["third-party code", foreign.join(", ")],
  ];
  const { command, hidden, run } = lineage;
  const created = run && html`
    This page was created by run <code>${run.id}</code>, started on
    ${minuteOf(run)}; later runs reuse it from the cache.
  `;
  const rows = stages.map(({ id, use, startedAt, seconds, fingerprint }) => [
    html`<span class="id">${id}${id !== use && ` (${use})`}</span>`,
    ...[startedAt.slice(0, 10), duration(seconds)],
    html`<code>${fingerprint.slice(0, 16)}</code>`,
  ]);
  const columns = ["stage", "date", "duration", "fingerprint"];
  const before = stages.length > 0 &&
    html`. The stages before this report took ${duration(seconds)} in total, without cache hits`;
  return html`<section>
<h2 id="made">Provenance</h2>
<p>Pipeline <b>${lineage.pipeline}</b> <span class="id">${lineage.file}</span>, seed ${lineage.seed}${before}. ${created}Times depend on the machine; everything else on this page is reproducible.</p>
<dl class="params facts">
${listEntries(facts.filter(([, value]) => value !== ""))}
</dl>
${stages.length > 0 && wideCard("Stages", table(columns, rows))}
<h3 class="row">Reproduction</h3>
<p><code>${command}</code></p>
<p class="note">The file may have changed since. Below is the complete configuration of this run,
including defaults. Save it as <code>again.yaml</code> in the project\u2019s folder and run
<code>deno task run again</code>.</p>
${
    hidden &&
    html`<p class="note">The part of ${
      hidden.join(", ")
    } masked as <code>***</code> is not recorded: user,
password or query of a URL. Pass the whole URL to reproduce this run:
<code>--set '${hidden[0]}=URL'</code>.</p>`
  }
<details><summary>Complete configuration</summary><pre>${configuration(made)}</pre></details>
</section>`;
}

function describe({ processor, cores, memory, system }: Machine): string {
  return `${processor}, ${cores} ${cores === 1 ? "core" : "cores"}, ` +
    `${Math.round(memory / 2 ** 30)} GiB of memory, ${system}`;
}

type Configured = Pick<StageProvenance, "id" | "use" | "seed" | "inputs" | "replaces" | "params">;

/** Returns the pipeline as YAML, with every parameter of these results. */
export function configuration({ lineage, id, use, params }: Report["made"]): string {
  const { pipeline, seed, compute, plugins, stages } = lineage;
  const own: Configured = { id, use, inputs: lineage.inputs ?? {}, params };
  const models = ["model", "init", "teacher", "from"];
  const written = (key: unknown, value: unknown) =>
    models.some((name) => name === key) && typeof value === "string" ? asWritten(value) : value;
  const entries = [...stages, own].map(({ id, use, seed, inputs, replaces, params }) => [id, {
    use: use === id ? undefined : use,
    seed,
    inputs: Object.keys(inputs).length > 0 ? inputs : undefined,
    replaces,
    ...params,
  }]);
  return stringify(
    {
      // A file name may contain characters that `name` does not allow.
      name: /^[\w.-]+$/.test(pipeline) ? pipeline : undefined,
      seed,
      compute,
      plugins,
      stages: Object.fromEntries(entries),
    },
    written,
    { flowCollectionPadding: true, lineWidth: 100 },
  );
}
