/** What a person sees of a run: one bar for the running stage on a terminal, plain lines elsewhere. */
import { printable } from "./errors.ts";
import { hideSecrets } from "./secrets.ts";
import type { Progress } from "./stage.ts";

export interface Reporter {
  /** Columns that a line has room for. */
  columns(): number;
  /** A line that stays. */
  log(text: string): void;
  /** Progress of a stage, until `end` is called. */
  startProgress(id: string): Progress & { end(): void };
  readonly paint: Colors;
}

/** Colours, or none. */
export interface Colors {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

const code = (open: number, close: number) => (text: string) =>
  `\x1b[${open}m${text}\x1b[${close}m`;
const COLOURS: Colors = {
  bold: code(1, 22),
  dim: code(2, 22),
  green: code(32, 39),
  red: code(31, 39),
  yellow: code(33, 39),
};
// deno-lint-ignore no-control-regex -- colour codes begin with a control character
const COLOUR_CODE = /(\x1b\[(?:1|2|22|3[123]|39)m)/;
const plain = (text: string) => text;
const NO_COLOURS: Colors = { bold: plain, dim: plain, green: plain, red: plain, yellow: plain };

/** Output of a reporter: a terminal or a pipe. */
export interface Output {
  write(text: string): void;
  readonly terminal: boolean;
  columns(): number;
  readonly colour: boolean;
}

/** Standard output or error as the reporter needs it. NO_COLOR and TERM=dumb are honoured. */
export function standardOutput(stream: "stdout" | "stderr"): Output {
  const out = Deno[stream];
  const terminal = out.isTerminal() && Deno.env.get("TERM") !== "dumb";
  const encoder = new TextEncoder();
  return {
    terminal,
    colour: terminal && !Deno.env.get("NO_COLOR"),
    // A terminal that does not know its width says 0.
    columns: () => terminal && Deno.consoleSize().columns || 80,
    write: (text) => {
      const bytes = encoder.encode(text);
      for (let at = 0; at < bytes.length;) at += out.writeSync(bytes.subarray(at));
    },
  };
}

/** How often a bar is drawn, and how often a plain line is printed, in ms. */
const FRAME = 100;
const LINE = 10_000;

export function createReporter(output: Output, now: () => number = Date.now): Reporter {
  const paint = output.colour ? COLOURS : NO_COLOURS;
  // What names a file may hold escape sequences; those of a line's own colours stay.
  const clean = (text: string) =>
    text.split(output.colour ? COLOUR_CODE : /$^/).map((part, i) => i % 2 ? part : printable(part))
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
          if (now() - shown < FRAME && !meter.finished && !begins) return;
          const room = output.columns() - 1;
          draw(fit(clean(meter.bar(id, paint, room)).replaceAll(/[\n\t]/g, " "), room));
        } else {
          if (now() - shown < LINE) return;
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
        end: () => output.terminal && draw(""),
      };
    },
  };
}

/** Counts items and tells rate and time left, over the last stretch of work. */
export class ProgressMeter {
  #total = 0;
  #done = 0;
  #unit = "";
  #note = "";
  #began = 0;
  #from = 0;

  constructor(readonly now: () => number = Date.now) {}

  get finished(): boolean {
    return this.#done >= this.#total;
  }

  start(total: number, unit: string, done: number): void {
    [this.#total, this.#unit, this.#done, this.#from] = [total, unit, done, done];
    this.#began = this.now();
    this.#note = "";
  }

  advance(items: number, note?: string): void {
    this.#done = Math.min(this.#done + items, this.#total);
    // Before it is cut, which would hide where a URL's user ends.
    if (note !== undefined) this.#note = hideSecrets(note);
  }

  /** "6,210/10,420 photos  48/s  1:27 left  note". */
  text(): string {
    return this.#parts().join("  ");
  }

  #parts(): string[] {
    const seconds = (this.now() - this.#began) / 1000;
    const rate = seconds > 0 ? (this.#done - this.#from) / seconds : 0;
    const bytes = this.#unit === "bytes";
    const amount = (n: number) => bytes ? megabytes(n) : formatInteger(n);
    const unit = this.#total === 1 ? this.#unit.replace(/s$/, "") : this.#unit;
    const parts = [`${amount(this.#done)}/${amount(this.#total)}${bytes ? "" : ` ${unit}`}`];
    if (rate > 0) {
      parts.push(
        `${bytes ? megabytes(rate) : rate < 10 ? rate.toFixed(1) : formatInteger(rate)}/s`,
      );
      if (!this.finished) parts.push(`${formatDuration((this.#total - this.#done) / rate)} left`);
    }
    if (this.#note) parts.push(this.#note);
    return parts;
  }

  /** A line with a bar, which gives way to a note that would not fit into `columns`, as do the counts. */
  bar(id: string, paint: Colors, columns = Infinity): string {
    if (this.#total === 0) return `  ${id}`;
    let parts = this.#parts(), width = 20;
    const taken = () => id.length + 11 + parts.join("  ").length; // all but the bar
    if (this.#note && taken() + width > columns) {
      parts = parts.slice(-2); // time left and note
      width = Math.min(width, Math.max(0, columns - taken()));
    }
    const share = Math.min(1, this.#done / this.#total);
    const full = Math.floor(share * width);
    const drawn = paint.green("━".repeat(full)) + paint.dim("─".repeat(width - full));
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    return `  ${id} ${drawn} ${percent}  ${parts.join("  ")}`;
  }
}

/** 1,234,567. */
export function formatInteger(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "0.4 s", "12 s", "3:07", "1:02:03". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (n: number) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

function megabytes(bytes: number): string {
  return bytes < 10e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${formatInteger(bytes / 1e6)} MB`;
}

/** Cuts a line to a width, counting what is seen, not the colour codes. */
function fit(text: string, width: number): string {
  let seen = 0;
  let kept = "";
  // deno-lint-ignore no-control-regex -- colour codes begin with a control character
  for (const [, escape, char] of text.matchAll(/(\x1b\[\d+m)|(.)/gsu)) {
    if (char !== undefined && ++seen > width) break;
    kept += escape ?? char;
  }
  return seen > width && kept.includes("\x1b") ? `${kept}\x1b[0m` : kept;
}
