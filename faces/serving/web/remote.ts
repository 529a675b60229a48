/** Inference on the server: photos over HTTP, the live view over a WebSocket. */
import type { Analysis, Problem } from "../api.ts";
import { drawFrame, type LiveListener, type LiveView, type Predictor } from "./page_predictor.ts";

/** Maximum number of unanswered frames: one is sent while another is analyzed. */
const MAX_UNANSWERED = 2;
/** Time in ms after which a frame counts as lost. */
const LOST_MS = 3000;
/** Pause in ms after an error of the server. */
const ERROR_PAUSE_MS = 1000;
/** Shortest and longest pause in ms before connecting again. */
const MIN_PAUSE_MS = 250, MAX_PAUSE_MS = 8000;

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
  openLive,
};

function openLive(listener: LiveListener): LiveView {
  const canvas = document.createElement("canvas");
  /** Number of a frame → time when it was sent. An answer settles all frames before it. */
  const sent = new Map<number, number>();
  let frames = 0, pause = MIN_PAUSE_MS, resumeAt = 0;
  let opens = false, closed = false, encoding = false;
  let socket = connect();
  return {
    offer(video) {
      const now = performance.now();
      for (const [frame, at] of sent) if (now - at > LOST_MS) sent.delete(frame);
      if (encoding || now < resumeAt || sent.size >= MAX_UNANSWERED) return;
      if (socket.readyState !== WebSocket.OPEN) return;
      encoding = true;
      drawFrame(video, canvas);
      canvas.toBlob((image) => void send(image), "image/jpeg", 0.85);
    },
    close() {
      closed = true;
      socket.close(1000);
    },
  };

  async function send(image: Blob | null): Promise<void> {
    const bytes = await image?.arrayBuffer();
    encoding = false;
    if (!bytes || socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(4 + bytes.byteLength);
    new DataView(message.buffer).setUint32(0, ++frames);
    message.set(new Uint8Array(bytes), 4);
    sent.set(frames, performance.now());
    socket.send(message);
  }

  function connect(): WebSocket {
    const url = new URL("/live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const opened = new WebSocket(url);
    opened.addEventListener("open", () => {
      opens = true;
      pause = MIN_PAUSE_MS;
      listener.error(undefined);
    });
    opened.addEventListener("message", ({ data }) => {
      const answer = JSON.parse(data) as { frame: number } & (Analysis | Problem);
      for (const frame of sent.keys()) if (frame <= answer.frame) sent.delete(frame);
      if (closed) return;
      if ("error" in answer) {
        resumeAt = performance.now() + ERROR_PAUSE_MS;
        listener.error(answer.error.message);
      } else {
        listener.error(undefined);
        listener.analysis(answer);
      }
    });
    opened.addEventListener("close", () => {
      sent.clear();
      if (closed) return;
      const what = opens ? "was interrupted" : "does not open, perhaps since too many are open";
      listener.error(`The live view ${what}. Connecting again ...`);
      setTimeout(() => closed || (socket = connect()), pause);
      pause = Math.min(MAX_PAUSE_MS, pause * 2);
    });
    return opened;
  }
}
