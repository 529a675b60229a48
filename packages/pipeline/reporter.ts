/** Output of a run: a bar for the running stage on a terminal, plain lines elsewhere. */
import { styleText } from "node:util";
import { printable } from "./errors.ts";
import { formatDuration, formatInteger } from "./format.ts";
import { hideSecrets } from "./secrets.ts";
import type { Progress } from "./stage.ts";

export interface Reporter {
  /** Columns that a line has room for. */
  columns(): number;
  log(text: string): void;
  /** Shows the progress of a stage until it is disposed of. */
  startProgress(id: string): Progress & Disposable;
  readonly paint: Colors;
}

const STYLES = ["bold", "dim", "green", "red", "yellow"] as const;
export type Colors = Record<typeof STYLES[number], (text: string) => string>;

const colors = (enabled: boolean) =>
  Object.fromEntries(
    STYLES.map((name) => [
      name,
      (text: string) => enabled ? styleText(name, text, { validateStream: false }) : text,
    ]),
  ) as Colors;
// deno-lint-ignore no-control-regex -- color codes begin with a control character
const COLOR_CODE = /(\x1b\[(?:1|2|22|3[123]|39)m)/;

export interface Output {
  write(text: string): void;
  readonly terminal: boolean;
  columns(): number;
  readonly color: boolean;
}

/** Returns standard output or error; respects NO_COLOR and TERM=dumb. */
export function standardOutput(stream: "stdout" | "stderr"): Output {
  const out = Deno[stream];
  const terminal = out.isTerminal() && Deno.env.get("TERM") !== "dumb";
  const encoder = new TextEncoder();
  return {
    terminal,
    color: terminal && !Deno.env.get("NO_COLOR"),
    // A terminal of unknown width has 0 columns.
    columns: () => terminal && Deno.consoleSize().columns || 80,
    write: (text) => {
      const bytes = encoder.encode(text);
      for (let at = 0; at < bytes.length;) at += out.writeSync(bytes.subarray(at));
    },
  };
}

/** Prints a line of JSON for programs. */
export function printJson(value: unknown): void {
  standardOutput("stdout").write(`${JSON.stringify(value)}\n`);
}

/** Intervals between frames of a bar and between plain lines, in ms. */
const FRAME_MS = 100;
const LINE_MS = 10_000;

export function createReporter(output: Output, now: () => number = Date.now): Reporter {
  const paint = colors(output.color);
  // A file's name may have escape sequences; the line's own colors stay.
  const clean = (text: string) =>
    text.split(output.color ? COLOR_CODE : /$^/).map((part, i) => i % 2 ? part : printable(part))
      .join("");
  let bar = "";
  const draw = (text: string) => {
    if (text === bar) return;
    output.write(`\r\x1b[2K${text}`);
    bar = text;
  };
  const line = (text: string) => {
    const hidden = bar;
    draw("");
    output.write(`${hideSecrets(clean(text))}\n`);
    draw(hidden);
  };
  return {
    paint,
    log: line,
    columns: () => output.columns(),
    startProgress(id) {
      const meter = new ProgressMeter(now);
      let shown = now();
      const show = (begins = false) => {
        if (output.terminal) {
          if (now() - shown < FRAME_MS && !meter.finished && !begins) return;
          const room = output.columns() - 1;
          draw(fit(clean(meter.bar(id, paint, room)).replaceAll(/[\n\t]/g, " "), room));
        } else {
          if (now() - shown < LINE_MS) return;
          line(`  ${id}: ${meter.text()}`);
        }
        shown = now();
      };
      return {
        start: (total, unit, done = 0) => {
          meter.start(total, unit, done);
          show(true);
        },
        advance: (items = 1, note) => {
          meter.advance(items, note);
          show();
        },
        [Symbol.dispose]: () => void (output.terminal && draw("")),
      };
    },
  };
}

/** Items per second below which no rate is shown. */
const SLOW = 0.05;

/** Counts items, and computes rate and remaining time. */
export class ProgressMeter {
  /** Times in ms; `from` is the number of items that were there, `counted` the time of the last. */
  #state = { total: 0, done: 0, from: 0, unit: "", note: "", began: 0, counted: 0 };

  constructor(readonly now: () => number = Date.now) {}

  get finished(): boolean {
    return this.#state.done >= this.#state.total;
  }

  start(total: number, unit: string, done: number): void {
    const now = this.now();
    this.#state = { total, done, from: done, unit, note: "", began: now, counted: now };
  }

  advance(items: number, note?: string): void {
    const state = this.#state;
    state.done = Math.min(state.done + items, state.total);
    if (items > 0) state.counted = this.now();
    // Before a cut, which may remove the end of a URL's user.
    if (note !== undefined) state.note = hideSecrets(note);
  }

  /** "6,210/10,420 photos  48/s  1:27 left  note". */
  text(): string {
    return this.#parts().join("  ");
  }

  #parts(): string[] {
    const { total, done, from, unit, note, began, counted } = this.#state;
    const now = this.now(), seconds = (now - began) / 1000;
    let rate = seconds > 0 ? (done - from) / seconds : 0, waited = 0;
    const slow = rate < SLOW;
    if (slow) { // such as the runs of a sweep: until the next one counts, time left goes down
      waited = (now - counted) / 1000;
      rate = (done - from) / (seconds - waited) || 0;
    }
    const bytes = unit === "bytes", amount = bytes ? megabytes : formatInteger;
    const units = bytes ? "" : ` ${total === 1 ? unit.replace(/s$/, "") : unit}`;
    const parts = [`${amount(done)}/${amount(total)}${units}`];
    if (!slow) parts.push(`${!bytes && rate < 10 ? rate.toFixed(1) : amount(rate)}/s`);
    const left = (total - done) / rate - waited;
    if (rate > 0 && left > 0) parts.push(`${formatDuration(left)} left`);
    if (note) parts.push(note);
    return parts;
  }

  /** Returns a line with a bar; a long note replaces the counts and shortens the bar. */
  bar(id: string, paint: Colors, columns = Infinity): string {
    const { total, done, note } = this.#state;
    if (total === 0) return `  ${id}`;
    let parts = this.#parts(), width = 20;
    const taken = () => id.length + 11 + parts.join("  ").length; // all but the bar
    if (note && taken() + width > columns) {
      parts = parts.slice(-2); // time left and note
      width = Math.min(width, Math.max(0, columns - taken()));
    }
    const share = Math.min(1, done / total);
    const full = Math.floor(share * width);
    const drawn = paint.green("━".repeat(full)) + paint.dim("─".repeat(width - full));
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    return `  ${id} ${drawn} ${percent}  ${parts.join("  ")}`;
  }
}

function megabytes(bytes: number): string {
  return bytes < 10e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${formatInteger(bytes / 1e6)} MB`;
}

/** Cuts a line to a width, not counting color codes. */
function fit(text: string, width: number): string {
  let seen = 0;
  let kept = "";
  // deno-lint-ignore no-control-regex -- color codes begin with a control character
  for (const [, escape, char] of text.matchAll(/(\x1b\[\d+m)|(.)/gsu)) {
    if (char !== undefined && ++seen > width) break;
    kept += escape ?? char;
  }
  return seen > width && kept.includes("\x1b") ? `${kept}\x1b[0m` : kept;
}
