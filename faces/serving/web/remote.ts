/** Analyses on the server: photos by HTTP, the live view over one WebSocket. */
import type { Analysis } from "../api.ts";
import { grab, type LiveListener, type LiveView, type Predictor } from "./page_predictor.ts";

type Problem = { error: { code: string; message: string } };

export const remote: Predictor = {
  async photo(picture) {
    let response: Response;
    try {
      response = await fetch("/predict?crops=true", {
        method: "POST",
        headers: { "content-type": picture.type || "application/octet-stream" },
        body: picture,
      });
    } catch {
      throw new Error("The server does not answer. Is it still running?");
    }
    const answer = await response.json().catch(() => undefined) as Analysis | Problem | undefined;
    if (!answer) throw new Error(`The server answered with an error (${response.status}).`);
    if ("error" in answer) throw new Error(answer.error.message);
    return answer;
  },
  live: (listener) => new RemoteView(listener),
};

/** Frames on their way or being analysed; the second travels while the first is computed. */
const ahead = 2;
/** A frame that got no answer after so many ms will get none. */
const lost = 3000;
/** The longest pause before the next attempt to connect, in ms. */
const longest = 8000;

class RemoteView implements LiveView {
  readonly #listener: LiveListener;
  readonly #canvas = document.createElement("canvas");
  #socket: WebSocket | undefined;
  /** Number of a frame → when it was sent. An answer settles it and all before it. */
  readonly #sent = new Map<number, number>();
  #frame = 0;
  #pause = 250;
  #closed = false;
  #encoding = false;
  #rest = 0;

  constructor(listener: LiveListener) {
    this.#listener = listener;
    this.#connect();
  }

  get free(): boolean {
    const now = performance.now();
    for (const [frame, at] of this.#sent) if (now - at > lost) this.#sent.delete(frame);
    return this.#socket?.readyState === WebSocket.OPEN && this.#sent.size < ahead &&
      !this.#encoding && now >= this.#rest;
  }

  offer(video: HTMLVideoElement): void {
    if (!this.free) return;
    this.#encoding = true;
    grab(video, this.#canvas);
    this.#canvas.toBlob(
      async (picture) => {
        const bytes = await picture?.arrayBuffer();
        this.#encoding = false;
        if (!bytes || this.#socket?.readyState !== WebSocket.OPEN) return;
        const message = new Uint8Array(4 + bytes.byteLength);
        new DataView(message.buffer).setUint32(0, ++this.#frame);
        message.set(new Uint8Array(bytes), 4);
        this.#sent.set(this.#frame, performance.now());
        this.#socket.send(message);
      },
      "image/jpeg",
      0.85,
    );
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close(1000);
  }

  #connect(): void {
    const url = new URL("/live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = this.#socket = new WebSocket(url);
    socket.addEventListener("open", () => {
      this.#pause = 250;
      this.#listener.trouble(undefined);
    });
    socket.addEventListener("message", ({ data }) => {
      const answer = JSON.parse(data) as { frame: number } & (Analysis | Problem);
      for (const frame of this.#sent.keys()) if (frame <= answer.frame) this.#sent.delete(frame);
      if (this.#closed) return;
      if ("error" in answer) {
        // A server that is busy is not asked again at once.
        this.#rest = performance.now() + 1000;
        this.#listener.trouble(answer.error.message);
      } else {
        this.#listener.trouble(undefined);
        this.#listener.analysis(answer);
      }
    });
    socket.addEventListener("close", () => {
      this.#sent.clear();
      if (this.#closed) return;
      this.#listener.trouble("The live view is interrupted; connecting again ...");
      setTimeout(() => this.#closed || this.#connect(), this.#pause);
      this.#pause = Math.min(longest, this.#pause * 2);
    });
  }
}
