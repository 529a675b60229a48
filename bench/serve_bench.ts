/** Latency of the webcam service and of its steps, and frames per second of the live view. */
import sharp from "sharp";
import { quantile } from "../packages/statistics/confidence_intervals.ts";
import { TextLineStream } from "../packages/pipeline/text_line_stream.ts";
import { random } from "../packages/random/random.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawTraits } from "../faces/synthetic/traits.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import type { Analysis } from "../faces/serving/api.ts";
import { defineBench, medianOf, ROOT } from "./harness.ts";

const help = `deno task bench serve [PIPELINE] [options]

Measures the webcam service over HTTP, with the trained models of a pipeline: photos one by one, with
each detector, and frames of the live view.

  --rounds N   photos, and a quarter of the frames (40)`;

const DETECTORS = ["tinyFaceDetector", "ssdMobilenetv1", "dlibCnn"] as const;
const STEPS = ["decode", "detect", "crop", "predict"] as const;

export const bench = defineBench(help, { rounds: 40 }, async ({ rounds }, _, [pipeline]) => {
  const portrait = await drawnPortrait();
  const group = await Deno.readFile(
    new URL(import.meta.resolve("@vladmandic/face-api/demo/sample1.jpg")),
  );
  const photos = [["640 × 480, one face", portrait], ["1920 × 1280, three faces", group]] as const;
  const lines: string[] = [], serve: Record<string, unknown>[] = [];
  const add = (row: Record<string, unknown>, line: string) => {
    serve.push(row);
    lines.push(line);
    console.error(line);
  };
  for (const detector of DETECTORS) {
    await using service = await start(pipeline ?? "pipeline", detector);
    for (const [name, photo] of photos) {
      for (let i = 0; i < 3; i++) await predict(service.url, photo);
      const told: (Analysis & { wall: number })[] = [];
      for (let i = 0; i < rounds; i++) told.push(await predict(service.url, photo));
      const ms = p50p95(told.map(({ wall }) => wall)), found = told[0].faces.length;
      const steps = Object.fromEntries(
        STEPS.map((step) => [step, medianOf(told, ({ timings }) => timings[step])]),
      );
      const parts = STEPS.map((step) => `${step} ${show(steps[step])}`).join(", ");
      add(
        { detector, photo: name, ...ms, steps, found },
        `${detector}, photo ${name}: ${written(ms)} (${parts}; ${found} found)`,
      );
    }
    // The live view has its own detector.
    if (detector !== DETECTORS[0]) continue;
    const { waits, seconds } = await live(service.url, portrait, rounds * 4);
    const ms = p50p95(waits), framesPerSecond = waits.length / seconds;
    add(
      { live: "640 × 480", framesPerSecond, ...ms },
      `live view 640 × 480: ${framesPerSecond.toFixed(1)} frames/s, an answer after ${written(ms)}`,
    );
  }
  return { text: `Times in ms\n\n${lines.join("\n")}`, json: { serve } };
});

/** A drawn face before a wall, as a webcam would send it. */
async function drawnPortrait(): Promise<Uint8Array<ArrayBuffer>> {
  const svg = faceSvg(drawTraits(random(1, "bench"), 34, "female"));
  const face = await drawSvg(svg).resize(400).png().toBuffer();
  const wall = { width: 640, height: 480, channels: 3, background: "#7d8a94" } as const;
  return Uint8Array.from(
    await sharp({ create: wall }).composite([{ input: face, left: 120, top: 50 }])
      .jpeg({ quality: 85 })
      .toBuffer(),
  );
}

async function start(
  pipeline: string,
  detector: string,
): Promise<AsyncDisposable & { url: string }> {
  const set = ["port=0", `detector=${detector}`].flatMap((it) => ["--set", `webcamServe.${it}`]);
  const process = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "serve", pipeline, ...set],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextLineStream());
  let url: string | undefined;
  for await (const line of lines.values({ preventCancel: true })) {
    url = /webcamServe: open (http:\S+)/.exec(line)?.[1];
    if (url) break;
  }
  if (!url) throw new Error(`Cannot measure: deno task serve ${pipeline} did not start.`);
  const rest = lines.pipeTo(new WritableStream());
  return {
    url,
    async [Symbol.asyncDispose]() {
      process.kill("SIGTERM");
      await Promise.all([process.status, rest]);
    },
  };
}

async function predict(url: string, photo: BodyInit): Promise<Analysis & { wall: number }> {
  const began = performance.now();
  const response = await fetch(`${url}/predict`, {
    method: "POST",
    headers: { "content-type": "image/jpeg" },
    body: photo,
  });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(`Cannot measure: the service answered ${JSON.stringify(answer)}.`);
  }
  return { ...answer, wall: performance.now() - began };
}

/** Sends frames as the page does, two at a time under way. */
async function live(url: string, frame: Uint8Array, count: number) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/live`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("Cannot measure: the live view does not open."));
  });
  const sent: number[] = [];
  const waits: number[] = [];
  const send = () => {
    const message = new Uint8Array(4 + frame.length);
    new DataView(message.buffer).setUint32(0, sent.length);
    message.set(frame, 4);
    sent.push(performance.now());
    socket.send(message);
  };
  const began = performance.now();
  await new Promise<void>((resolve) => {
    socket.onmessage = ({ data }) => {
      waits.push(performance.now() - sent[JSON.parse(data).frame]);
      if (waits.length === count) resolve();
      else send();
    };
    send();
    send();
  });
  socket.close();
  return { waits, seconds: (performance.now() - began) / 1000 };
}

function p50p95(times: readonly number[]) {
  const sorted = times.toSorted((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95) };
}

const written = ({ p50, p95 }: ReturnType<typeof p50p95>) => `p50 ${show(p50)}, p95 ${show(p95)}`;

const show = (ms: number) => ms < 10 ? ms.toFixed(1) : ms.toFixed(0);
