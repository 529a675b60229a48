/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="esnext" />
/**
 * Replaces sharp in the page: the functions that detecting and cropping faces call, on the browser's
 * decoder and `faces/images/resample.ts`. The page thus runs the modules of training and serving.
 */
import type { Image } from "../../../images/image.ts";
import { type Kernel, resample } from "../../../images/resample.ts";

interface RawOptions {
  readonly raw?: { readonly width: number; readonly height: number; readonly channels: 3 };
}

/** Images decoded by the browser, by their bytes. */
const decoded = new WeakMap<Uint8Array, ImageBitmap>();

/** Returns bytes that stand for a decoded image, such as a frame of a video. */
export function bytesOf(bitmap: ImageBitmap): Uint8Array<ArrayBuffer> {
  // decode() expects the signature of an image, and enough bytes for its pixels.
  const bytes = new Uint8Array(8 + Math.ceil(bitmap.width * bitmap.height / 1000));
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]); // PNG
  decoded.set(bytes, bitmap);
  return bytes;
}

/** A photo that the browser's decoder refuses, with a message for the user. */
export class Undecodable extends Error {}

class Pipeline {
  readonly #steps: ((pixels: Image) => Image)[] = [];
  #png = false;

  // The browser rotates images when it decodes them; `pixelsOf` removes alpha.
  autoOrient = this.#same;
  "toColorspace" = this.#same;
  flatten = this.#same;
  raw = this.#same;

  constructor(readonly input: Uint8Array, readonly options: RawOptions) {}

  #same(_options?: unknown): this {
    return this;
  }

  async metadata(): Promise<{ format: string; width: number; height: number; orientation: 1 }> {
    const { width, height } = await decode(this.input);
    return { format: "png", width, height, orientation: 1 };
  }

  resize(width: number, height: number, { kernel }: { kernel: Kernel; fit: "fill" }): this {
    this.#steps.push((pixels) => resample(pixels, width, height, kernel));
    return this;
  }

  png(): this {
    this.#png = true;
    return this;
  }

  async toBuffer(options?: { resolveWithObject: true }): Promise<unknown> {
    const { raw } = this.options;
    let pixels = raw ? { ...raw, data: this.input } : pixelsOf(await decode(this.input));
    for (const step of this.#steps) pixels = { ...step(pixels), channels: 3 };
    const data = this.#png ? await encode(pixels) : pixels.data;
    const { width, height } = pixels;
    return options ? { data, info: { width, height, channels: 3 } } : data;
  }
}

export default function sharp(input: Uint8Array, options: RawOptions = {}): Pipeline {
  return new Pipeline(input, options);
}
// The browser's decoder is the only one.
sharp.block = sharp.unblock = (_options: { operation: string[] }) => {};

async function decode(bytes: Uint8Array): Promise<ImageBitmap> {
  const known = decoded.get(bytes);
  if (known) return known;
  try {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(bytes)]));
    decoded.set(bytes, bitmap);
    return bitmap;
  } catch (cause) {
    throw new Undecodable(
      "This browser cannot decode the photo: it is damaged, or of a format that the browser lacks, " +
        "such as TIFF. Save it as JPEG or PNG.",
      { cause },
    );
  }
}

function contextOf(width: number, height: number): OffscreenCanvasRenderingContext2D {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
}

/** Returns an image's pixels on white, without alpha. */
function pixelsOf(bitmap: ImageBitmap): Image & { channels: 3 } {
  const { width, height } = bitmap;
  const context = contextOf(width, height);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from];
    data[to++] = rgba[from + 1];
    data[to++] = rgba[from + 2];
  }
  return { data, width, height, channels: 3 };
}

async function encode({ data, width, height }: Image): Promise<Uint8Array> {
  const rgba = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; to++) {
    rgba.data[to++] = data[from++];
    rgba.data[to++] = data[from++];
    rgba.data[to++] = data[from++];
    rgba.data[to] = 255;
  }
  const context = contextOf(width, height);
  context.putImageData(rgba, 0, 0);
  const blob = await context.canvas.convertToBlob({ type: "image/png" });
  return new Uint8Array(await blob.arrayBuffer());
}
