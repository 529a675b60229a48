/** What the service measures of itself. */
import type { Analysis } from "./api.ts";
import type { AnalysisMode } from "./inference_session.ts";
import { PrometheusMetrics } from "./prometheus.ts";
import type { Pool } from "./inference_pool.ts";

/** What became of a frame of the live view. */
export type FrameOutcome = "answered" | "replaced" | "failed";

export interface ServiceMetrics {
  request(route: string, method: string, status: number, seconds: number): void;
  analysis(view: AnalysisMode, analysis: Analysis): void;
  frame(outcome: FrameOutcome): void;
  /** Live views that are open. */
  viewers: number;
  /** Prometheus's text format. */
  text(): string;
}

const steps = ["queue", "decode", "detect", "crop", "predict"] as const;

export function createServiceMetrics(pool: () => Pool | undefined): ServiceMetrics {
  const metrics = new PrometheusMetrics();
  const requests = metrics.counter("faces_http_requests_total", "Requests answered");
  const durations = metrics.histogram(
    "faces_http_request_seconds",
    "Time from a request's head to its answer's",
  );
  const pictures = metrics.counter("faces_pictures_total", "Pictures analysed");
  const found = metrics.counter("faces_found_total", "Faces found in them");
  const spent = metrics.histogram("faces_step_seconds", "Time that each step of an analysis took");
  const frames = metrics.counter(
    "faces_live_frames_total",
    "Frames of live views: answered, replaced by a newer one while they waited, or failed",
  );
  const measures: ServiceMetrics = {
    viewers: 0,
    request(route, method, status, seconds) {
      requests({ route, method, status: String(status) });
      durations(seconds, { route });
    },
    analysis(view, { faces, timings }) {
      pictures({ view });
      found({ view }, faces.length);
      for (const step of steps) spent(timings[step] / 1000, { view, step });
    },
    frame: (outcome) => frames({ outcome }),
    text: () => metrics.toString(),
  };
  metrics.gauge("faces_ready", "1 if a picture would be answered", () => pool()?.ready ? 1 : 0);
  metrics.gauge("faces_queue_waiting", "Pictures that wait", () => pool()?.waiting ?? 0);
  metrics.gauge("faces_queue_running", "Pictures under way", () => pool()?.running ?? 0);
  metrics.gauge("faces_live_viewers", "Live views that are open", () => measures.viewers);
  metrics.gauge(
    "process_resident_memory_bytes",
    "Memory of the whole process",
    () => Deno.memoryUsage().rss,
  );
  const started = Date.now() / 1000;
  metrics.gauge("process_start_time_seconds", "Start, in seconds since 1970", () => started);
  return measures;
}
