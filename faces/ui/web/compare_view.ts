/** Runs side by side: differences, curves, tests, confusion, disagreements, groups. */
import type { ModelMetrics } from "../../evaluation/score_model.ts";
import { dom } from "../../serving/page_dom.ts";
import { ACCURACY_NOTE, type UiComparison, type UiDetails } from "../ui_api.ts";
import type { UiFaces, UiRun } from "../ui_api.ts";
import { faceCard } from "./inside_view.ts";
import { color, dash, DASHES, dots, lineKey, lines, type Series } from "./ui_charts.ts";
import { get, later, number, range, select, table, text } from "./ui_dom.ts";
import { store, turn, type View } from "./ui_store.ts";

const MAX_RUNS = 40;

type Evaluation = Readonly<Record<string, ModelMetrics>>;

export const compareView: View = {
  name: "compare",
  title: "Compare",
  show(params, signal) {
    const ids = [...new Set((params.get("ids") ?? "").split(",").filter(Boolean))];
    const runs = ids.flatMap((id) => store.runs.find((run) => run.id === id) ?? [])
      .slice(0, MAX_RUNS);
    if (runs.length < 2) {
      return dom`<p>Choose two or more rows in <a href="#runs">Runs</a>, then Compare.</p>`;
    }
    const heads = runs.map(({ id, name }, i) =>
      dom`<li>${swatch(i)}<a href="#inside?id=${id}">${id}</a> ${name}</li>`
    );
    const left = runs.length < ids.length &&
      dom`<p class="notice">${runs.length} of ${ids.length} runs: others were removed, or exceed the
        maximum of ${MAX_RUNS}.</p>`;
    return dom`${left}<ul class="legend">${heads}</ul>${later(differences(runs, signal))}
      ${later(curves(runs))}<h2>Faces on which they disagree</h2>
      ${later(disagreements(runs, params))}${later(evaluated(runs))}`;
  },
};

const swatch = (i: number) => lineKey(color(i), dash(i));

const head = (runs: readonly UiRun[]) => runs.map(({ id }, i) => dom`${swatch(i)} ${id}`);

const differ = (values: readonly unknown[]) =>
  new Set(values.map((one) => JSON.stringify(one))).size > 1;

async function differences(runs: readonly UiRun[], signal: AbortSignal): Promise<Node> {
  const ids = runs.map(({ id }) => id).join();
  const { parameters, metrics, cautions, notes, overSeeds, sentences, scope, further, ...copies } =
    await get<UiComparison>("/api/compare", { ids }, signal);
  const parts = parameters.map(({ name, values }) => [name, ...values.map(text)]);
  const rows = metrics.filter(({ metric }) => metric !== "loss").map((row) => [
    dom`${row.model} ${row.name} <small>${row.split}</small>`,
    ...row.values.map((value, i) => {
      const best = row.best === i ? "★ " : "";
      const interval = range(row.intervals?.[i]);
      return dom`<span class="number">${best}${number(value, false)}${
        interval && dom`<small>${interval}</small>`
      }</span>`;
    }),
  ]);
  const block = (name: string, content: string) =>
    dom`<details><summary>${name}</summary><pre tabindex="0">${content}</pre></details>`;
  return dom`${cautions.map((caution) => dom`<p class="bad">${caution}</p>`)}
    <h2>Parameters that differ</h2>
    ${
    parts.length > 0 ? table("Parameters", ["parameter", ...head(runs)], parts) : dom`<p>None.</p>`
  }
    ${
    overSeeds && dom`<h2>Over seeds</h2>
      ${table("Over seeds", overSeeds[0]!, overSeeds.slice(1))}`
  }
    ${
    sentences.length > 0 && dom`<h2>Significance</h2>
      ${sentences.map((sentence) => dom`<p>${sentence}.</p>`)}
      <p class="muted small">${scope}</p>`
  }
    ${
    further && dom`<h2>Differences of further metrics</h2>
      ${table("Differences of further metrics", further.rows[0]!, further.rows.slice(1))}
      <p class="muted small">${further.note}</p>`
  }
    <h2>Metrics that differ</h2>
    ${rows.length > 0 ? table("Metrics", ["metric", ...head(runs)], rows) : dom`<p>None.</p>`}
    <p class="muted small">${
    metrics.some(({ best }) => best !== undefined) && "★ best value; "
  }95 % intervals of the test set. ${ACCURACY_NOTE}</p>
    ${notes.map((note) => dom`<p class="muted">${note}</p>`)}
    ${block("All as Markdown", copies.markdown)}
    ${block("All as LaTeX", copies.latex)}`;
}

