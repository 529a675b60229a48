/** Points, and curves through them. */

/** x to the right, y down, in pixels. */
export type Point = readonly [x: number, y: number];

/** Returns a smooth path through all points (Catmull-Rom, as cubic Béziers). */
export function smooth(points: readonly Point[], closed = false): string {
  const count = points.length;
  const at = (i: number): Point =>
    closed ? points[(i + count) % count] : points[Math.min(Math.max(i, 0), count - 1)];
  let d = `M${pair(points[0])}`;
  for (let i = 0; i < (closed ? count : count - 1); i++) {
    const [before, from, to, after] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
    const first: Point = [from[0] + (to[0] - before[0]) / 6, from[1] + (to[1] - before[1]) / 6];
    const second: Point = [to[0] - (after[0] - from[0]) / 6, to[1] - (after[1] - from[1]) / 6];
    d += `C${pair(first)} ${pair(second)} ${pair(to)}`;
  }
  return closed ? d + "Z" : d;
}

/** Returns the outline between two lines of the same direction. */
export function ribbon(one: readonly Point[], other: readonly Point[]): string {
  const back = smooth([...other].reverse()).slice(1);
  return `${smooth(one)}L${back}Z`;
}

/** Adds the mirror images of points: one closed outline, clockwise from the top's middle. */
export function symmetric(right: readonly Point[]): Point[] {
  const left = right.filter(([x]) => x !== 0).map(([x, y]): Point => [-x, y]).reverse();
  return [...right, ...left];
}

export function between(one: Point, other: Point, share: number): Point {
  return [one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share];
}

export function betweenLines(one: readonly Point[], other: readonly Point[], share: number) {
  return one.map((point, i) => between(point, other[i], share));
}

/** Returns the point at a place, 0 to 1, of a polyline with equal weight per segment. */
export function along(line: readonly Point[], place: number): Point {
  const at = Math.min(1, Math.max(0, place)) * (line.length - 1);
  const low = Math.min(Math.floor(at), line.length - 2);
  return between(line[low], line[low + 1], at - low);
}

/** Formats a point as path data, to a tenth of a pixel. */
function pair([x, y]: Point): string {
  return `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;
}

/** Formats a point as path data, with a fixed number of decimals. */
export function fixed([x, y]: Point, decimals = 1): string {
  return `${x.toFixed(decimals)} ${y.toFixed(decimals)}`;
}

/** Interpolates between two values; the share is clipped to 0 to 1. */
export function lerp(from: number, to: number, share: number): number {
  return from + (to - from) * Math.min(1, Math.max(0, share));
}

/** Smoothstep: 0 below `from`, 1 above `to`. */
export function ease(from: number, to: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - from) / (to - from)));
  return t * t * (3 - 2 * t);
}

/** Returns the outline of a stroke with pointed ends, `width` at its widest. */
export function taper(points: readonly Point[], width: number, peak = 0.5): string {
  const last = points.length - 1;
  const side = (sign: number) =>
    offset(points, (i) => {
      const t = i / last;
      const turn = t < peak ? t / peak / 2 : 0.5 + (t - peak) / (1 - peak) / 2;
      return sign * width * Math.sin(Math.PI * turn) / 2;
    });
  return ribbon(side(1), side(-1));
}

/** Moves each point of a line sideways, by `by(index)`. */
export function offset(points: readonly Point[], by: (i: number) => number): Point[] {
  const last = points.length - 1;
  return points.map(([x, y], i) => {
    const [from, to] = [points[Math.max(0, i - 1)], points[Math.min(last, i + 1)]];
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(dx, dy) || 1;
    return [x - dy / length * by(i), y + dx / length * by(i)];
  });
}

/** Returns the point of an ellipse at an angle, clockwise from the right. */
export function onEllipse([x, y]: Point, rx: number, ry: number, angle: number): Point {
  return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)];
}

/** Returns `count` values by their indices. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

export function bend(from: Point, control: Point, to: Point, count = 7): Point[] {
  return times(count, (i) => {
    const t = i / (count - 1);
    return between(between(from, control, t), between(control, to, t), t);
  });
}
