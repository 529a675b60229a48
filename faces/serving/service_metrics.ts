/** Metrics of the service in Prometheus's text exposition format 0.0.4. */
import type { Analysis } from "./api.ts";
import type { View } from "./inference_session.ts";
import type { InferencePool } from "./inference_pool.ts";

type Labels = Readonly<Record<string, string>>;

/** Upper bounds of a histogram's buckets, in seconds. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, Infinity];
const STEPS = ["queue", "decode", "detect", "crop", "predict"] as const;

export type ServiceMetrics = ReturnType<typeof createServiceMetrics>;

export function createServiceMetrics(pool: InferencePool) {
  const families: (() => string[])[] = [];
  const declare = (type: string, name: string, help: string, lines: () => string[]) =>
    families.push(() => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines()]);

  const gauge = (name: string, help: string, read: () => number) =>
    declare("gauge", name, help, () => [`${name} ${read()}`]);

  const counter = (name: string, help: string) => {
    // Labels never hold a client's values, so the number of series is bounded.
    const series = new Map<string, number>();
    const lines = () => [...series].map(([labels, value]) => `${name}{${labels}} ${value}`);
    declare("counter", name, help, lines);
    return (labels: Labels, by = 1) => {
      const key = format(labels);
      series.set(key, (series.get(key) ?? 0) + by);
    };
  };

  const histogram = (name: string, help: string) => {
    /** Number of values in and below each bucket, and their sum. */
    const series = new Map<string, { counts: number[]; sum: number }>();
    declare("histogram", name, help, () =>
      [...series].flatMap(([labels, { counts, sum }]) => [
        ...BOUNDS.map((bound, i) =>
          `${name}_bucket{${labels},le="${bound === Infinity ? "+Inf" : bound}"} ${counts[i]}`
        ),
        `${name}_sum{${labels}} ${sum}`,
        `${name}_count{${labels}} ${counts.at(-1)}`,
      ]));
    return (labels: Labels, seconds: number) => {
      const key = format(labels);
      const { counts, sum } = series.get(key) ?? { counts: BOUNDS.map(() => 0), sum: 0 };
      BOUNDS.forEach((bound, i) => seconds <= bound && counts[i]++);
      series.set(key, { counts, sum: sum + seconds });
    };
  };

  const requests = counter("faces_http_requests_total", "Requests answered");
  const durations = histogram("faces_http_request_seconds", "Time to the head of the response");
  const images = counter("faces_pictures_total", "Images analyzed");
  const found = counter("faces_found_total", "Faces detected");
  const spent = histogram("faces_step_seconds", "Time of each step of an analysis");
  const frames = counter("faces_live_frames_total", "Live frames: answered, replaced or failed");
  gauge("faces_ready", "1 if /predict can answer", () => pool.status === "ready" ? 1 : 0);
  gauge("faces_queue_waiting", "Images waiting", () => pool.waiting);
  gauge("faces_queue_running", "Images being analyzed", () => pool.running);
  gauge("process_resident_memory_bytes", "Resident memory", () => Deno.memoryUsage().rss);
  const started = Date.now() / 1000;
  gauge("process_start_time_seconds", "Start, in seconds since 1970", () => started);

  return {
    gauge,
    request(route: string, method: string, status: number, seconds: number): void {
      requests({ route, method, status: String(status) });
      durations({ route }, seconds);
    },
    analysis(view: View, { faces, timings }: Analysis): void {
      images({ view });
      found({ view }, faces.length);
      for (const step of STEPS) spent({ view, step }, timings[step] / 1000);
    },
    frame: (outcome: "answered" | "replaced" | "failed") => frames({ outcome }),
    text: () => families.flatMap((lines) => lines()).join("\n") + "\n",
  };
}

function format(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join();
}
