/** The stage: the video or a photo, and boxes over its faces. */
import type { Face } from "../api.ts";
import { byId, element } from "./dom.ts";
import { caption } from "./wording.ts";

export type State = "idle" | "starting" | "live" | "still";

const stage = byId("stage");
const overlay = byId("overlay");
export const video = byId<HTMLVideoElement>("video");
const still = byId<HTMLCanvasElement>("still");

export function setState(state: State): void {
  stage.dataset.state = state;
  showBoxes([], 1, 1);
}

export function state(): State {
  return stage.dataset.state as State;
}

/** A video of a camera that looks at the person is shown as in a mirror. */
export function mirror(mirrored: boolean): void {
  video.classList.toggle("mirrored", mirrored);
}

/** Shows a photo; one that the browser cannot show leaves the stage dark. */
export function showStill(picture: CanvasImageSource | undefined, size: Size): void {
  // More pixels than a large screen has would only take memory.
  const scale = Math.min(1, 2048 / Math.max(size.width, size.height));
  still.width = Math.max(1, Math.round(size.width * scale));
  still.height = Math.max(1, Math.round(size.height * scale));
  if (picture) still.getContext("2d")!.drawImage(picture, 0, 0, still.width, still.height);
  setState("still");
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** What the overlay lies over: the picture's part of the stage. */
function place(width: number, height: number): void {
  const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  const left = (stage.clientWidth - width * scale) / 2;
  const top = (stage.clientHeight - height * scale) / 2;
  Object.assign(overlay.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${width * scale}px`,
    height: `${height * scale}px`,
  });
}

let shown: { faces: readonly Face[]; width: number; height: number } = {
  faces: [],
  width: 1,
  height: 1,
};
new ResizeObserver(() => showBoxes(shown.faces, shown.width, shown.height)).observe(stage);

/** Draws boxes over a picture of this size; those that are there move. */
export function showBoxes(faces: readonly Face[], width: number, height: number): void {
  shown = { faces, width, height };
  place(width, height);
  const mirrored = state() === "live" && video.classList.contains("mirrored");
  const numbered = state() === "still" && faces.length > 1;
  while (overlay.children.length > faces.length) overlay.lastElementChild!.remove();
  for (const [i, face] of sorted(faces).entries()) {
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
    box.firstElementChild!.textContent = numbered ? String(faces.indexOf(face) + 1) : caption(face);
    keepInside(box.firstElementChild as HTMLElement, x + face.box.width / 2, width);
  }
}

/** In the live view a box belongs to the same face from frame to frame: the one on the left is first. */
function sorted(faces: readonly Face[]): readonly Face[] {
  return state() === "live" ? faces.toSorted((a, b) => a.box.x - b.box.x) : faces;
}

/** Moves a label sideways so far that it stays in the picture. */
function keepInside(label: HTMLElement, centre: number, width: number): void {
  const pixels = overlay.clientWidth;
  const at = centre / width * pixels, half = label.offsetWidth / 2 + 4;
  const wanted = Math.min(Math.max(at, half), Math.max(half, pixels - half));
  label.style.marginLeft = `${wanted - at}px`;
}
