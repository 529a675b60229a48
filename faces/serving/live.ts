/**
 * The live view: frames in, analyses out, over one WebSocket.
 *
 * The client sends binary messages: 4 bytes that number the frame (unsigned, big-endian), then a
 * picture. The server answers in JSON. A frame that waits is replaced by a newer one, so that nothing
 * queues up however fast frames come; an answer tells which frame it is about.
 */
import type { AnalyzeOptions } from "./inference_session.ts";
import { notReady, toProblem } from "./error_response.ts";
import type { ServiceMetrics } from "./service_metrics.ts";
import { checkSignature } from "./read_image.ts";
import type { Pool } from "./inference_pool.ts";
import { Problem } from "./problem.ts";

export interface LiveOptions {
  pool(): Pool | undefined;
  readonly measures: ServiceMetrics;
  /** Live views that may be open at once. */
  readonly viewers: number;
  warn(message: string): void;
}

/** The largest frame in bytes: of 640 × 480 pixels, a JPEG takes some 60,000. */
export const maxFrameBytes = 4_000_000;
/** A client that does not read its answers is let go when this many bytes wait for it. */
const maxUnread = 1_000_000;
/** A client that does not answer pings for so long is gone, in seconds. */
const idle = 30;

const wishes: AnalyzeOptions = { view: "live", crops: false };

/** Codes that close a WebSocket: RFC 6455, section 7.4.1. */
const goingAway = 1001, unsupported = 1003, policy = 1008, tooBig = 1009;

export interface Live {
  /** Answers the request that opens a live view. @throws {Problem} 400, 426, 429 or 503 */
  upgrade(request: Request): Response;
  /** Closes all live views. */
  close(): void;
}

export function createLive({ pool, measures, viewers, warn }: LiveOptions): Live {
  const open = new Set<WebSocket>();
  return {
    upgrade(request) {
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
        throw new Problem(426, "websocket", "/live speaks WebSocket only.", {
          headers: { upgrade: "websocket" },
        });
      }
      // Deno asks only whether they are there.
      const { headers } = request;
      const key = headers.get("sec-websocket-key") ?? "";
      if (headers.get("sec-websocket-version") !== "13" || !/^[\w+/]{22}==$/.test(key)) {
        throw new Problem(400, "malformed", "/live speaks WebSocket of version 13, with a key.", {
          headers: { "sec-websocket-version": "13" },
        });
      }
      if (!pool()?.ready) throw notReady();
      if (open.size >= viewers) {
        throw new Problem(
          429,
          "busy",
          `${open.size} live views are open already. Take a photo instead, or try again later.`,
          { headers: { "retry-after": "10" } },
        );
      }
      const { socket, response } = upgraded(request);
      open.add(socket);
      measures.viewers = open.size;
      socket.addEventListener("close", () => {
        open.delete(socket);
        measures.viewers = open.size;
      });
      // "error" is followed by "close"; what a peer does wrong is not worth a line.
      socket.addEventListener("error", (event) => event.preventDefault());
      watch(socket);
      return response;
    },
    close() {
      for (const socket of open) socket.close(goingAway, "the server stops");
    },
  };

  function upgraded(request: Request): Deno.WebSocketUpgrade {
    try {
      return Deno.upgradeWebSocket(request, { idleTimeout: idle });
    } catch (cause) {
      const why = (cause as Error).message.replace(/\.$/, "");
      throw new Problem(400, "malformed", `Cannot open a live view: ${why}.`, { cause });
    }
  }

  function watch(socket: WebSocket): void {
    socket.binaryType = "arraybuffer";
    let waiting: ArrayBuffer | undefined;
    let busy = false;
    const work = async () => {
      busy = true;
      while (waiting && socket.readyState === WebSocket.OPEN) {
        const frame = new DataView(waiting).getUint32(0);
        const photo = new Uint8Array(waiting.slice(4));
        waiting = undefined;
        const answer = await analyse(frame, photo);
        if (socket.readyState !== WebSocket.OPEN) break;
        if (socket.bufferedAmount > maxUnread) socket.close(policy, "answers are not read");
        else socket.send(JSON.stringify(answer));
      }
      busy = false;
    };
    socket.addEventListener("message", ({ data }) => {
      if (!(data instanceof ArrayBuffer) || data.byteLength < 5) {
        socket.close(unsupported, "a frame is 4 bytes that number it, then a picture");
      } else if (data.byteLength > maxFrameBytes) {
        socket.close(tooBig, `a frame has at most ${maxFrameBytes} bytes`);
      } else {
        if (waiting) measures.frame("replaced");
        waiting = data;
        if (!busy) void work();
      }
    });
    socket.addEventListener("close", () => waiting = undefined);
  }

  async function analyse(frame: number, photo: Uint8Array<ArrayBuffer>): Promise<unknown> {
    try {
      const current = pool();
      if (!current) throw notReady();
      checkSignature(photo);
      const analysis = await current.analyse(photo, wishes);
      measures.frame("answered");
      measures.analysis("live", analysis);
      return { frame, ...analysis };
    } catch (error) {
      measures.frame("failed");
      return { frame, ...toProblem(error, warn).toJSON() };
    }
  }
}
