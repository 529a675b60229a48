/** A drawing in the making: SVG elements in painter's order, and the gradients that they refer to. */
import { type Color, css } from "./color.ts";
import { type Point, smooth, taper } from "./geometry.ts";

export type { Point };

/** Where in a gradient, which colour, how opaque. */
export type Stop = readonly [offset: number, colour: Color, opacity?: number];

/** Attributes of an element; a colour is written as SVG wants it. */
export type Attributes = Record<string, string | number | Color | undefined>;

/** Side of a picture in pixels. */
export const pictureSize = 256;

export class Drawing {
  #definitions: string[] = [];
  #ids = new Map<string, string>();
  #body: string[] = [];

  /** Adds an element. */
  add(name: string, attributes: Attributes): void {
    this.#body.push(`<${name}${write(attributes)}/>`);
  }

  /** Fills a path. `opacity` is the fill's: unlike an element's it costs no buffer of its own. */
  path(d: string, { opacity, ...attributes }: Attributes): void {
    this.add("path", { d, ...attributes, "fill-opacity": opacity });
  }

  /** A soft shadow: a path, several times, each copy a little further and fainter than a blur is. */
  shadow(d: string, colour: Color, opacity: number, steps: readonly Point[]): void {
    for (const [x, y] of steps) {
      this.path(d, {
        fill: colour,
        opacity: opacity / steps.length,
        transform: `translate(${x} ${y})`,
      });
    }
  }

  /** A line without a fill, its ends round. */
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

  /** Strokes a smooth line through points. */
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

  /** Covers the whole image. */
  cover(attributes: Attributes): void {
    this.rect(0, 0, pictureSize, pictureSize, attributes);
  }

  /** A soft spot of light or shade: an ellipse that fades towards its rim as a Gaussian does. */
  glow(
    [cx, cy]: Point,
    rx: number,
    ry: number,
    colour: Color,
    opacity: number,
    turn = 0,
  ): void {
    if (opacity < 0.01) return;
    const fill = this.radial([
      [0, colour, 1],
      [0.25, colour, 0.82],
      [0.5, colour, 0.43],
      [0.75, colour, 0.13],
      [1, colour, 0],
    ]);
    const transform = turn ? `rotate(${num(turn)} ${num(cx)} ${num(cy)})` : undefined;
    this.add("ellipse", { cx, cy, rx, ry, fill, "fill-opacity": opacity, transform });
  }

  /** Draws what `draw` draws inside a group. */
  group(attributes: Attributes, draw: () => void): void {
    this.#body.push(`<g${write(attributes)}>`);
    draw();
    this.#body.push("</g>");
  }

  /** Reference to a gradient from the middle outwards, in the shape's own box unless told. */
  radial(stops: readonly Stop[], attributes: Attributes = {}): string {
    return this.#define("radialGradient", attributes, stops.map(writeStop).join(""));
  }

  /** Reference to a gradient from (x1, y1) to (x2, y2), 0..1 of the shape's own box unless told. */
  linear(stops: readonly Stop[], attributes: Attributes = { x1: 0, y1: 0, x2: 0, y2: 1 }): string {
    return this.#define("linearGradient", attributes, stops.map(writeStop).join(""));
  }

  /** Returns a reference to a gradient from left to right. */
  across(stops: readonly Stop[]): string {
    return this.linear(stops, { x1: 0, y1: 0, x2: 1, y2: 0 });
  }

  /** Reference to a clip: only what is inside the path shows. */
  clip(d: string): string {
    return this.#define("clipPath", {}, `<path d="${d}"/>`);
  }

  /** Reference to a blur of so many pixels. */
  blur(deviation: number): string {
    return this.#define(
      "filter",
      { x: "-30%", y: "-30%", width: "160%", height: "160%" },
      `<feGaussianBlur stdDeviation="${num(deviation)}"/>`,
    );
  }

  /** The picture as an SVG document. */
  toString(): string {
    const size = `width="${pictureSize}" height="${pictureSize}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ` +
      `viewBox="0 0 ${pictureSize} ${pictureSize}"><defs>${this.#definitions.join("")}</defs>` +
      `${this.#body.join("")}</svg>`;
  }

  /** Equal definitions share one id. */
  #define(name: string, attributes: Attributes, content: string): string {
    const text = `${write(attributes)}>${content}</${name}>`;
    const key = name + text;
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = `d${this.#ids.size}`;
      this.#ids.set(key, id);
      this.#definitions.push(`<${name} id="${id}"${text}`);
    }
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

function writeStop([offset, colour, opacity = 1]: Stop): string {
  const fade = opacity < 1 ? ` stop-opacity="${num(opacity)}"` : "";
  return `<stop offset="${num(offset)}" stop-color="${css(colour)}"${fade}/>`;
}

/** A number with at most two digits after the point. */
export function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}
