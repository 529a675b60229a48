/** From the bytes of a photo to an upright RGB picture. */
import sharp, { type Metadata } from "sharp";
import { readJpegHeader } from "../formats/jpeg.ts";
import type { Box, Image } from "./image.ts";

/** Pictures of more pixels are refused before they are decoded: 64 megapixels take 192 MB. */
export const maxPixels = 64e6;

/** What is decoded. Vector graphics are not: they can name other files. */
const formats = new Set(["jpeg", "png", "webp", "gif", "tiff", "avif", "heif"]);

/** Behind transparent pixels. */
export const background = "#ffffff";

/** A picture, and how it lay in its file. */
export interface Decoded extends Image {
  /** EXIF orientation, 1 to 8: how the stored pixels were turned to be upright; 1 is not at all. */
  readonly orientation: number;
}

/** A picture that cannot be decoded. */
export class PictureError extends Error {
  override readonly name = "PictureError";
  constructor(readonly reason: string, cause?: unknown) {
    super(`Cannot decode the picture: ${reason}.`, { cause });
  }
}

/**
 * Decodes a JPEG, PNG, WebP, GIF (its first frame), TIFF or AVIF: turned upright as EXIF says, in
 * sRGB, transparency flattened on white, 8 bits a channel.
 * @throws {PictureError} if it is empty, no picture, damaged, cut short or too large
 */
export async function decode(bytes: Uint8Array): Promise<Decoded> {
  if (bytes.length === 0) throw new PictureError("it is empty (0 bytes)");
  const { format, width, height, orientation = 1 } = await readHeader(bytes);
  if (!formats.has(format)) throw new PictureError(`its format "${format}" is not taken`);
  if (width * height > maxPixels) {
    throw new PictureError(
      `it has ${width} × ${height} pixels, more than the ${maxPixels / 1e6} million that are taken`,
    );
  }
  try {
    // A warning, such as stray bytes between two JPEG markers, does not fail; a cut file does.
    const { data, info } = await sharp(bytes, { failOn: "error" })
      .autoOrient()
      .toColourspace("srgb")
      .flatten({ background })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels instead of 3`);
    return { data, width: info.width, height: info.height, orientation };
  } catch (cause) {
    throw new PictureError(reason(cause as Error), cause);
  }
}

type Header = Pick<Metadata, "format" | "width" | "height" | "orientation">;

/** Reads a picture's header, whatever size it claims. */
async function readHeader(bytes: Uint8Array): Promise<Header> {
  const jpeg = readJpegHeader(bytes); // in a hundredth of the time
  if (jpeg && !jpeg.exif) return { format: "jpeg", width: jpeg.width, height: jpeg.height };
  try {
    return await sharp(bytes, { limitInputPixels: false }).metadata();
  } catch (cause) {
    throw new PictureError(reason(cause as Error), cause);
  }
}

/**
 * What went wrong, in words of our own: libvips keeps one list of messages for all threads, so that
 * those of pictures that are decoded at the same time get mixed. They are in the error's cause.
 */
function reason(error: Error): string {
  return /contains unsupported image format/.test(error.message)
    ? "it is no picture that is known"
    : "it is damaged or cut short";
}

/** A box in the pixels as they are stored, in those of the upright picture. */
export function turnUpright(box: Box, { width, height, orientation }: Decoded): Box {
  // `width` and `height` are the upright picture's; 5 to 8 swap the axes.
  const right = (x: number, size: number) => width - x - size;
  const bottom = (y: number, size: number) => height - y - size;
  const { x, y, width: w, height: h } = box;
  switch (orientation) {
    case 2: // mirrored left to right
      return { x: right(x, w), y, width: w, height: h };
    case 3: // upside down
      return { x: right(x, w), y: bottom(y, h), width: w, height: h };
    case 4: // mirrored top to bottom
      return { x, y: bottom(y, h), width: w, height: h };
    case 5: // mirrored along the diagonal
      return { x: y, y: x, width: h, height: w };
    case 6: // to be turned right
      return { x: right(y, h), y: x, width: h, height: w };
    case 7: // mirrored along the other diagonal
      return { x: right(y, h), y: bottom(x, w), width: h, height: w };
    case 8: // to be turned left
      return { x: y, y: bottom(x, w), width: h, height: w };
    default:
      return box;
  }
}
