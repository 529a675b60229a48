/** Area of the video or the photo, with boxes over its faces. */
import type { Box } from "../../images/image.ts";
import type { Face } from "../api.ts";
import { byId, dom } from "../page_dom.ts";
import { placeLabels, type Size } from "./place_labels.ts";
import { service } from "./results_view.ts";
import { caption } from "./wording.ts";

export type State = "idle" | "starting" | "live" | "still";

const stage = byId("stage");
const overlay = byId("overlay");
const still = byId<HTMLCanvasElement>("still");
export const video = byId<HTMLVideoElement>("video");

/** Width of a box's border in pixels, as in style.css. */
const BORDER = 2;
/** Maximum width and height of a shown photo: more pixels than a screen has only take memory. */
const MAX_SIZE = 2048;

export function setState(state: State): void {
  stage.dataset.state = state;
  showBoxes([]);
}

export function state(): State {
  return stage.dataset.state as State;
}

/** Shows a photo. One that the browser cannot decode leaves the area dark. */
export function showStill(photo?: CanvasImageSource & Size): void {
  const { width, height } = photo ?? { width: 4, height: 3 };
  const scale = Math.min(1, MAX_SIZE / Math.max(width, height));
  still.width = Math.max(1, Math.round(width * scale));
  still.height = Math.max(1, Math.round(height * scale));
  if (photo) still.getContext("2d")!.drawImage(photo, 0, 0, still.width, still.height);
  setState("still");
}

let shown: { faces: readonly Face[]; size: Size } = { faces: [], size: { width: 1, height: 1 } };
new ResizeObserver(() => showBoxes(shown.faces, shown.size)).observe(stage);

/** Draws boxes over an image of this size; existing boxes move. */
export function showBoxes(faces: readonly Face[], size: Size = { width: 1, height: 1 }): void {
  shown = { faces, size };
  const scale = Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height);
  const area = { width: size.width * scale, height: size.height * scale };
  const [x, y] = [(stage.clientWidth - area.width) / 2, (stage.clientHeight - area.height) / 2];
  place(overlay, { x, y, ...area });
  const live = state() === "live";
  const mirrored = live && video.classList.contains("mirrored");
  while (overlay.children.length > faces.length) overlay.lastElementChild!.remove();
  // Sorted from left to right, a box belongs to the same face from frame to frame.
  const sorted = live ? faces.toSorted((a, b) => a.box.x - b.box.x) : faces;
  const boxes = sorted.map(({ box: { x, y, width, height } }): Box => ({
    x: (mirrored ? size.width - x - width : x) * scale,
    y: y * scale,
    width: width * scale,
    height: height * scale,
  }));
  const labels = sorted.map((face, i) => {
    if (!overlay.children[i]) overlay.append(dom`<div class="box"><span></span></div>`);
    const box = overlay.children[i] as HTMLElement;
    place(box, boxes[i]);
    const label = box.firstElementChild as HTMLElement;
    label.style.maxWidth = `${area.width}px`; // a wider one is wrapped
    label.textContent = !live && faces.length > 1 ? String(i + 1) : caption(face, service.models);
    return label;
  });
  const sizes = labels.map((label) => ({ width: label.offsetWidth, height: label.offsetHeight }));
  for (const [i, at] of placeLabels(boxes, sizes, area).entries()) {
    const { style } = labels[i];
    style.visibility = at ? "" : "hidden";
    if (at) {
      style.left = `${at.x - boxes[i].x - BORDER}px`;
      style.top = `${at.y - boxes[i].y - BORDER}px`;
    }
  }
}

function place({ style }: HTMLElement, { x, y, width, height }: Box): void {
  const [left, top] = [`${x}px`, `${y}px`];
  Object.assign(style, { left, top, width: `${width}px`, height: `${height}px` });
}
