/** Files of a run: faces with predictions, a face's way, tables, layers. */
import { counted } from "../../../packages/pipeline/causes.ts";
import { formatBytes, formatNumber } from "../../../packages/pipeline/format.ts";
import { dom, part } from "../../serving/page_dom.ts";
import type { UiFace, UiFaces, UiLayer, UiOutput, UiPhotos, UiStep, UiTable } from "../ui_api.ts";
import { date, get, later, number, type Option, select, table, text, withValue } from "./ui_dom.ts";
import { store, turn, type View } from "./ui_store.ts";

const PAGE = { faces: 60, rows: 100 };

export const insideView: View = {
  name: "inside",
  title: "Inside",
  show(params, signal) {
    const id = params.get("id") ?? store.runs.find(({ state }) => state === "ok")?.id ?? "";
    const run = store.runs.find((one) => one.id === id);
    if (!run) return dom`<p>Choose a run in <a href="#runs">Runs</a>.</p>`;
    const [file, row] = [params.get("file"), params.get("row")];
    // "trainGender/7529df154f46f186/model/model.json" → "model.json of trainGender".
    const [use, , , ...path] = file?.split("/") ?? [];
    const parts: [title: string, content: Promise<Node>][] = row
      ? [[`The way of face ${row}`, way({ id, row, report: params.get("report") ?? "" }, signal)]]
      : file
      ? [[
        `${path.join("/")} of ${use}`,
        file.endsWith("model.json") ? layers(file) : sheet(file, params),
      ]]
      : [
        ["Faces and predictions", grid(id, params)],
        ["", problems(id, params)],
        ["Files", files(id)],
      ];
    return dom`<p>${run.name} <code>${id}</code>, ${date(run.at)}. ${
      (file || row) && dom`<a href="#inside?id=${id}">All faces and files</a>`
    }</p>${
      parts.map(([title, content]) => dom`${title && dom`<h2>${title}</h2>`}${later(content)}`)
    }`;
  },
};

/** A face with its truth and predictions; the link follows its way. @param of query of its run */
export function faceCard(
  { row, truth, prediction, probability, wrong, other, image }: UiFace,
  classes: readonly string[] | undefined,
  of: string,
  marks?: readonly Node[],
): Node {
  const nameOf = (value: number) => classes?.[value] ?? formatNumber(value);
  const real = classes?.[truth] ?? text(truth);
  const line = marks
    ? dom`<span>${marks[0]}${nameOf(prediction)}</span><span>${marks[1]}${nameOf(other!)}</span>`
    : dom`<span class="${wrong && "bad"}">pred. ${nameOf(prediction)} ${
      probability !== null && dom`<small>${Math.round(probability * 100)} %</small>`
    }</span>`;
  return dom`<li><a href="#inside?${of}&row=${row}"><img src="${image}" width="96" height="96"
    loading="lazy" alt="Face ${row}"></a><span>true: ${real}</span>${line}</li>`;
}

async function grid(id: string, params: URLSearchParams): Promise<Node> {
  const names = ["report", "model", "split", "label", "prediction", "only", "sort", "from"];
  const query = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ""]));
  const found = await get<UiFaces>("/api/faces", { id, ...query });
  const { reports, report, models, model, classes, near, total, all, faces } = found;
  const field = (name: string, options?: readonly Option[], chosen = query[name]!) => {
    const label = name[0]!.toUpperCase() + name.slice(1);
    const change = (value: string) => turn({ [name]: value, from: "" });
    if (options) return select(label, options, chosen, change);
    return dom`<label>${label} <input type="text" size="7" placeholder="20-30" value="${chosen}"
      data-key="${label}" @change=${withValue(change)}></label>`;
  };
  const labels = classes && ["", ...classes];
  return dom`<div class="tools">${reports.length > 1 && field("report", reports, report)}
    ${field("model", models, model)}
    ${field("split", [["", "test"], "validation", "train", "all"])}${field("label", labels)}
    ${field("prediction", labels)}${
    field("only", ["", "wrong", "right", ["suspect", "suspect labels"]])
  }
    ${field("sort", [["", "largest error"], "row"])}</div>
    <p class="muted">${number(total)} of ${counted(all, "face")}${
    !classes && `; right: an error below ${formatNumber(near)}`
  }${query.only === "suspect" && ": the predictions contradict their labels"}.</p>
    <ul class="faces-grid">${
    faces.map((face) => faceCard(face, classes, `id=${id}&report=${report}`))
  }</ul>
    ${pages(total, Number(query.from), PAGE.faces)}`;
}

