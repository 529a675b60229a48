/** The page's chapter about what made it, and how to make it again. */
import { stringify } from "yaml";
import type { Machine } from "../../../packages/pipeline/stage.ts";
import { type Html, html } from "../html.ts";
import type { Report } from "../report_data.ts";
import { table } from "../tables.ts";
import { duration } from "../format_metric.ts";

export function provenanceSection({ made }: Report): Html {
  const { lineage } = made;
  const { stages } = lineage;
  const machines = [
    ...new Set(stages.flatMap(({ machine }) => machine ? [describe(machine)] : [])),
  ];
  const denos = [...new Set(stages.map(({ deno, platform }) => `Deno ${deno} (${platform})`))];
  const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const backends = [...new Set(stages.flatMap(({ compute }) => compute ? [compute] : []))];
  const packages = Object.fromEntries(stages.flatMap((stage) => Object.entries(stage.packages)));
  const { command, hidden, run } = lineage;
  return html`<section>
<h2 id="made">What made it</h2>
<p>Pipeline <b>${lineage.pipeline}</b> <span class="id">${lineage.file}</span>, seed ${lineage.seed}${
    stages.length > 0 &&
    html`. All stages before this report took ${duration(seconds)} together: each was run once, when
it was needed first, and kept`
  }. ${
    run && html`
      This page was made by run <code>${run.id}</code>, which began on
      ${run.startedAt.slice(0, 16).replace(
        "T",
        " ",
      )} UTC; a later run that needs it takes it as it is.
    `
  }Times tell nothing about another machine; everything else on this page comes out the same again.</p>
<dl class="params facts">
${fact("computed on", backends.join(", "))}
${fact("machine", machines.join("; "))}
${fact("runtime", denos.join("; "))}
${
    fact(
      "packages",
      Object.entries(packages).sort().map(([name, version]) => `${name} ${version.split(" ")[0]}`)
        .join(", "),
    )
  }
</dl>
${
    stages.length > 0 && html`<div class="card scroll">${
      table(
        ["stage", "on", "took", "fingerprint"],
        stages.map(({ id, use, startedAt, seconds, fingerprint }) => [
          html`<span class="id">${id}${id !== use && ` (${use})`}</span>`,
          startedAt.slice(0, 10),
          duration(seconds),
          html`<code>${fingerprint.slice(0, 16)}</code>`,
        ]),
      )
    }</div>`
  }
<h3 class="row">To run it again</h3>
<p><code>${command}</code></p>
<p class="note">That file may have changed since. This is all of it as it was, defaults included: kept
as <code>again.yaml</code> in the project\u2019s folder, it runs with
<code>deno task run again</code>.</p>
${
    hidden &&
    html`<p class="note">What <code>***</code> stands for in ${
      hidden.join(", ")
    } is recorded nowhere: the
user, the password or the query of a URL. Give the whole URL to run it again, as in
<code>--set '${hidden[0]}=URL'</code>.</p>`
  }
<details><summary>The whole configuration</summary><pre>${configuration(made)}</pre></details>
</section>`;
}

function fact(name: string, value: string): Html | false {
  return value !== "" && html`
    <div>
      <dt>${name}</dt>
      <dd>${value}</dd>
    </div>
  `;
}

function describe({ processor, cores, memory, system }: Machine): string {
  return `${processor}, ${cores} ${cores === 1 ? "core" : "cores"}, ` +
    `${Math.round(memory / 2 ** 30)} GiB of memory, ${system}`;
}

/** The pipeline as YAML, with every parameter that made these results. */
export function configuration({ lineage, id, use, params }: Report["made"]): string {
  const { pipeline, seed, compute, stages } = lineage;
  const plugins = stages.map(({ use, module }) => ({ use, module }))
    .filter(({ use, module }) => module !== `stages/${use}.ts`)
    .map(({ module }) => /^(npm:|@|\/)/.test(module) ? module : `./${module}`);
  const entries = [
    ...stages.map((stage) => [stage.id, {
      ...(stage.use === stage.id ? {} : { use: stage.use }),
      ...(stage.seed === undefined ? {} : { seed: stage.seed }),
      ...(Object.keys(stage.inputs).length > 0 ? { inputs: stage.inputs } : {}),
      ...(stage.replaces === undefined ? {} : { replaces: stage.replaces }),
      ...stage.params,
    }]),
    [id, { ...(use === id ? {} : { use }), ...params }],
  ];
  return stringify({
    // A file's name may hold what a written name may not.
    ...(/^[\w.-]+$/.test(pipeline) ? { name: pipeline } : {}),
    seed,
    compute,
    ...(plugins.length > 0 ? { plugins: [...new Set(plugins)] } : {}),
    stages: Object.fromEntries(entries),
  }, { flowCollectionPadding: true, lineWidth: 100 });
}
