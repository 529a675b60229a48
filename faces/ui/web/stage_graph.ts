/** The stages of a pipeline as a graph, with state and progress. */
import { dom, duration } from "./ui_dom.ts";

export interface GraphStage {
  readonly id: string;
  readonly after: readonly string[];
  readonly status: string;
  readonly why: string;
  readonly seconds?: number;
  /** From 0 to 1. */
  readonly progress?: number;
  readonly note?: string;
}

const [WIDTH, HEIGHT, GAP_X, GAP_Y] = [148, 58, 26, 14];

/** Draws stages in columns: each one right of all that it takes from. */
export function stageGraph(stages: readonly GraphStage[]): Node {
  const byId = new Map(stages.map((stage) => [stage.id, stage]));
  const depths = new Map<string, number>();
  const depth = (id: string): number => {
    if (!depths.has(id)) {
      const before = (byId.get(id)?.after ?? []).filter((one) => byId.has(one));
      depths.set(id, Math.max(-1, ...before.map(depth)) + 1);
    }
    return depths.get(id)!;
  };
  const columns = Map.groupBy(stages, ({ id }) => depth(id));
  const places = new Map(
    [...columns].flatMap(([column, list]) =>
      list.map(({ id }, i) => [id, [column * (WIDTH + GAP_X), i * (HEIGHT + GAP_Y)]] as const)
    ),
  );
  const reaches = (from: string, to: string): boolean =>
    (byId.get(from)?.after ?? []).some((id) => id === to || reaches(id, to));
  const edges = stages.flatMap(({ id, after }) =>
    after.filter((one) =>
      // Arrows that follow from others are left out.
      places.has(one) && !after.some((other) => other !== one && reaches(other, one))
    ).map((one) => {
      const [x1, y1] = places.get(one)!, [x2, y2] = places.get(id)!;
      const [from, to, middle] = [y1 + HEIGHT / 2, y2 + HEIGHT / 2, x2 - GAP_X / 2];
      return `M${x1 + WIDTH},${from}C${middle},${from} ${middle},${to} ${x2},${to}`;
    })
  );
  const rows = Math.max(0, ...[...columns.values()].map(({ length }) => length));
  const [width, height] = [columns.size * (WIDTH + GAP_X) - GAP_X, rows * (HEIGHT + GAP_Y)];
  const boxes = stages.map(({ id, status, why, seconds, progress, note }) => {
    const state = progress === undefined ? status : `${Math.floor(progress * 100)} %`;
    const box = dom`<li class="stage-box ${status}" title="${why}"><b>${id}</b>
      <span>${state} ${seconds ? duration(seconds) : ""} ${note}</span>${
      progress !== undefined && dom`<progress value="${progress}" aria-label="${id}"></progress>`
    }</li>`.firstElementChild as HTMLElement;
    const [x, y] = places.get(id)!;
    box.style.translate = `${x}px ${y}px`;
    return box;
  });
  return dom`<div class="graph" tabindex="0" role="region" aria-label="Stages">
    <svg width="${width}" height="${height}" aria-hidden="true"><path d="${edges.join("")}"/></svg>
    <ul>${boxes}</ul></div>`;
}
