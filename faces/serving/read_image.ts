/** Reads the picture out of a request, however it was sent, and no more bytes than are allowed. */
import { Buffer } from "node:buffer";
import { identifyImage } from "../../packages/formats/image_format.ts";
import type { Held } from "./memory_budget.ts";
import { Problem } from "./problem.ts";

/** Types of pictures that are taken; not SVG, which can name other files. The bytes decide. */
export const pictureTypes = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/gif",
  "image/tiff",
  "image/avif",
] as const;

const takes =
  `a picture (${pictureTypes.join(", ")}), multipart/form-data with a file, or a data ` +
  `URL as it is or as JSON: {"image": "data:image/jpeg;base64,..."}`;

/** Most parts of a form that are looked at, and most bytes of the head of one. */
const MAX_PARTS = 100, MAX_PART_HEAD = 8192;

export interface PictureLimits {
  /** Largest body in bytes. */
  readonly bytes: number;
  /** Longest time for the body to arrive, in seconds. */
  readonly seconds: number;
}

/**
 * The bytes of the picture in a request's body.
 * @param held counts the bytes that are kept
 * @throws {Problem} 400, 408, 413, 415 or 429
 */
export async function readImage(
  request: Request,
  limits: PictureLimits,
  held: Held,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = await readBody(request, limits, held);
  if (body.length === 0) {
    throw new Problem(400, "empty", "The body is empty: send a picture.");
  }
  return pictureIn(body, request.headers.get("content-type") ?? "");
}

/** The picture in a body: what it is shows in its bytes, whatever type a client gives it. */
function pictureIn(body: Uint8Array<ArrayBuffer>, header: string): Uint8Array<ArrayBuffer> {
  if (isPicture(body)) return body;
  const type = essence(header);
  const start = text(body.subarray(0, 1000)).trimStart();
  if (type === "multipart/form-data" || /^--\S+\r\ncontent-/i.test(start)) {
    return fromForm(body, header);
  }
  const picture = type === "application/json" || start.startsWith("{")
    ? fromDataUrl(imageOf(text(body)))
    : type === "text/plain" || /^data:/i.test(start)
    ? fromDataUrl(text(body))
    : body;
  if (
    picture === body && !identifyImage(body) &&
    !/^(image\/.*|application\/octet-stream|)$/.test(type)
  ) {
    const got = JSON.stringify(header.slice(0, 80));
    throw new Problem(415, "wrong_type", `The body has ${got}; what is taken is ${takes}.`);
  }
  checkSignature(picture);
  return picture;
}

/**
 * Keeps what is not decoded from the decoder, and names it.
 * @throws {Problem} 400
 */
export function checkSignature(picture: Uint8Array): void {
  const format = identifyImage(picture);
  if (format?.kind === "decoded") return;
  const found = format ? `${format.name}, and ` : "";
  const way = format?.convert ? ` Convert it, such as with ${format.convert}.` : "";
  throw new Problem(
    400,
    "unreadable",
    `Cannot decode the picture: it is ${found}none of JPEG, PNG, WebP, GIF, TIFF and AVIF.${way}`,
  );
}

function isPicture(bytes: Uint8Array): boolean {
  return identifyImage(bytes)?.kind === "decoded";
}

/**
 * The field "image" of a form, or its first file. It is searched, not parsed: a form of many small
 * fields would take seconds and a hundred times its size.
 */
