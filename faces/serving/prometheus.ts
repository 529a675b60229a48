/** Counters and histograms in Prometheus's text format. */

type Labels = Readonly<Record<string, string>>;

/** Upper bounds of the histograms' buckets, in seconds. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

interface Histogram {
  readonly counts: number[];
  sum: number;
  count: number;
}

interface Family<Series> {
  readonly help: string;
  readonly series: Map<string, Series>;
}

/**
 * What is measured. Labels take few values, none of them a client's: a series that is there stays.
 */
export class PrometheusMetrics {
  readonly #counters = new Map<string, Family<number>>();
  readonly #histograms = new Map<string, Family<Histogram>>();
  readonly #gauges = new Map<string, { help: string; read: () => number }>();

  /** Declares a counter; its name ends in `_total`. */
  counter(name: string, help: string): (labels?: Labels, by?: number) => void {
    const family: Family<number> = { help, series: new Map() };
    this.#counters.set(name, family);
    return (labels = {}, by = 1) => {
      const key = write(labels);
      family.series.set(key, (family.series.get(key) ?? 0) + by);
    };
  }

  /** Declares a histogram of durations; its name ends in `_seconds`. */
  histogram(name: string, help: string): (seconds: number, labels?: Labels) => void {
    const family: Family<Histogram> = { help, series: new Map() };
    this.#histograms.set(name, family);
    return (seconds, labels = {}) => {
      const key = write(labels);
      let series = family.series.get(key);
      if (!series) {
        series = { counts: bounds.map(() => 0), sum: 0, count: 0 };
        family.series.set(key, series);
      }
      series.sum += seconds;
      series.count++;
      const bucket = bounds.findIndex((bound) => seconds <= bound);
      if (bucket >= 0) series.counts[bucket]++;
    };
  }

  /** Declares a value that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void {
    this.#gauges.set(name, { help, read });
  }

  /** The text exposition format, version 0.0.4. */
  toString(): string {
    const lines: string[] = [];
    const head = (name: string, help: string, type: string) =>
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [name, { help, series }] of this.#counters) {
      head(name, help, "counter");
      for (const [labels, value] of series) lines.push(`${name}${braced(labels)} ${value}`);
    }
    for (const [name, { help, series }] of this.#histograms) {
      head(name, help, "histogram");
      for (const [labels, { counts, sum, count }] of series) {
        let below = 0;
        for (const [i, bound] of bounds.entries()) {
          below += counts[i];
          lines.push(`${name}_bucket${braced(labels, `le="${bound}"`)} ${below}`);
        }
        lines.push(`${name}_bucket${braced(labels, 'le="+Inf"')} ${count}`);
        lines.push(
          `${name}_sum${braced(labels)} ${sum}`,
          `${name}_count${braced(labels)} ${count}`,
        );
      }
    }
    for (const [name, { help, read }] of this.#gauges) {
      head(name, help, "gauge");
      lines.push(`${name} ${read()}`);
    }
    return lines.join("\n") + "\n";
  }
}

/** Labels as they are written between braces. */
function write(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, escaped)}"`)
    .join(",");
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}

function braced(...labels: string[]): string {
  const written = labels.filter((part) => part !== "").join(",");
  return written === "" ? "" : `{${written}}`;
}
