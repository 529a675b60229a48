/** Inference on the server: photos over HTTP, the live view over a WebSocket. */
import type { Analysis } from "../api.ts";
import { drawFrame, type LiveListener, type LiveView, type Predictor } from "./page_predictor.ts";

type Problem = { error: { code: string; message: string } };

export const remote: Predictor = {
  async photo(photo) {
    const response = await fetch("/predict?crops=true", {
      method: "POST",
      headers: { "content-type": photo.type || "application/octet-stream" },
      body: photo,
    }).catch(() => {
      throw new Error("The server does not answer. Check that it is running.");
    });
    const answer = await response.json().catch(() => undefined) as Analysis | Problem | undefined;
    if (!answer) throw new Error(`The server returned an error (${response.status}).`);
    if ("error" in answer) throw new Error(answer.error.message);
    return answer;
  },
  openLive: (listener) => new RemoteView(listener),
};

/** Maximum number of unanswered frames: one is sent while another is analyzed. */
const MAX_UNANSWERED = 2;
/** Time in ms after which a frame counts as lost. */
const LOST_MS = 3000;
/** Pause in ms after an error of the server. */
const ERROR_PAUSE_MS = 1000;
/** Shortest and longest pause in ms before connecting again. */
const MIN_PAUSE_MS = 250, MAX_PAUSE_MS = 8000;

class RemoteView implements LiveView {
  readonly #canvas = document.createElement("canvas");
  #socket!: WebSocket;
  /** Number of a frame → time when it was sent. An answer settles all frames before it. */
  readonly #sent = new Map<number, number>();
  #frame = 0;
  #pause = MIN_PAUSE_MS;
  #closed = false;
  #encoding = false;
  #resumeAt = 0;

  constructor(readonly listener: LiveListener) {
    this.#connect();
  }

  offer(video: HTMLVideoElement): void {
    const now = performance.now();
    for (const [frame, at] of this.#sent) if (now - at > LOST_MS) this.#sent.delete(frame);
    if (this.#encoding || now < this.#resumeAt || this.#sent.size >= MAX_UNANSWERED) return;
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#encoding = true;
    drawFrame(video, this.#canvas);
    this.#canvas.toBlob((image) => void this.#send(image), "image/jpeg", 0.85);
  }

  close(): void {
    this.#closed = true;
    this.#socket.close(1000);
  }

  async #send(image: Blob | null): Promise<void> {
    const bytes = await image?.arrayBuffer();
    this.#encoding = false;
    if (!bytes || this.#socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(4 + bytes.byteLength);
    new DataView(message.buffer).setUint32(0, ++this.#frame);
    message.set(new Uint8Array(bytes), 4);
    this.#sent.set(this.#frame, performance.now());
    this.#socket.send(message);
  }

  #connect(): void {
    const url = new URL("/live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = this.#socket = new WebSocket(url);
    socket.addEventListener("open", () => {
      this.#pause = MIN_PAUSE_MS;
      this.listener.error(undefined);
    });
    socket.addEventListener("message", ({ data }) => {
      const answer = JSON.parse(data) as { frame: number } & (Analysis | Problem);
      for (const frame of this.#sent.keys()) if (frame <= answer.frame) this.#sent.delete(frame);
      if (this.#closed) return;
      if ("error" in answer) {
        this.#resumeAt = performance.now() + ERROR_PAUSE_MS;
        this.listener.error(answer.error.message);
      } else {
        this.listener.error(undefined);
        this.listener.analysis(answer);
      }
    });
    socket.addEventListener("close", () => {
      this.#sent.clear();
      if (this.#closed) return;
      this.listener.error("The live view was interrupted. Connecting again ...");
      setTimeout(() => this.#closed || this.#connect(), this.#pause);
      this.#pause = Math.min(MAX_PAUSE_MS, this.#pause * 2);
    });
  }
}
