// deno-lint-ignore-file no-control-regex -- signatures contain such characters
/** Identifies image formats by their first bytes, independent of file names and HTTP headers. */

export interface ImageFormat {
  /** With its article: "a JPEG". */
  readonly name: string;
  /** decoded: common decoders support it; photo: a photo format that they do not; other: no photo. */
  readonly kind: "decoded" | "photo" | "other";
  /** A command that converts it to a JPEG. */
  readonly convert?: string;
}

/** Formats of the kind "decoded", as messages list them. */
export const DECODED = "JPEG, PNG, WebP, GIF, TIFF and AVIF";

/** Number of bytes that `identifyImage` needs. */
export const HEAD_BYTES = 1024;

const decoded = (name: string): ImageFormat => ({ name, kind: "decoded" });
const photo = (name: string, convert = MAGICK): ImageFormat => ({ name, kind: "photo", convert });
const other = (name: string): ImageFormat => ({ name, kind: "other" });

const MAGICK = "magick IN OUT.jpg";
const HEIC = "heif-convert IN.heic OUT.jpg, or on macOS: sips -s format jpeg IN.heic --out OUT.jpg";

/** Signatures, one character per byte. */
const SIGNATURES: readonly (readonly [RegExp, ImageFormat])[] = [
  [/^\xff\xd8\xff/, decoded("a JPEG")],
  [/^\x89PNG\r\n\x1a\n/, decoded("a PNG")],
  [/^GIF8[79]a/, decoded("a GIF")],
  [/^RIFF....WEBPVP8[ LX]/s, decoded("a WebP")],
  [/^(II\*\0|MM\0\*|II\+\0\x08\0\0\0|MM\0\+\0\x08\0\0)/, decoded("a TIFF")],
  [/^BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0/s, photo("a BMP")],
  [/^(\0\0\0\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51)/, photo("a JPEG 2000")],
  [/^(\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a)/, photo("a JPEG XL", "djxl IN.jxl OUT.jpg")],
  [/^P[1-7][ \t\r\n]+[\d#W]/, photo("a Netpbm image (PPM, PGM or PBM)")],
  [/^8BPS\0[\x01\x02]/, photo("a Photoshop file")],
  [/^(#\?RADIANCE|#\?RGBE|v\/1\x01)/, photo("a high dynamic range image")],
  [/^FUJIFILMCCD-RAW/, photo("a camera's raw file", "dcraw -e IN")],
  [/^.{128}DICM/s, other("a DICOM file")],
  [/^%PDF-/, other("a PDF")],
  [/^version https:\/\/git-lfs/, other("a pointer of Git LFS")],
  [/^\x1f\x8b/, other("a gzip file")],
  [/^PK\x03\x04/, other("a zip file")],
  [/^(?:\xef\xbb\xbf)?[\t\n\r\x20-\x7e]*<svg[\s>]/i, other("an SVG")],
];

/** Brands of the ISO base media file format (ISO 14496-12), in order of precedence. */
const BRANDS: readonly (readonly [RegExp, ImageFormat])[] = [
  [/^avi[fs]$/, decoded("an AVIF")],
  [/^(hei[cxms]|hev[cxms])$/, photo("a HEIC", HEIC)],
  [/^crx $/, photo("a camera's raw file", "dcraw -e IN")],
  [/^(mif[12]|msf1|miaf|avci|avcs|jpeg|j2ki|vvic)$/, photo("a HEIF", HEIC)],
  [/^(qt {2}|iso[m2-9]|mp4[12]|M4[VA] |3gp.|dash|avc1)$/, other("a video")],
];

/**
 * Identifies an image by its first `HEAD_BYTES` bytes.
 * @returns undefined if it is unknown
 */
export function identifyImage(bytes: Uint8Array): ImageFormat | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, HEAD_BYTES));
  const brands = brandsOf(bytes, head);
  return BRANDS.find(([brand]) => brands.some((one) => brand.test(one)))?.[1] ??
    SIGNATURES.find(([signature]) => signature.test(head))?.[1];
}

/** Returns the major and compatible brands of a file that begins with a complete `ftyp` box. */
function brandsOf(bytes: Uint8Array, head: string): string[] {
  if (bytes.length < 16 || head.slice(4, 8) !== "ftyp") return [];
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  if (size < 16 || size % 4 !== 0 || size > head.length) return [];
  return [head.slice(8, 12), ...head.slice(16, size).match(/.{4}/gs) ?? []];
}
