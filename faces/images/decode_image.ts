/** Decodes photos to upright RGB images. */
import sharp, { type Metadata } from "sharp";
import { DECODED, identifyImage } from "../../packages/formats/image_format.ts";
import { readJpegHeader } from "../../packages/formats/jpeg.ts";
import { type Box, type Image, shownReason, UNKNOWN_FORMAT } from "./image.ts";

/** Maximum number of pixels, checked before decoding: 64 megapixels take 192 MB. */
export const MAX_PIXELS = 64e6;

/**
 * Maximum number of pixels per byte, against decompression bombs: a file of 1 kB must not take the
 * memory of 64 megapixels. Images of up to `ALWAYS_TAKEN` pixels, such as a plain wall, are exempt.
 */
const PIXELS_PER_BYTE = 1000, ALWAYS_TAKEN = 4e6;

// The other loaders of libvips open further files, inflate or render untrusted content. They are
// blocked in every process that decodes, independent of signatures. Each by its name: blocking all and
// unblocking those above would stop a photo that another thread decodes at that moment, since a process
// has one list. SVG stays, for the synthetic faces; `inference_process.ts` blocks it, too.
sharp.block({
  operation: (
    "Analyze Archive Csv Dcraw Fits Jp2k Jxl Magick Magick7 Mat Matrix Nifti OpenExr Openslide Pdf " +
    "Ppm Rad Raw Uhdr Vips"
  ).split(" ").map((name) => `VipsForeignLoad${name}`),
});

const DAMAGED = "it is damaged or cut short";
const SUPPORTED = `${DECODED} are supported`;

/** Undamaged files that libvips does not decode: their format, a mark in their header, the reason. */
const RARE = [
  {
    of: "a TIFF",
    // The tag PhotometricInterpretation of CIELab, little-endian or big-endian.
    // deno-lint-ignore no-control-regex -- tags have such characters
    mark: /\x06\x01\x03\0\x01\0\0\0\x08\0|\x01\x06\0\x03\0\0\0\x01\0\x08/,
    why:
      "it is a TIFF of CIELab colors, of which only undamaged files with 16 bits a channel are " +
      "read; convert it, such as with magick IN -colorspace sRGB OUT.jpg",
  },
  {
    of: "a JPEG",
    // The frame's header, with the length for 1, 3 or 4 channels, and the precision.
    // deno-lint-ignore no-control-regex -- headers have such characters
    mark: /\xff[\xc1-\xc3]\0[\x0b\x11\x14]\x0c/,
    why: "it is a JPEG of 12 bits a channel, which is not supported; save it with 8 bits a channel",
  },
];

const BACKGROUND = "#ffffff";

export interface Decoded extends Image {
  /** EXIF orientation of the stored pixels, 1 to 8; 1 is upright. */
  readonly orientation: number;
}

/** A photo that cannot be decoded. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  /** @param way out, a sentence; results have the reason alone */
  constructor(readonly reason: string, cause?: unknown, readonly way?: string) {
    super(`Cannot decode the photo: ${shownReason(reason)}.${way ? ` ${way}` : ""}`, { cause });
  }
}

/**
 * Decodes a JPEG, PNG, WebP, GIF (its first frame), TIFF or AVIF: turned upright by its EXIF orientation, in
 * sRGB, transparency flattened on white, 8 bits per channel. Only the signature decides the format.
 *
 * @example
 * ```ts
 * const photo = Uint8Array.fromBase64("R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="); // a GIF of 1 pixel
 * const { data, width, height } = await decode(photo); // data: R, G, B of each pixel
 * ```
 * @throws {ImageError} if it is empty, of another format, damaged, cut short or too large
 */
