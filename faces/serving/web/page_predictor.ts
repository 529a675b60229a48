/** Who analyses pictures for the page: the server (`remote.ts`) or the page itself (`local.ts`). */
import type { Analysis } from "../api.ts";

export interface Predictor {
  /** All faces of a photo, with their crops. @throws an Error whose message is for the person */
  photo(picture: Blob): Promise<Analysis>;
  /** Opens a live view. */
  live(listener: LiveListener): LiveView;
}

export interface LiveListener {
  analysis(analysis: Analysis): void;
  /** What is wrong, in words; undefined when all is well again. */
  trouble(message: string | undefined): void;
}

export interface LiveView {
  /** Whether it would take a frame now; what is offered while it would not is dropped. */
  readonly free: boolean;
  /** Takes the picture that a video shows now. */
  offer(video: HTMLVideoElement): void;
  close(): void;
}

/** Frames are analysed at most so wide; detectors see less. */
export const liveWidth = 640;

/** What a video shows, at most `liveWidth` wide. */
export function grab(video: HTMLVideoElement, canvas: HTMLCanvasElement, width = liveWidth): void {
  const scale = Math.min(1, width / video.videoWidth);
  const size = {
    width: Math.max(1, Math.round(video.videoWidth * scale)),
    height: Math.max(1, Math.round(video.videoHeight * scale)),
  };
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
  canvas.getContext("2d", { willReadFrequently: true })!.drawImage(
    video,
    0,
    0,
    canvas.width,
    canvas.height,
  );
}