function fromForm(body: Uint8Array<ArrayBuffer>, type: string): Uint8Array<ArrayBuffer> {
  const malformed = (why: string) =>
    new Problem(400, "malformed", `The body is no multipart/form-data: ${why}.`);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type)?.slice(1).find(Boolean) ??
    /^--(\S+)\r\n/.exec(text(body.subarray(0, 100)))?.[1];
  if (boundary === undefined) throw malformed("its boundary is missing");
  const mark = `\r\n--${boundary}`;
  const names: string[] = [];
  let file: Uint8Array<ArrayBuffer> | undefined;
  let at = body.length;
  if (bytes.indexOf(mark.slice(2)) === 0) at = mark.length - 2;
  else if (bytes.includes(mark)) at = bytes.indexOf(mark) + mark.length;
  else throw malformed("its boundary does not occur in it");
  while (bytes.toString("latin1", at, at + 2) !== "--") {
    const from = bytes.subarray(0, at + MAX_PART_HEAD).indexOf("\r\n\r\n", at) + 4;
    const to = bytes.indexOf(mark, from);
    if (from < 4 || to < 0) throw malformed("it is cut short");
    if (names.length === MAX_PARTS) throw malformed(`it has more than ${MAX_PARTS} parts`);
    const head = bytes.toString("utf8", at, from);
    const part = body.subarray(from, to);
    const name = /;\s*name="?([^";\r\n]*)/i.exec(head)?.[1] ?? "";
    if (name === "image") return inPart(part);
    if (/;\s*filename\*?=/i.test(head)) file ??= part;
    names.push(JSON.stringify(name.slice(0, 40)));
    at = to + mark.length;
  }
  if (file) return inPart(file);
  throw new Problem(
    400,
    "no_picture",
    `The form has no file${names.length > 0 ? `, only ${names.slice(0, 5).join(", ")}` : ""}. ` +
      `Send the picture as its field "image".`,
  );
}

/** A part of a form: a picture, or its data URL. */
function inPart(part: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const isUrl = /^\s*data:/i.test(text(part.subarray(0, 20)));
  const picture = isUrl ? fromDataUrl(text(part)) : part.slice();
  checkSignature(picture);
  return picture;
}

/**
 * The data URL of {"image": "data:..."}. JSON of any other shape, which might take seconds and a
 * hundred times its size, is not parsed.
 */
function imageOf(json: string): string {
  const malformed = (why: string, cause?: unknown) =>
    new Problem(400, "malformed", `The body is not JSON as {"image": "data:..."}: ${why}.`, {
      cause,
    });
  const start = /^\s*\{\s*"image"\s*:\s*"/.exec(json.slice(0, 1000));
  const end = /"\s*\}\s*$/.exec(json.slice(-1000));
  if (!start || !end) throw malformed("it has to have this one field");
  try {
    return JSON.parse(json.slice(start[0].length - 1, json.length - end[0].length + 1));
  } catch (cause) {
    throw malformed((cause as Error).message.slice(0, 120), cause);
  }
}

function fromDataUrl(url: string): Uint8Array<ArrayBuffer> {
  const match = /^\s*data:([^,]{0,200}),/i.exec(url.slice(0, 1000));
  if (!match || !/;\s*base64\s*$/i.test(match[1])) {
    throw new Problem(
      400,
      "malformed",
      `Expected a data URL such as "data:image/jpeg;base64,...", got ` +
        `${JSON.stringify(url.slice(0, 40))}.`,
    );
  }
  try {
    return Uint8Array.fromBase64(url.slice(match[0].length));
  } catch (cause) {
    throw new Problem(400, "malformed", "The data URL is not base64.", { cause });
  }
}

/** The whole body, or a Problem as soon as it is too large or too slow. */
async function readBody(
  request: Request,
  { bytes, seconds }: PictureLimits,
  held: Held,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new Problem(
      413,
      "too_large",
      `The body has more than ${bytes} bytes, the most that is taken. Send a smaller picture; ` +
        "1000 pixels across are plenty.",
    );
  // Number("") is 0, which is no more than what is allowed, and a lie is found out below.
  if (Number(request.headers.get("content-length")) > bytes) throw tooLarge();
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let length = 0;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void reader.cancel().catch(() => {});
  }, seconds * 1000);
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((cause) => {
        throw new Problem(400, "broken_off", "The body broke off.", { cause });
      });
      if (late) {
        throw new Problem(
          408,
          "too_slow",
          `The body did not arrive within ${seconds} s. Send a smaller picture.`,
        );
      }
      if (done) break;
      length += value.length;
      if (length > bytes) throw tooLarge();
      held.add(value.length);
      parts.push(value);
    }
  } finally {
    clearTimeout(timer);
    // The rest of a body that was refused is of no interest.
    void reader.cancel().catch(() => {});
  }
  const body = new Uint8Array(length);
  parts.reduce((at, part) => (body.set(part, at), at + part.length), 0);
  return body;
}

/** "image/png" of "image/PNG; charset=x" */
function essence(type: string): string {
  return type.split(";")[0].trim().toLowerCase();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
