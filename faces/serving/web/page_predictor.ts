/** Inference of the page: on the server (`remote.ts`) or in the browser (`local.ts`). */
import type { Analysis } from "../api.ts";

export interface Predictor {
  /** Analyzes a photo. @throws {Error} with a message for the user */
  photo(photo: Blob): Promise<Analysis>;
  openLive(listener: LiveListener): LiveView;
}

export interface LiveListener {
  analysis(analysis: Analysis): void;
  /** Called with a message for the user; undefined when the error is gone. */
  error(message: string | undefined): void;
}

export interface LiveView {
  /** Analyzes the current frame of a video, or drops it while others are in progress. */
  offer(video: HTMLVideoElement): void;
  close(): void;
}

/** Maximum width of live frames; detectors use smaller inputs. */
const LIVE_WIDTH = 640;

/** Draws the current frame of a video, at most `LIVE_WIDTH` wide. */
export function drawFrame(video: HTMLVideoElement, canvas: HTMLCanvasElement): void {
  const scale = Math.min(1, LIVE_WIDTH / video.videoWidth);
  const width = Math.max(1, Math.round(video.videoWidth * scale));
  const height = Math.max(1, Math.round(video.videoHeight * scale));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d", { willReadFrequently: true })!.drawImage(video, 0, 0, width, height);
}
