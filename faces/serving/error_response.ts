/** Errors to what a client is told of them. */
import { ImageError } from "../images/decode_image.ts";
import { TimeoutError } from "./inference_worker.ts";
import { QueueFullError, ServiceStoppingError } from "./inference_pool.ts";
import { Problem } from "./problem.ts";

/**
 * What a client is told of an error.
 * @param warn told of what is our mistake; the client learns no more than that there is one
 */
export function toProblem(error: unknown, warn: (message: string) => void): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ImageError) return new Problem(400, "unreadable", error.message);
  if (error instanceof QueueFullError) {
    const headers = { "retry-after": String(error.seconds) };
    return new Problem(429, "busy", error.message, { headers });
  }
  if (error instanceof TimeoutError) return new Problem(504, "too_slow", error.message);
  if (error instanceof ServiceStoppingError) return notReady();
  warn(`an error on our side: ${error instanceof Error ? error.stack : error}`);
  return new Problem(500, "internal", "Something failed on the server; its log says what.");
}

/** The models are not open yet, or not any more. */
export function notReady(): Problem {
  const headers = { "retry-after": "2" };
  return new Problem(503, "not_ready", "The server is not ready. Try again soon.", { headers });
}
