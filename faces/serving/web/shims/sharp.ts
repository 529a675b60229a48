/// <reference no-default-lib="true" />
/// <reference lib="dom" />
/// <reference lib="esnext" />
/**
 * Stands in for sharp where the page computes: the few of its functions that finding faces and
 * cutting them out calls, on the browser's decoder and on `faces/images/resample.ts`. So the page runs the very
 * modules of training and serving.
 */
import { type Kernel, type Pixels, resample } from "../../../images/resample.ts";

interface RawOptions {
  readonly raw?: { readonly width: number; readonly height: number; readonly channels: 3 };
  readonly failOn?: string;
  readonly limitInputPixels?: number | false;
}

/** Pictures that the browser has decoded, by their bytes. */
const decoded = new WeakMap<Uint8Array, ImageBitmap>();

/** Bytes that stand for a picture which is decoded already, such as a frame of a video. */
export function bytesOf(bitmap: ImageBitmap): Uint8Array<ArrayBuffer> {
  // As decode() expects it of a picture: a signature, and not too few bytes for its pixels.
  const bytes = new Uint8Array(8 + Math.ceil(bitmap.width * bitmap.height / 1000));
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]); // PNG
  decoded.set(bytes, bitmap);
  return bytes;
}

/** What sharp() returns, as far as it is needed. */
class Pipeline {
  readonly #steps: ((pixels: Pixels) => Pixels)[] = [];
  #png = false;

  constructor(readonly input: Uint8Array, readonly options: RawOptions) {}

  /** The browser turns pictures upright when it decodes them. */
  async metadata(): Promise<{ format: string; width: number; height: number; orientation: 1 }> {
    const { width, height } = await decode(this.input);
    return { format: "png", width, height, orientation: 1 };
  }

  // The browser does these when it decodes, and `pixelsOf` puts the picture on white.
  autoOrient(): this {
    return this;
  }
  toColourspace(_space: "srgb"): this {
    return this;
  }
  flatten(_options: { background: "#ffffff" }): this {
    return this;
  }
  raw(_options?: { depth: "uchar" }): this {
    return this;
  }

  resize(width: number, height: number, { kernel }: { kernel: Kernel; fit: "fill" }): this {
    this.#steps.push((pixels) => resample(pixels, width, height, kernel));
    return this;
  }

  png(): this {
    this.#png = true;
    return this;
  }

  toBuffer(): Promise<Uint8Array>;
  toBuffer(
    options: { resolveWithObject: true },
  ): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: 3 } }>;
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
// The browser's own decoder is all there is.
sharp.block = sharp.unblock = (_options: { operation: string[] }) => {};

async function decode(bytes: Uint8Array): Promise<ImageBitmap> {
  let bitmap = decoded.get(bytes);
  if (!bitmap) {
    try {
      bitmap = await createImageBitmap(new Blob([Uint8Array.from(bytes)]));
    } catch (cause) {
      // In sharp's words.
      throw new Error("Input buffer contains unsupported image format", { cause });
    }
    decoded.set(bytes, bitmap);
  }
  return bitmap;
}

/** A picture on white, without its alpha. */
function pixelsOf(bitmap: ImageBitmap): Pixels & { channels: 3 } {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", {
    willReadFrequently: true,
  })!;
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

async function encode({ data, width, height }: Pixels): Promise<Uint8Array> {
  const rgba = new ImageData(width, height);
  for (let from = 0, to = 0; from < data.length; to++) {
    rgba.data[to++] = data[from++];
    rgba.data[to++] = data[from++];
    rgba.data[to++] = data[from++];
    rgba.data[to] = 255;
  }
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d")!.putImageData(rgba, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/png" });
  return new Uint8Array(await blob.arrayBuffer());
}
