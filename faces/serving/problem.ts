/** Error responses of the API. */
import type { ContentfulStatusCode } from "hono/utils/http-status";

/** An error response: a code for programs, which never changes, and a message for people. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: ContentfulStatusCode,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }

  toJSON(): { error: { code: string; message: string } } {
    return { error: { code: this.code, message: this.message } };
  }
}

/** Returns the response to a client that can retry after `seconds`. */
export function busy(message: string, seconds: number): Problem {
  return new Problem(429, "busy", message, { "retry-after": String(seconds) });
}

/** Returns the response while the models are not open. */
export function notReady(): Problem {
  const message = "The server is not ready. Try again soon.";
  return new Problem(503, "not_ready", message, { "retry-after": "2" });
}

/** Converts an error to a response. Internal errors go to `warn`, never to the client. */
export function toProblem(error: unknown, warn: (message: string) => void): Problem {
  if (error instanceof Problem) return error;
  // By name: its module loads a native library, which a server of other things does not need.
  if (error instanceof Error && error.name === "ImageError") {
    return new Problem(400, "unreadable", error.message);
  }
  warn(`internal error: ${error instanceof Error ? error.stack : error}`);
  return new Problem(500, "internal", "Internal error. See the server's log.");
}
