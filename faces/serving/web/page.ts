/** The page: camera, shutter, photos and their results. */
/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="dom.asynciterable" />
/// <reference lib="esnext" />
import type { Analysis } from "../api.ts";
import { byId, offerThemes } from "../page_dom.ts";
import { openLocal } from "./local.ts";
import type { LiveView, Predictor } from "./page_predictor.ts";
import { remote } from "./remote.ts";
import { clearResults, service, showResults } from "./results_view.ts";
import { setState, showBoxes, showStill, type State, state, video } from "./viewfinder.ts";
import { announcement, cameraError } from "./wording.ts";

const start = byId<HTMLButtonElement>("start");
const shutter = byId<HTMLButtonElement>("shutter");
const back = byId<HTMLButtonElement>("back");
const file = byId<HTMLInputElement>("file");
const status = byId("message");
const hud = byId("hud");

const predictor: Predictor = service.mode === "browser" ? openLocal() : remote;
let camera: MediaStream | undefined;
let view: LiveView | undefined;
/** Counts the user's actions: results of earlier ones are dropped. */
let action = 0;

function setStatus(text: string, look: "" | "bad" | "heard" = ""): void {
  if (status.textContent !== text) status.textContent = text;
  status.className = `message ${look}`;
}

function enter(next: State): void {
  setState(next);
  updateButtons();
}

function updateButtons(): void {
  shutter.disabled = state() !== "live";
  back.disabled = state() === "idle" || state() === "starting";
  const opens = state() === "still" && (camera ? "Back to camera" : "Start camera");
  back.textContent = opens || "Stop camera";
}

// ---- Camera and live view

/** Shows the webcam in the video element, unless another action began. @throws as getUserMedia does */
async function openCamera(mine: number): Promise<MediaStream> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } },
  });
  if (mine !== action) return stream;
  const [track] = stream.getVideoTracks();
  track.addEventListener("ended", () => { // not by stop(): it was unplugged
    if (video.srcObject !== stream) return;
    if (state() !== "still") return stopCamera("The camera stopped. Check that it is connected.");
    closeCamera(); // the photo and its results stay
    updateButtons();
  });
  video.srcObject = stream;
  // A camera that faces the user is shown as in a mirror.
  video.classList.toggle("mirrored", track.getSettings().facingMode !== "environment");
  try {
    await video.play();
  } catch (error) {
    closeCamera(stream);
    throw error;
  }
  return stream;
}

function closeCamera(stream = camera): void {
  stream?.getTracks().forEach((track) => track.stop());
  if (!stream || video.srcObject === stream) video.srcObject = null;
  if (camera === stream) camera = undefined;
}

async function startCamera(): Promise<void> {
  if (state() === "starting") return;
  const mine = ++action;
  if (!globalThis.isSecureContext || !navigator.mediaDevices) {
    return setStatus(cameraError("", false), "bad");
  }
  enter("starting");
  setStatus("Starting camera. Your browser may ask for permission.");
  try {
    const opened = await openCamera(mine);
    if (mine !== action) return closeCamera(opened);
    camera = opened;
    goLive();
  } catch (error) {
    if (mine !== action) return;
    stopCamera(cameraError((error as DOMException).name, true));
  }
}

function stopCamera(problem = ""): void {
  action++;
  closeCamera();
  closeView();
  enter("idle");
  setStatus(problem, "bad");
  start.focus();
}

function goLive(): void {
  action++;
  enter("live");
  shutter.focus({ preventScroll: true });
  byId("look").scrollIntoView({ block: "nearest" }); // on a low screen the shutter is below it
  clearResults();
  setStatus("Detecting faces ...");
  closeView();
  const { live, photo } = service.detectors;
  /** Times of the answers of the last two seconds. */
  const times: number[] = [];
  let shown: string | undefined;
  const mine = view = predictor.openLive({
    analysis(analysis) {
      if (state() !== "live") return;
      const now = performance.now();
      times.push(now);
      while (times[0] < now - 2000) times.shift();
      const rate = (times.length - 1) * 1000 / Math.max(1, now - times[0]);
      const other = live === photo ? "" : ` (photos: ${photo})`;
      hud.textContent = `${rate.toFixed(0)} frames/s · ${analysis.detector}${other}`;
      showBoxes(analysis.faces, analysis);
      announce(analysis);
    },
    error(text) {
      if (text === shown) return;
      shown = text;
      showBoxes([]);
      hud.textContent = "";
      setStatus(text ?? "Detecting faces ...", text === undefined ? "" : "bad");
    },
  });
  const offer = () => {
    if (view !== mine) return;
    if (document.visibilityState === "visible" && video.videoWidth > 0) mine.offer(video);
    // Firefox before 132 lacks requestVideoFrameCallback.
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(offer);
    else requestAnimationFrame(offer);
  };
  offer();
}

