/** Rows of bars as an SVG that needs nothing else. */

/** One figure of each row. */
export interface Panel {
  readonly title: string;
  readonly values: readonly number[];
  show(value: number): string;
  readonly fill: string;
}

/**
 * @param title what the whole shows, for those who do not see it
 * @param labels of the rows, the same in each panel
 */
export function barChart(
  title: string,
  labels: readonly string[],
  panels: readonly Panel[],
): string {
  const width = 640, left = 130, right = 110, bar = 22, gap = 8;
  const tall = labels.length * (bar + gap) + 44;
  const parts = panels.flatMap(({ title, values, show, fill }, p) => {
    const top = p * tall + 30;
    const most = Math.max(...values, 1e-9);
    return [
      `<text x="${left}" y="${top - 10}" font-weight="bold">${title}</text>`,
      ...labels.flatMap((label, r) => {
        const y = top + r * (bar + gap), long = values[r] / most * (width - left - right);
        const middle = y + bar / 2 + 5;
        return [
          `<text x="${left - 8}" y="${middle}" text-anchor="end">${label}</text>`,
          `<rect x="${left}" y="${y}" width="${long.toFixed(1)}" height="${bar}" fill="${fill}"/>`,
          `<text x="${(left + long + 8).toFixed(1)}" y="${middle}">${show(values[r])}</text>`,
        ];
      }),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${tall * panels.length}" ` +
    `role="img" font-family="system-ui, sans-serif" font-size="14">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${tall * panels.length}" fill="#fff"/>`,
    ...parts,
    `</svg>\n`,
  ].join("\n");
}