async function curves(runs: readonly UiRun[]): Promise<Node> {
  const ids = runs.map(({ id }) => id).join();
  const details = await get<Record<string, UiDetails>>("/api/details", { ids });
  const all = runs.flatMap(({ id }, i) =>
    details[id]!.curves.map((curve) => ({ ...curve, id, i }))
  );
  // The stage of a run of numbers may be one of classes in another run.
  const groups = [...Map.groupBy(all, ({ model, metric }) => `${model} ${metric}`).values()]
    .filter((curves) => curves.length < 2 || differ(curves.map(({ epochs }) => epochs)));
  const charts = groups.flatMap((curves) =>
    ["loss", "metric"].map((column) => {
      const { model, metric } = curves[0]!, y = column === "loss" ? "loss" : metric;
      const of = (name: string, curve: (typeof curves)[number]) =>
        curve.epochs.map((epoch) => [epoch[0]!, epoch[curve.columns.indexOf(name)]!] as const);
      const series = curves.flatMap((curve): Series[] => {
        const line = { name: curve.id, color: color(curve.i), mark: curve.kept };
        const points = of(`val_${column}`, curve);
        if (curves.length > 3) return [{ ...line, dash: dash(curve.i), points }];
        const training = { color: line.color, name: "", points: of(column, curve) };
        return [{ ...line, dash: DASHES[0], points }, { ...training, dash: DASHES[1] }];
      });
      return lines(`${model}: ${y} of the validation set`, y, series);
    })
  );
  // Multiply-adds and not seconds, which depend on the machine.
  const sizes = groups.flatMap((curves) =>
    (["parameters", "multiply-adds"] as const).flatMap((size) => {
      const { model, metric } = curves[0]!;
      const points = curves.flatMap(({ id, i, weights, multiplyAdds }) => {
        const x = size === "parameters" ? weights : multiplyAdds;
        const y = runs[i]!.metrics[model]?.validation?.[metric];
        const interval = details[id]!.intervals[`${model} validation`];
        const title = `${id}: ${number(y)}, ${number(x)} ${size}`;
        return x === undefined || y === undefined
          ? []
          : [{ x, y, ...interval, title, color: color(i) }];
      });
      if (new Set(points.map(({ x }) => x)).size < 2) return [];
      return [dots(`${model}: ${metric} against ${size}`, size, `${metric} (validation)`, points)];
    })
  );
  if (charts.length === 0) return dom``;
  return dom`<h2>Curves that differ</h2><div class="grid">${charts}</div>
    <p class="muted small">${
    groups.some((curves) => curves.length <= 3) && "Dashed: the training set. "
  }The dot is the epoch that was kept.</p>${
    sizes.length > 0 && dom`<h2>Metric against size</h2><div class="grid">${sizes}</div>
    <p class="muted small">A dot for each run, with its 95 % interval on validation.</p>`
  }`;
}

async function evaluated(runs: readonly UiRun[]): Promise<Node> {
  const all = await Promise.all(
    runs.map(({ id }) => get<Evaluation>("/api/evaluation", { id }).catch((): Evaluation => ({}))),
  );
  const models = [...new Set(all.flatMap(Object.keys))]
    .filter((model) => differ(all.map((one) => one[model])));
  const confusions = models.flatMap((model) => {
    if (!differ(all.map((one) => one[model]?.confusion))) return [];
    return all.flatMap((one, i) => {
      const { classes, counts } = one[model]?.confusion ?? {};
      return classes && counts
        ? [confusion(dom`${swatch(i)} ${model} of ${runs[i]!.id}`, classes, counts)]
        : [];
    });
  });
  const groups = models.flatMap((model) => {
    const named = all.map((one) =>
      new Map((one[model]?.groups ?? []).map((group) => [groupName(group), group]))
    );
    const names = [...new Set(named.flatMap((map) => [...map.keys()]))];
    return names.filter((name) => differ(named.map((map) => map.get(name)?.value))).map((name) => [
      dom`${model} <small>${name}</small>`,
      ...named.map((map) => {
        const { value, count, interval } = map.get(name) ?? {};
        return dom`<span class="number">${number(value, false)} <small>${
          interval && `${range(interval)}, `
        }n ${number(count)}</small></span>`;
      }),
    ]);
  });
  return dom`${
    confusions.length > 0 && dom`<h2>Confusion on the test set</h2>
    <div class="grid">${confusions}</div>`
  }
    ${
    groups.length > 0 &&
    dom`<h2>Groups that differ</h2>${table("By group", ["group", ...head(runs)], groups)}`
  }`;
}

function groupName({ gender, from, to }: NonNullable<ModelMetrics["groups"]>[number]): string {
  const years = from === undefined ? "" : to === undefined ? ` from ${from}` : ` ${from}–${to}`;
  return `${gender === undefined ? "all" : gender === 1 ? "male" : "female"}${years}`;
}

function confusion(title: Node, classes: readonly string[], counts: number[][]): Node {
  const rows = counts.map((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0) || 1;
    const cells = row.map((count) => {
      const cell = dom`<td>${count}</td>`.firstElementChild as HTMLElement;
      cell.style.background = `rgb(0 114 178 / ${42 * count / sum}%)`;
      return cell;
    });
    return dom`<tr><th scope="row">${classes[i]}</th>${cells}</tr>`;
  });
  return dom`<figure class="card"><figcaption>${title}</figcaption><div class="wide" tabindex="0"
    role="region" aria-label="Confusion: ${title.textContent}"><table class="confusion"><thead><tr><th scope="col">
    <small>true, predicted</small></th>${classes.map((name) => dom`<th scope="col">${name}</th>`)}
    </tr></thead><tbody>${rows}</tbody></table></div></figure>`;
}

async function disagreements(runs: readonly UiRun[], params: URLSearchParams): Promise<Node> {
  const [first, second] = [runs[0]!, runs.find(({ id }) => id === params.get("with")) ?? runs[1]!];
  const query = { id: first.id, other: second.id, model: params.get("model") ?? "" };
  const { models, model, classes, total, all, faces } = await get<UiFaces>("/api/faces", query);
  const others = runs.slice(1).map(({ id }) => id);
  const cards = faces.slice(0, 24).map((face) =>
    faceCard(
      face,
      classes,
      `id=${first.id}`,
      [first, second].map((run) => swatch(runs.indexOf(run))),
    )
  );
  return dom`<p class="tools">${select("Model", models, model, (model) => turn({ model }))}
    ${select(`${first.id} and`, others, second.id, (id) => turn({ with: id }))}</p>
    <p class="muted">They disagree on ${number(total)} of ${number(all)} faces of both test sets${
    total > cards.length && `; the ${cards.length} largest differences`
  }.</p><ul class="faces-grid">${cards}</ul>`;
}