async function problems(id: string, params: URLSearchParams): Promise<Node> {
  const [problem, from] = ["problem", "photos"].map((name) => params.get(name) ?? "");
  const { problems, total, photos } = await get<UiPhotos>("/api/problems", { id, problem, from });
  if (problems.length === 0) return dom``;
  // A file that is no image would be shown as a broken one.
  const remove = ({ target }: Event) => (target as HTMLElement).remove();
  const cards = photos.map(({ text, path, image }) =>
    dom`<li>${
      image && dom`<img src="${image}" width="96" height="96" loading="lazy" alt=""
      @error=${remove}>`
    }<span>${text}</span><span class="muted">${path}</span></li>`
  );
  return dom`<h2>Photos without a face in the data set</h2><p class="tools">${
    select("Problem", ["", ...problems], problem!, (problem) => turn({ problem, photos: "" }))
  }<span class="muted">${counted(total, "photo")}</span></p><ul class="faces-grid">${cards}</ul>
    ${pages(total, Number(from), PAGE.faces, "photos")}`;
}

function pages(total: number, from: number, size: number, param = "from"): Node {
  const to = (next: number) => () => turn({ [param]: next > 0 ? String(next) : "" });
  const button = (label: string, next: number) =>
    next >= 0 && next < total &&
    dom`<button data-key="${label} ${param}" @click=${to(next)}>${label}</button> `;
  const place = `${number(from + 1)} to ${number(Math.min(total, from + size))}`;
  return dom`<p>${button("Previous", from - size)}${button("Next", from + size)}${
    total > size && part`<span class="muted">${place}</span>`
  }</p>`;
}

async function way(
  query: Record<"id" | "row" | "report", string>,
  signal: AbortSignal,
): Promise<Node> {
  const steps = await get<UiStep[]>("/api/way", query);
  const hungOn = (model: string) => ({ target }: Event) => {
    const asked = get<UiStep>("/api/occlusion", { ...query, model }, signal);
    (target as HTMLElement).replaceWith(later(asked.then(stepOf)));
  };
  const shown = steps.map((step) =>
    dom`<li class="card"><h3>${step.title}</h3>${stepOf(step)}${
      step.model && dom`<button @click=${hungOn(step.model)}>What it hung on</button>`
    }</li>`
  );
  return dom`<ol class="way">${shown}</ol>`;
}

function stepOf({ title, text: words, image, values = {} }: UiStep): Node {
  return dom`${image && dom`<img src="${image}" alt="${title}">`}<p class="muted small">${words}</p>
    <dl>${
    Object.entries(values).map(([key, value]) => dom`<dt>${key}</dt><dd>${text(value)}</dd>`)
  }</dl>`;
}

/** Encodes what addresses reserve in the names of a path, such as "#" and "%". */
const encodePath = (path: string) => path.split("/").map(encodeURIComponent).join("/");

async function files(id: string): Promise<Node> {
  type Files = { problem?: string; outputs: UiOutput[] };
  const { problem, outputs } = await get<Files>("/api/files", { id });
  const rows = outputs.flatMap(({ stage, kind, place, files }) =>
    Object.entries(files).map(([name, { size }]) => {
      const inside = /\.(parquet|csv)$|^model\.json$/.test(name);
      const path = `${place}/${name}`;
      const href = inside
        ? `#inside?${new URLSearchParams({ id, file: path }).toString()}`
        : `/file/${encodePath(path)}`;
      return [stage, kind, dom`<a href="${href}">${name}</a>`, formatBytes(size)];
    })
  );
  return dom`${problem && dom`<p class="notice">${problem}</p>`}${
    table("Files", ["stage", "kind", "file", "size"], rows)
  }`;
}

async function sheet(file: string, params: URLSearchParams): Promise<Node> {
  const [q, sort, from] = ["q", "sort", "from"].map((name) => params.get(name) ?? "");
  const { columns, total, rows } = await get<UiTable>(`/api/table/${encodePath(file)}`, {
    q,
    sort,
    from,
  });
  const head = columns.map((name) => {
    const sign = sort === name ? "↑" : sort === `-${name}` ? "↓" : "";
    const click = () => turn({ sort: sort === name ? `-${name}` : name, from: "" });
    return dom`<button data-key="by ${name}" @click=${click}>${name} ${sign}</button>`;
  });
  const filter = withValue((q) => turn({ q, from: "" }));
  const cell = (value: unknown) =>
    typeof value === "number" ? text(value) : text(value).slice(0, 80);
  return dom`<p><input type="search" aria-label="Filter" placeholder="words" value="${q}"
    data-key="filter" @change=${filter}> <span class="muted">${counted(total, "row")}</span></p>
    ${table("Table", head, rows.map((row) => row.map(cell)))}${
    pages(total, Number(from), PAGE.rows)
  }`;
}

async function layers(file: string): Promise<Node> {
  const all = await get<UiLayer[]>(`/api/layers/${encodePath(file)}`);
  const sum = all.reduce((sum, { weights }) => sum + weights, 0);
  const rows = all.map(({ name, type, settings, weights }) => [
    ...[name, type, dom`<span class="line">${settings}</span>`, number(weights)],
  ]);
  return dom`<p>${number(sum)} parameters in ${counted(all.length, "layer")}.</p>
    ${table("Layers", ["layer", "type", "settings", "parameters"], rows)}`;
}
