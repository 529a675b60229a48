/** Images as `data:` URLs. */
import sharp from "sharp";
import { decode } from "../images/decode_image.ts";
import type { ImageSource } from "../training/image_source.ts";

/** Encodes an image of the dataset as PNG, without loss. */
export async function imageDataUrl(images: ImageSource, row: number): Promise<string> {
  const [, height, width] = images.shape;
  const png = await sharp(images.read(row, 1), { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 }).toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}

/**
 * Encodes the central square of a photo as JPEG.
 * @param size side of the thumbnail, pixels
 * @throws {ImageError} if it cannot be decoded
 */
export async function thumbnail(photo: Uint8Array, size: number): Promise<string> {
  const { data, width, height } = await decode(photo);
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(size, size, { fit: "cover" })
    .jpeg({ quality: 78 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
}
