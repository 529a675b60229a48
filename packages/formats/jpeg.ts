/** Reads the header of a JPEG (ITU-T T.81, annex B), without decoding the image. */

/** Size of a JPEG, and its EXIF data. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** True if there is EXIF data, which may contain a rotation. */
  readonly exif: boolean;
}

const SOI = 0xffd8, SOS = 0xda, APP1 = 0xe1;
/** Frames of baseline, extended and progressive JPEGs. */
const FRAMES = new Set([0xc0, 0xc1, 0xc2]);
const EXIF = [0x45, 0x78, 0x69, 0x66];

/**
 * Reads the segments before the image data.
 * @returns undefined if it is not a JPEG, is damaged, or is of a rare kind
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== SOI) return;
  let frame: { width: number; height: number } | undefined;
  let exif = false;
  for (let at = 2; at + 4 <= bytes.length;) {
    if (bytes[at] !== 0xff) return;
    const marker = bytes[at + 1], length = view.getUint16(at + 2);
    if (marker === SOS) return frame && { ...frame, exif };
    if (marker < 0xc0 || marker === 0xff || length < 2 || at + 2 + length > bytes.length) return;
    if (marker === APP1) exif ||= EXIF.every((byte, i) => bytes[at + 4 + i] === byte);
    if (FRAMES.has(marker)) {
      if (frame || length < 8 || bytes[at + 4] !== 8) return;
      frame = { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
      if (frame.width === 0 || frame.height === 0) return;
    }
    at += 2 + length;
  }
}
