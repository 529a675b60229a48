/** What a person sees: a bar on a terminal, plain lines elsewhere. */
import assert from "node:assert/strict";
import {
  formatDuration,
  formatInteger,
  formatNumber,
  signedNumber,
} from "../../../packages/pipeline/format.ts";
import { createReporter, type Output, ProgressMeter } from "../../../packages/pipeline/reporter.ts";

/** An output that keeps what was written, and a clock that stands until it is set. */
function fake(output: Partial<Output> = {}) {
  const seen = { text: "", time: 0 };
  const reporter = createReporter({
    terminal: true,
    color: false,
    columns: () => 80,
    write: (text) => void (seen.text += text),
    ...output,
  }, () => seen.time);
  return { seen, reporter };
}

/** The lines that stand on a terminal after all that was written. */
function screen(text: string): string[] {
  const lines = [""];
  // deno-lint-ignore no-control-regex -- what clears a line begins with a control character
  for (const [part] of text.matchAll(/\r\x1b\[2K|\n|[^\r\n]+/g)) {
    if (part === "\n") lines.push("");
    else if (part.startsWith("\r")) lines[lines.length - 1] = "";
    else lines[lines.length - 1] += part;
  }
  return lines;
}

Deno.test("createReporter() draws one bar below the lines on a terminal", () => {
  const { seen, reporter } = fake();
  reporter.log("> faceCrop  runs");
  const progress = reporter.startProgress("faceCrop");
  assert.deepEqual(screen(seen.text), ["> faceCrop  runs", ""]);
  progress.start(200, "photos");
  const empty = "  faceCrop ────────────────────   0 %  0/200 photos";
  assert.deepEqual(screen(seen.text), ["> faceCrop  runs", empty]);
  seen.time = 1000;
  progress.advance(50, "wiki");
  const quarter = "  faceCrop ━━━━━───────────────  25 %  50/200 photos  50/s  3.0 s left  wiki";
  assert.equal(screen(seen.text).at(-1), quarter);
  reporter.log("  faceCrop: a photo is damaged");
  assert.deepEqual(screen(seen.text).slice(1), ["  faceCrop: a photo is damaged", quarter]);
  progress[Symbol.dispose]();
  reporter.log("✓ faceCrop");
  assert.deepEqual(screen(seen.text).slice(2), ["✓ faceCrop", ""]);
});

Deno.test("createReporter() shows escape sequences of names, and keeps the colors of its own", () => {
  const name = "\x1b[2J\x9b1A\x07a\u202eb.jpg", shown = "\\x1b[2J\\x9b1A\\x07a\\u202eb.jpg";
  for (const color of [false, true]) {
    const { seen, reporter } = fake({ color, columns: () => 200 });
    reporter.log(reporter.paint.yellow(`cannot read ${name}`));
    const line = color ? `\x1b[33mcannot read ${shown}\x1b[39m\n` : `cannot read ${shown}\n`;
    assert.equal(seen.text, line);
    const progress = reporter.startProgress("predict");
    progress.start(1, "pictures");
    progress.advance(1, `${name}\n`);
    assert.ok(seen.text.includes(`  ${shown} `), JSON.stringify(seen.text));
    assert.ok(!seen.text.includes(name));
  }
});

Deno.test("createReporter() draws at most ten times a second, and the end", () => {
  const { seen, reporter } = fake();
  const progress = reporter.startProgress("split");
  progress.start(1000, "rows");
  for (let i = 1; i <= 1000; i++) {
    seen.time = i;
    progress.advance();
  }
  const draws = seen.text.split("\r").length - 1;
  assert.ok(draws >= 10 && draws <= 13, `${draws}`);
  assert.match(screen(seen.text).at(-1)!, /━{20} 100 % {2}1,000\/1,000/);
});

Deno.test("createReporter() cuts a bar to the terminal, colors apart", () => {
  const { seen, reporter } = fake({ color: true, columns: () => 31 });
  reporter.startProgress("train").start(10, "epochs");
  // deno-lint-ignore no-control-regex -- color codes begin with a control character
  const plain = seen.text.replace(/\x1b\[\d*[mK]|\r/g, "").replace("\x1b[2K", "");
  assert.equal(plain, "  train ────────────────────   ".slice(0, 30));
});

Deno.test("createReporter() keeps a note whole at 80 columns, at the expense of bar and counts", () => {
  const { seen, reporter } = fake();
  const progress = reporter.startProgress("trainGender");
  progress.start(12_000, "steps");
  seen.time = 60_000;
  progress.advance(6_000, "epoch 10/20 loss 0.512 val_loss 0.634");
  assert.equal(
    screen(seen.text).at(-1),
    "  trainGender ━━━━─────  50 %  1:00 left  epoch 10/20 loss 0.512 val_loss 0.634",
  );
});

Deno.test("createReporter() prints plain lines now and then when it is no terminal", () => {
  const { seen, reporter } = fake({ terminal: false });
  const progress = reporter.startProgress("faceCrop");
  progress.start(100, "photos", 20);
  for (let i = 0; i < 80; i++) {
    seen.time += 500;
    progress.advance();
  }
  progress[Symbol.dispose]();
  reporter.log("done");
  assert.equal(
    seen.text,
    `  faceCrop: 40/100 photos  2.0/s  30 s left
  faceCrop: 60/100 photos  2.0/s  20 s left
  faceCrop: 80/100 photos  2.0/s  10 s left
  faceCrop: 100/100 photos  2.0/s
done
`,
  );
});

Deno.test("createReporter() colors where it may", () => {
  const colored = fake({ color: true }).reporter.paint;
  const plain = fake().reporter.paint;
  for (const name of ["bold", "dim", "green", "red", "yellow"] as const) {
    assert.equal(plain[name]("x"), "x");
    // deno-lint-ignore no-control-regex -- color codes begin with a control character
    assert.match(colored[name]("x"), /^\x1b\[\d+mx\x1b\[\d+m$/);
  }
});

Deno.test("Meter tells rate and time left of what this run does", () => {
  let time = 0;
  const meter = new ProgressMeter(() => time);
  const after = (seconds: number, items: number, note?: string) => {
    time += seconds * 1000;
    meter.advance(items, note);
    return meter.text();
  };
  meter.start(10_420, "photos", 1_210);
  assert.equal(meter.text(), "1,210/10,420 photos");
  assert.equal(after(100, 5_000), "6,210/10,420 photos  50/s  1:24 left");
  assert.equal(after(100, 0, "imdb"), "6,210/10,420 photos  25/s  2:48 left  imdb");
  assert.equal(after(1, 99_999), "10,420/10,420 photos  46/s  imdb");
  meter.start(250_000_000, "bytes", 0);
  assert.equal(after(2, 5_000_000), "5.0 MB/250 MB  2.5 MB/s  1:38 left");
  meter.start(5, "runs", 0);
  assert.equal(after(100, 1), "1/5 runs  6:40 left");
  assert.equal(after(30, 0), "1/5 runs  6:10 left");
  assert.equal(after(400, 0), "1/5 runs", "longer than the first");
  meter.start(0, "photos", 0);
  assert.equal(meter.text(), "0/0 photos");
});

Deno.test("durations and counts are easy to read", () => {
  const times = [0, 0.04, 0.96, 9.94, 9.96, 59.4, 59.6, 187, 3599.6, 3723, 360000, Infinity, NaN];
  assert.deepEqual(times.map(formatDuration), [
    ...["0.0 s", "0.0 s", "1.0 s", "9.9 s", "10 s", "59 s", "1:00", "3:07", "1:00:00", "1:02:03"],
    ...["4 d 04:00:00", "?", "?"],
  ]);
  assert.deepEqual([0, 999, 1000, 1234567.4].map(formatInteger), [
    "0",
    "999",
    "1,000",
    "1,234,567",
  ]);
});

Deno.test("Meter counts one item in the singular", () => {
  const meter = new ProgressMeter(() => 0);
  meter.start(1, "epochs", 0);
  assert.equal(meter.text(), "0/1 epoch");
  meter.start(2, "epochs", 0);
  assert.equal(meter.text(), "0/2 epochs");
});

Deno.test("formatNumber() rounds sums alike, whatever the order of their parts", () => {
  const [sum, other] = [0.7625 - 0.625, 0.9 - 0.7625];
  assert.notEqual(sum, other);
  assert.deepEqual([sum, other, 0.13749999999999996].map((one) => formatNumber(one)), [
    ...["0.138", "0.138", "0.138"],
  ]);
  assert.equal(signedNumber(-0.13749999999999996), "−0.138");
  assert.equal(formatNumber(0.05, 12.34), "0.1");
  assert.deepEqual([0, 0.00012, 1234.5, NaN].map((one) => formatNumber(one)), [
    ...["0.000", "0.00012", "1,235", "NaN"],
  ]);
});
