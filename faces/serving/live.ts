/**
 * Live views: frames in, analyses out, over one WebSocket.
 *
 * The client sends binary messages: the frame's number in 4 bytes (unsigned, big-endian), then an
 * image. The server answers in JSON with that number. A newer frame replaces one that waits, so none
 * queue up.
 */
import type { InferencePool } from "./inference_pool.ts";
import { busy, notReady, Problem, toProblem } from "./problem.ts";
import { checked } from "./read_image.ts";
import type { Client } from "./server.ts";
import type { ServiceMetrics } from "./service_metrics.ts";

export interface LiveOptions {
  readonly pool: InferencePool;
  readonly metrics: ServiceMetrics;
  /** Maximum number of open live views. */
  readonly viewers: number;
  warn(message: string): void;
}

/** Maximum size of a frame in bytes; a JPEG of 640 × 480 pixels takes some 60,000. */
export const MAX_FRAME_BYTES = 4_000_000;
/** Unread bytes at which a client is disconnected. */
const MAX_UNREAD = 1_000_000;
/** Seconds without an answer to pings after which a client is disconnected. */
const IDLE_SECONDS = 30;
/** Time in ms for a client's answer to a close frame. */
const CLOSING_MS = 2000;

/** Close codes of RFC 6455, section 7.4.1. */
const GOING_AWAY = 1001, UNSUPPORTED = 1003, POLICY = 1008, TOO_BIG = 1009;

export type LiveViews = ReturnType<typeof createLiveViews>;

export function createLiveViews({ pool, metrics, viewers, warn }: LiveOptions) {
  const open = new Set<WebSocket>();
  metrics.gauge("faces_live_viewers", "Open live views", () => open.size);
  return {
    /** Opens a live view. @throws {Problem} 400, 426, 429 or 503 */
    upgrade(request: Request, client: Client): Response {
      const { headers } = request;
      if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
        const message = "/live accepts WebSockets only. Send a photo to /predict.";
        throw new Problem(426, "websocket", message, { upgrade: "websocket" });
      }
      // Deno checks only that both are present.
      const key = headers.get("sec-websocket-key") ?? "";
      if (headers.get("sec-websocket-version") !== "13" || !/^[\w+/]{22}==$/.test(key)) {
        const message = "/live accepts WebSocket version 13 with a key.";
        throw new Problem(400, "malformed", message, { "sec-websocket-version": "13" });
      }
      if (pool.status !== "ready") throw notReady();
      if (open.size >= viewers) {
        const message = `${open.size} live views are already open. Take a photo, or retry later.`;
        throw busy(message, 10);
      }
      let upgraded: Deno.WebSocketUpgrade;
      try {
        upgraded = Deno.upgradeWebSocket(request, { idleTimeout: IDLE_SECONDS });
      } catch (error) {
        const why = (error as Error).message.replace(/\.$/, "");
        throw new Problem(400, "malformed", `Cannot open a live view: ${why}.`);
      }
      const { socket, response } = upgraded;
      open.add(socket);
      socket.addEventListener("close", () => open.delete(socket));
      // "close" follows; errors of a client are not logged.
      socket.addEventListener("error", (event) => event.preventDefault());
      serveFrames(socket, client);
      return response;
    },
    close(): void {
      for (const socket of open) socket.close(GOING_AWAY, "the server stops");
    },
  };

  function serveFrames(socket: WebSocket, client: Client): void {
    socket.binaryType = "arraybuffer";
    let waiting: ArrayBuffer | undefined;
    let running = false;
    const disconnect = (code: number, reason: string) => {
      socket.close(code, reason);
      client.closeAfter(CLOSING_MS); // one that answers nothing would stay a viewer
    };
    const run = async () => {
      running = true;
      while (waiting && socket.readyState === WebSocket.OPEN) {
        const frame = new DataView(waiting).getUint32(0);
        const image = new Uint8Array(waiting.slice(4));
        waiting = undefined;
        const answer = await analyze(image, client.left);
        if (socket.readyState !== WebSocket.OPEN) break;
        if (socket.bufferedAmount > MAX_UNREAD) disconnect(POLICY, "answers are not read");
        else socket.send(JSON.stringify({ frame, ...answer }));
      }
      running = false;
    };
    socket.addEventListener("message", ({ data }) => {
      if (!(data instanceof ArrayBuffer) || data.byteLength < 5) {
        disconnect(UNSUPPORTED, "expected 4 bytes with a frame's number, then an image");
      } else if (data.byteLength > MAX_FRAME_BYTES) {
        disconnect(TOO_BIG, `a frame has at most ${MAX_FRAME_BYTES} bytes`);
      } else {
        if (waiting) metrics.frame("replaced");
        waiting = data;
        if (!running) void run();
      }
    });
    socket.addEventListener("close", () => waiting = undefined);
  }

  async function analyze(image: Uint8Array<ArrayBuffer>, left: AbortSignal): Promise<object> {
    try {
      const analysis = await pool.analyze(checked(image), { view: "live", crops: false }, left);
      metrics.frame("answered");
      metrics.analysis("live", analysis);
      return analysis;
    } catch (error) {
      metrics.frame("failed");
      return toProblem(error, warn).toJSON();
    }
  }
}
