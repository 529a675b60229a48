/** An SVG drawing: elements in painting order, and their gradients. */
import { type Color, css } from "./color.ts";
import { type Point, smooth, taper } from "./geometry.ts";

/** Position in a gradient, color, opacity. */
export type Stop = readonly [offset: number, color: Color, opacity?: number];

export type Attributes = Record<string, string | number | Color | undefined>;

/** Side of an image in pixels. */
export const IMAGE_SIZE = 256;

export class Drawing {
  #definitions: string[] = [];
  #ids = new Map<string, string>();
  #body: string[] = [];

  add(name: string, attributes: Attributes): void {
    this.#body.push(`<${name}${write(attributes)}/>`);
  }

  /** Fills a path. `opacity` is the fill's, which needs no buffer, unlike an element's. */
  path(d: string, { opacity, ...attributes }: Attributes): void {
    this.add("path", { d, ...attributes, "fill-opacity": opacity });
  }

  /** Draws a soft shadow: copies of a path, one per step; faster than a blur. */
  shadow(d: string, color: Color, opacity: number, steps: readonly Point[]): void {
    for (const [x, y] of steps) {
      const transform = `translate(${x} ${y})`;
      this.path(d, { fill: color, opacity: opacity / steps.length, transform });
    }
  }

  line(d: string, stroke: Color, width: number, opacity = 1, more: Attributes = {}): void {
    this.add("path", {
      d,
      fill: "none",
      stroke,
      "stroke-width": width,
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
      "stroke-opacity": opacity < 1 ? opacity : undefined,
      ...more,
    });
  }

  stroke(points: readonly Point[], color: Color, width: number, opacity = 1): void {
    this.line(smooth(points), color, width, opacity);
  }

  /** Fills a stroke with pointed ends, `width` at its widest. */
  brush(
    points: readonly Point[],
    width: number,
    fill: Color,
    opacity: number,
    peak?: number,
  ): void {
    this.path(taper(points, width, peak), { fill, opacity });
  }

  circle([cx, cy]: Point, r: number, fill: Color | string, opacity?: number): void {
    this.add("circle", { cx, cy, r, fill, opacity });
  }

  rect(x: number, y: number, width: number, height: number, attributes: Attributes): void {
    this.add("rect", { x, y, width, height, ...attributes });
  }

  cover(attributes: Attributes): void {
    this.rect(0, 0, IMAGE_SIZE, IMAGE_SIZE, attributes);
  }

  /** Draws a soft spot: an ellipse that fades towards its rim like a Gaussian. */
  glow([cx, cy]: Point, rx: number, ry: number, color: Color, opacity: number, turn = 0): void {
    if (opacity < 0.01) return;
    const fill = this.radial([1, 0.82, 0.43, 0.13, 0].map((fade, i) => [i / 4, color, fade]));
    const transform = turn ? `rotate(${num(turn)} ${num(cx)} ${num(cy)})` : undefined;
    this.add("ellipse", { cx, cy, rx, ry, fill, "fill-opacity": opacity, transform });
  }

  group(attributes: Attributes, draw: () => void): void {
    this.#body.push(`<g${write(attributes)}>`);
    draw();
    this.#body.push("</g>");
  }

  /** Returns a reference to a radial gradient. Default: of the shape's own box. */
  radial(stops: readonly Stop[], attributes: Attributes = {}): string {
    return this.#define("radialGradient", attributes, stops.map(writeStop).join(""));
  }

  /** Returns a reference to a gradient from (x1, y1) to (x2, y2). Default: downwards. */
  linear(stops: readonly Stop[], attributes: Attributes = { x1: 0, y1: 0, x2: 0, y2: 1 }): string {
    return this.#define("linearGradient", attributes, stops.map(writeStop).join(""));
  }

  /** Returns a reference to a gradient from left to right. */
  across(stops: readonly Stop[]): string {
    return this.linear(stops, { x1: 0, y1: 0, x2: 1, y2: 0 });
  }

  clip(d: string): string {
    return this.#define("clipPath", {}, `<path d="${d}"/>`);
  }

  /** Returns a reference to a Gaussian blur, in pixels. */
  blur(deviation: number): string {
    return this.#define(
      "filter",
      { x: "-30%", y: "-30%", width: "160%", height: "160%" },
      `<feGaussianBlur stdDeviation="${num(deviation)}"/>`,
    );
  }

  toString(): string {
    const size = `width="${IMAGE_SIZE}" height="${IMAGE_SIZE}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ` +
      `viewBox="0 0 ${IMAGE_SIZE} ${IMAGE_SIZE}"><defs>${this.#definitions.join("")}</defs>` +
      `${this.#body.join("")}</svg>`;
  }

  /** Equal definitions share one id. */
  #define(name: string, attributes: Attributes, content: string): string {
    const text = `${write(attributes)}>${content}</${name}>`;
    const id = this.#ids.getOrInsertComputed(name + text, () => {
      const id = `d${this.#ids.size}`;
      this.#definitions.push(`<${name} id="${id}"${text}`);
      return id;
    });
    return `url(#${id})`;
  }
}

function write(attributes: Attributes): string {
  let text = "";
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    const written = typeof value === "number"
      ? num(value)
      : typeof value === "object"
      ? css(value)
      : value;
    text += ` ${name}="${written}"`;
  }
  return text;
}

function writeStop([offset, color, opacity = 1]: Stop): string {
  const fade = opacity < 1 ? ` stop-opacity="${num(opacity)}"` : "";
  return `<stop offset="${num(offset)}" stop-color="${css(color)}"${fade}/>`;
}

/** Formats a number with at most two decimals. */
function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}
