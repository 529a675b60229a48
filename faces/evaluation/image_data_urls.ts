/** Pictures inside the page, as `data:` URLs. */
import sharp from "sharp";
import { decode } from "../images/decode_image.ts";
import type { NpyFile } from "../../packages/formats/npy.ts";

/** An image of the dataset, to the pixel: a PNG. */
export async function imageDataUrl(images: NpyFile<"uint8">, row: number): Promise<string> {
  const [, height, width] = images.shape;
  const png = await sharp(images.read(row, 1), { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 }).toBuffer();
  return `data:image/png;base64,${png.toString("base64")}`;
}

/**
 * A photo as large as the page needs it: a JPEG of a square, cut around the photo's middle.
 * @throws {PictureError} if it cannot be decoded
 */
export async function thumbnail(photo: Uint8Array, size: number): Promise<string> {
  const { data, width, height } = await decode(photo);
  const jpeg = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize(size, size, { fit: "cover" })
    .jpeg({ quality: 78 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
}
