/** Area of the video or the photo, with boxes over its faces. */
import type { Face } from "../api.ts";
import { byId, element } from "./dom.ts";
import { caption } from "./wording.ts";

export type State = "idle" | "starting" | "live" | "still";

interface Size {
  readonly width: number;
  readonly height: number;
}

const stage = byId("stage");
const overlay = byId("overlay");
const still = byId<HTMLCanvasElement>("still");
export const video = byId<HTMLVideoElement>("video");

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
  const { width, height } = size;
  const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  Object.assign(overlay.style, {
    left: `${(stage.clientWidth - width * scale) / 2}px`,
    top: `${(stage.clientHeight - height * scale) / 2}px`,
    width: `${width * scale}px`,
    height: `${height * scale}px`,
  });
  const live = state() === "live";
  const mirrored = live && video.classList.contains("mirrored");
  while (overlay.children.length > faces.length) overlay.lastElementChild!.remove();
  // Sorted from left to right, a box belongs to the same face from frame to frame.
  const sorted = live ? faces.toSorted((a, b) => a.box.x - b.box.x) : faces;
  for (const [i, face] of sorted.entries()) {
    const box = overlay.children[i] as HTMLElement ??
      overlay.appendChild(element("div", { className: "box" }, element("span")));
    const x = mirrored ? width - face.box.x - face.box.width : face.box.x;
    Object.assign(box.style, {
      left: `${100 * x / width}%`,
      top: `${100 * face.box.y / height}%`,
      width: `${100 * face.box.width / width}%`,
      height: `${100 * face.box.height / height}%`,
    });
    const above = face.box.y / height > 0.1;
    const below = (face.box.y + face.box.height) / height < 0.9;
    box.classList.toggle("low", !above && below);
    box.classList.toggle("inside", !above && !below);
    const label = box.firstElementChild as HTMLElement;
    label.textContent = !live && faces.length > 1 ? String(i + 1) : caption(face);
    keepInside(label, x + face.box.width / 2, width);
  }
}

/** Moves a label sideways so it stays in the image. */
function keepInside(label: HTMLElement, center: number, width: number): void {
  const pixels = overlay.clientWidth;
  const at = center / width * pixels, half = label.offsetWidth / 2 + 4;
  const wanted = Math.min(Math.max(at, half), Math.max(half, pixels - half));
  label.style.marginLeft = `${wanted - at}px`;
}