export async function decode(bytes: Uint8Array): Promise<Decoded> {
  if (bytes.length === 0) throw new ImageError("it is empty (0 bytes)");
  const known = identifyImage(bytes);
  if (known === undefined) throw new ImageError(UNKNOWN_FORMAT);
  const { name, kind, convert } = known;
  if (kind !== "decoded") {
    const way = convert ? `; convert it, such as with ${convert}` : "";
    throw new ImageError(`it is ${name}, which is not supported${way} (${SUPPORTED})`);
  }
  try {
    const { width, height, orientation = 1, depth, space, icc } = await readHeader(bytes);
    const pixels = width * height;
    const limit = pixels > MAX_PIXELS
      ? `${MAX_PIXELS / 1e6} million`
      : pixels > Math.max(ALWAYS_TAKEN, bytes.length * PIXELS_PER_BYTE)
      ? `${PIXELS_PER_BYTE} per byte of its file`
      : undefined;
    if (limit) {
      const why = `it has ${width} × ${height} pixels; the maximum is ${limit}`;
      throw new ImageError(why, undefined, "Scale it down.");
    }
    if (depth && !["uchar", "ushort"].includes(depth) && !/^(lab|xyz)/.test(space ?? "")) {
      throw new ImageError(
        `its numbers are of type ${depth}, which does not define black and white; save it ` +
          "with 8 or 16 bits a channel",
      );
    }
    const profiled = space === "rgb16" && icc !== undefined;
    const { data, info } = await decodePixels(bytes, profiled).catch(async (error) => {
      const pixels = name === "a JPEG" ? await decodeWithoutEnd(bytes) : undefined;
      if (pixels) return pixels;
      throw error;
    });
    if (info.channels !== 3) throw new ImageError(`it has ${info.channels} channels, not 3`);
    return { data, width: info.width, height: info.height, orientation };
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    const why = reason(cause as Error, name, bytes);
    throw new ImageError(why, cause, why === DAMAGED ? "Download or export it again." : undefined);
  }
}

/** @param profiled true for 16 bits a channel with a color profile, which sharp takes to Display P3 */
async function decodePixels(bytes: Uint8Array, profiled = false) {
  // Warnings, such as stray bytes between two JPEG markers, are ignored; a truncated file fails.
  const photo = sharp(bytes, { failOn: "error", limitInputPixels: MAX_PIXELS }).autoOrient();
  return await (profiled ? photo.pipelineColorspace("srgb") : photo)
    .toColorspace("srgb")
    .flatten({ background: BACKGROUND })
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
}

/**
 * Decodes a JPEG that lacks only its end marker. If its last scan is complete, the pixels do not depend
 * on the bytes after it.
 * @returns undefined if more is missing
 */
async function decodeWithoutEnd(bytes: Uint8Array) {
  const length = bytes.at(-1) === 0xff ? bytes.length - 1 : bytes.length; // half of the marker
  const continued = async (noise: number) => {
    const file = new Uint8Array(length + noise + 2).fill(0x55);
    file.set(bytes.subarray(0, length));
    file.set([0xff, 0xd9], length + noise);
    return await decodePixels(file);
  };
  try {
    const pixels = await continued(0), other = await continued(1024);
    return pixels.data.every((value, i) => value === other.data[i]) ? pixels : undefined;
  } catch {
    return undefined; // the error of the file as it is counts
  }
}

type Header =
  & Pick<Metadata, "width" | "height">
  & Partial<Pick<Metadata, "orientation" | "depth" | "space" | "icc">>;

/** Reads a photo's header, of any size. */
async function readHeader(bytes: Uint8Array): Promise<Header> {
  const jpeg = readJpegHeader(bytes); // in a hundredth of the time
  if (jpeg && !jpeg.exif) return jpeg;
  return await sharp(bytes, { limitInputPixels: false }).metadata();
}

/**
 * Returns a fixed description of an error: libvips has one list of messages for all threads, which
 * mixes those of concurrent decodes. The original message is in the error's cause.
 */
function reason({ message }: Error, format: string, bytes: Uint8Array): string {
  if (/contains unsupported image format/.test(message)) return UNKNOWN_FORMAT;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tags = format === "a TIFF" && bytes.length >= 8 ? view.getUint32(4, bytes[0] === 0x49) : 0;
  const header = new TextDecoder("latin1").decode(bytes.subarray(tags, tags + 2 ** 16));
  return RARE.find(({ of, mark }) => of === format && mark.test(header))?.why ??
    DAMAGED;
}

/**
 * Converts a box from stored pixels to pixels of the upright image. The orientations 2 to 4 mirror
 * left to right, turn by 180° and mirror top to bottom; 5 to 8 also swap the axes.
 */
export function turnUpright(box: Box, { width, height, orientation }: Decoded): Box {
  const swap = orientation >= 5;
  const [x, y] = swap ? [box.y, box.x] : [box.x, box.y];
  const [w, h] = swap ? [box.height, box.width] : [box.width, box.height];
  const fromRight = [2, 3, 6, 7].includes(orientation);
  const fromBottom = [3, 4, 7, 8].includes(orientation);
  return {
    x: fromRight ? width - x - w : x,
    y: fromBottom ? height - y - h : y,
    width: w,
    height: h,
  };
}
