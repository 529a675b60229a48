/** The page: camera, shutter, photos, and what is said about them. */
/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="dom.asynciterable" />
/// <reference lib="esnext" />
import type { Analysis } from "../api.ts";
import { service } from "./service_info.ts";
import { type Camera, openCamera } from "./camera.ts";
import { byId } from "./dom.ts";
import { openLocal } from "./local.ts";
import type { LiveView, Predictor } from "./page_predictor.ts";
import { remote } from "./remote.ts";
import { clearResults, showResults } from "./results_view.ts";
import { mirror, setState, showBoxes, showStill, state, video } from "./viewfinder.ts";
import { startTheme } from "./theme.ts";
import { announcement, cameraTrouble } from "./wording.ts";

const start = byId<HTMLButtonElement>("start");
const shutter = byId<HTMLButtonElement>("shutter");
const back = byId<HTMLButtonElement>("back");
const file = byId<HTMLInputElement>("file");
const message = byId("message");
const hud = byId("hud");

const predictor: Predictor = service.mode === "browser" ? openLocal() : remote;
let camera: Camera | undefined;
let view: LiveView | undefined;
/** Counts what the person asked for: an answer to something older is not shown. */
let asked = 0;

function say(text: string, bad = false): void {
  if (message.textContent !== text) message.textContent = text;
  message.classList.toggle("bad", bad);
}

function controls(): void {
  shutter.disabled = state() !== "live";
  back.disabled = state() === "idle" || state() === "starting";
  back.textContent = state() === "still"
    ? camera ? "Back to camera" : "Start camera"
    : "Stop camera";
}

// ---- The camera and its live view

async function startCamera(): Promise<void> {
  if (state() === "starting") return;
  const mine = ++asked;
  if (!globalThis.isSecureContext || !navigator.mediaDevices) {
    say(cameraTrouble("", false), true);
    return;
  }
  setState("starting");
  controls();
  say("Starting the camera; the browser may ask whether it may.");
  try {
    const opened = await openCamera(video, () => {
      stopCamera();
      say("The camera has stopped: is it still connected?", true);
    });
    if (mine !== asked) return opened.close();
    camera = opened;
    mirror(camera.facesUser);
    goLive();
  } catch (error) {
    if (mine !== asked) return;
    setState("idle");
    controls();
    say(cameraTrouble((error as DOMException).name, true), true);
  }
}

function stopCamera(): void {
  asked++;
  camera?.close();
  camera = undefined;
  closeView();
  setState("idle");
  controls();
  say("");
  start.focus();
}

function goLive(): void {
  asked++;
  setState("live");
  controls();
  shutter.focus({ preventScroll: true });
  clearResults();
  say("Looking for a face ...");
  closeView();
  const rate = new Rate();
  let trouble: string | undefined;
  view = predictor.live({
    analysis(analysis) {
      if (state() !== "live") return;
      showBoxes(analysis.faces, analysis.width, analysis.height);
      hud.textContent = `${rate.tick().toFixed(0)} frames/s · ${analysis.detector}` +
        (service.detectors.live === service.detectors.photo
          ? ""
          : ` (photos: ${service.detectors.photo})`);
      tell(analysis);
    },
    trouble(text) {
      if (text === trouble) return;
      trouble = text;
      if (text !== undefined) {
        showBoxes([], 1, 1);
        say(text, true);
      } else say("Looking for a face ...");
    },
  });
  pump(view);
}

function closeView(): void {
  view?.close();
  view = undefined;
  hud.textContent = "";
}

/** Offers each new frame of the video for as long as the view is open. */
function pump(mine: LiveView): void {
  const next = () => {
    if (view !== mine) return;
    if (document.visibilityState === "visible" && video.videoWidth > 0) mine.offer(video);
    // Firefox before 132 lacks requestVideoFrameCallback.
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  };
  next();
}

/** Says what the live view sees, but not every frame: a screen reader reads all of it aloud. */
let told = { at: 0, count: -1 };
function tell({ faces }: Analysis): void {
  const now = performance.now();
  if (faces.length === told.count && now - told.at < 4000) return;
  if (faces.length === 0 && now - told.at < 1500) return;
  told = { at: now, count: faces.length };
  say(announcement(faces));
}

/** Answers a second, over the last two seconds. */
class Rate {
  readonly #times: number[] = [];
  tick(): number {
    const now = performance.now();
    this.#times.push(now);
    while (this.#times[0] < now - 2000) this.#times.shift();
    const [first] = this.#times;
    return now > first ? (this.#times.length - 1) * 1000 / (now - first) : 0;
  }
}

// ---- Photos

/** Takes what the camera shows, in full. */
async function shoot(): Promise<void> {
  if (state() !== "live" || video.videoWidth === 0) return;
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  closeView();
  showStill(canvas, canvas);
  const picture = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  // The shutter is disabled by now and would keep the focus from the keyboard.
  controls();
  back.focus({ preventScroll: true });
  if (picture) await analyse(picture);
}

async function choose(picture: File): Promise<void> {
  closeView();
  await analyse(picture, true);
}

/** Shows a photo and what the networks make of it. */
async function analyse(picture: Blob, show = false): Promise<void> {
  const mine = ++asked;
  clearResults();
  if (show) {
    // The server turns it upright and puts it on white, as createImageBitmap and the stage do.
    const bitmap = await createImageBitmap(picture).catch(() => undefined);
    if (mine !== asked) return;
    showStill(bitmap, bitmap ?? { width: 4, height: 3 });
  }
  controls();
  say("Looking for faces ...");
  try {
    const analysis = await predictor.photo(picture);
    if (mine !== asked) return;
    showBoxes(analysis.faces, analysis.width, analysis.height);
    showResults(analysis, service.mode);
    say(announcement(analysis.faces));
  } catch (error) {
    if (mine === asked) say((error as Error).message, true);
  }
}

// ---- What the person does

start.addEventListener("click", startCamera);
shutter.addEventListener("click", shoot);
back.addEventListener("click", () => {
  if (state() === "live") stopCamera();
  else if (camera) goLive();
  else void startCamera();
});
file.addEventListener("change", () => {
  const [picture] = file.files ?? [];
  if (picture) void choose(picture);
  file.value = ""; // so that the same file can be chosen again
});

document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.key === "Escape" && state() === "still" && camera) return goLive();
  // On a button or a link the space bar is the button's or the link's.
  if (event.key !== " " || event.repeat || target.closest("button, a, input, summary")) return;
  if (state() !== "live") return;
  event.preventDefault();
  void shoot();
});

document.addEventListener("paste", (event) => {
  const picture = [...event.clipboardData?.files ?? []][0];
  if (picture) void choose(picture);
  else say("There is no picture to paste: copy one first.", true);
});

let inside = 0; // dragenter and dragleave come for every element under way
const dragging = (by: number) => {
  inside = Math.max(0, inside + by);
  document.documentElement.classList.toggle("dragging", inside > 0);
};
document.addEventListener("dragenter", () => dragging(1));
document.addEventListener("dragleave", () => dragging(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dragging(-inside);
  const [picture] = event.dataTransfer?.files ?? [];
  if (picture) void choose(picture);
  else say("That is no file: drop a photo from a folder.", true);
});

startTheme();
controls();