function closeView(): void {
  view?.close();
  view = undefined;
  hud.textContent = "";
}

let announced = { at: 0, count: -1 };

/** Announces the faces of the live view, not of every frame: screen readers read each one. */
function announce({ faces }: Analysis): void {
  const now = performance.now();
  if (faces.length === announced.count && now - announced.at < 4000) return;
  if (faces.length === 0 && now - announced.at < 1500) return;
  announced = { at: now, count: faces.length };
  // The boxes have newer predictions than a message that stays for seconds.
  setStatus(announcement(faces, service.models), faces.length > 0 ? "heard" : "");
}

// ---- Photos

/** Takes the current frame in full size. */
async function shoot(): Promise<void> {
  if (state() !== "live" || video.videoWidth === 0) return;
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  closeView();
  const mine = ++action;
  showStill(canvas);
  const photo = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (mine !== action) return; // back to the camera meanwhile
  updateButtons();
  back.focus({ preventScroll: true }); // the shutter is disabled and would keep it
  if (photo) await analyze(photo);
  else setStatus("The browser cannot encode the photo. Take it again, or choose a file.", "bad");
}

/** Shows a photo that was chosen, pasted or dropped, and its results. */
async function open(photo: File | undefined, missing: string): Promise<void> {
  if (!photo) return setStatus(missing, "bad");
  // Browsers make a file of a folder that is dropped, too.
  if (!await photo.slice(0, 1).arrayBuffer().catch(() => undefined)) {
    return setStatus("Cannot read the file: it is a folder, or was moved. Choose a photo.", "bad");
  }
  closeView();
  const mine = ++action;
  setStatus("Opening the photo ..."); // a large one takes seconds
  // Upright, as on the server.
  const bitmap = await createImageBitmap(photo).catch(() => undefined);
  if (mine !== action) return bitmap?.close();
  showStill(bitmap);
  bitmap?.close(); // its pixels would stay until the next garbage collection
  // The server reads formats that the browser does not, such as TIFF.
  if (await analyze(photo) || bitmap) return;
  closeCamera();
  enter("idle");
}

/** @returns true unless the photo cannot be read, or another action began */
async function analyze(photo: Blob): Promise<boolean> {
  const mine = ++action;
  clearResults();
  updateButtons();
  setStatus("Detecting faces ...");
  try {
    const analysis = await predictor.photo(photo);
    if (mine !== action) return true;
    showBoxes(analysis.faces, analysis);
    showResults(analysis);
    setStatus(announcement(analysis.faces, service.models));
  } catch (error) {
    if (mine === action) setStatus((error as Error).message, "bad");
    return mine !== action;
  }
  return true;
}

// ---- Events

start.addEventListener("click", startCamera);
shutter.addEventListener("click", shoot);
back.addEventListener("click", () => {
  if (state() === "live") stopCamera();
  else if (camera) goLive();
  else void startCamera();
});
file.addEventListener("change", () => {
  if (file.files?.length) void open(file.files[0], "");
  file.value = ""; // allows choosing the same file again
});

document.addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if (event.key === "Escape" && state() === "still" && camera) return goLive();
  // A focused button or link has the space bar for itself.
  if (event.key !== " " || event.repeat || target.closest("button, a, input, summary")) return;
  if (state() !== "live") return;
  event.preventDefault();
  void shoot();
});

document.addEventListener("paste", ({ clipboardData }) => {
  void open(clipboardData?.files[0], "The clipboard has no image. Copy one first.");
});

let inside = 0; // dragenter and dragleave occur for every element
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
  void open(event.dataTransfer?.files[0], "No file was dropped. Drop a photo from a folder.");
});

offerThemes();
updateButtons();
