/** Reads the image out of a request, however it was sent, with bounded time and memory. */
import { Buffer } from "node:buffer";
import { DECODED, identifyImage } from "../../packages/formats/image_format.ts";
import { busy, Problem } from "./problem.ts";

/** Accepted types. SVG is not among them: it can reference other files. */
export const IMAGE_TYPES = ["jpeg", "png", "webp", "gif", "tiff", "avif"]
  .map((format) => `image/${format}`);

/** Limits of a multipart form: its parts, and the head of each in bytes. */
const MAX_PARTS = 100, MAX_PART_HEAD = 8192;

export interface BodyLimits {
  readonly bytes: number;
  /** Timeout of an upload in seconds. */
  readonly seconds: number;
}

/** Bytes of images in memory, over all requests: uploads in progress and images that wait. */
export class MemoryBudget {
  #used = 0;

  constructor(readonly limit: number) {}

  /** Starts to count a request's bytes, which its disposal returns. `add` throws without room. */
  hold(): Disposable & { add(bytes: number): void } {
    let own = 0;
    const release = () => {
      this.#used -= own;
      own = 0;
    };
    return {
      add: (bytes) => {
        if (this.#used + bytes > this.limit) {
          release(); // at once: its room lets other uploads finish
          throw busy("Too many uploads at once. Try again in 2 s.", 2);
        }
        this.#used += bytes;
        own += bytes;
      },
      [Symbol.dispose]: release,
    };
  }
}

/**
 * Returns the bytes of the image in a request. The bytes decide its format, not the content type.
 * @param held counts the bytes that are kept
 * @throws {Problem} 400, 408, 413, 415 or 429
 */
export async function readImage(
  request: Request,
  limits: BodyLimits,
  held: ReturnType<MemoryBudget["hold"]>,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = await readBody(request, limits, held);
  if (body.length === 0) throw new Problem(400, "empty", "The body is empty: send an image.");
  if (identifyImage(body)?.kind === "decoded") return body;
  const header = request.headers.get("content-type") ?? "";
  const type = header.split(";")[0].trim().toLowerCase();
  const start = text(body.subarray(0, 1000)).trimStart();
  if (type === "multipart/form-data" || /^--\S+\r\ncontent-/i.test(start)) {
    return fromForm(body, header);
  }
  if (type === "application/json" || start.startsWith("{")) {
    return checked(fromDataUrl(fromJson(text(body))));
  }
  if (type === "text/plain" || /^data:/i.test(start)) return checked(fromDataUrl(text(body)));
  if (!identifyImage(body) && !/^(image\/.*|application\/octet-stream|)$/.test(type)) {
    throw new Problem(
      415,
      "wrong_type",
      `Cannot read a body of type ${JSON.stringify(header.slice(0, 80))}: expected an image ` +
        `(${IMAGE_TYPES.join(", ")}), multipart/form-data with a file, or a data URL, as text or ` +
        'as JSON: {"image": "data:image/jpeg;base64,..."}.',
    );
  }
  return checked(body);
}

/** Returns an image of an accepted format, so no other reaches the decoder. @throws {Problem} 400 */
export function checked(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const format = identifyImage(image);
  if (format?.kind === "decoded") return image;
  const found = format ? `${format.name}, and ` : image.length === 0 ? "empty, and " : "";
  const way = format?.convert ? ` Convert it, such as with ${format.convert}.` : "";
  const why = `it is ${found}none of ${DECODED}.${way}`;
  throw new Problem(400, "unreadable", `Cannot decode the image: ${why}`);
}

/**
 * Returns the field "image" of a form, or else its only file: bytes, or a data URL. Searches instead of
 * parsing: a form of many small fields would take seconds and a hundred times its size.
 */
function fromForm(body: Uint8Array<ArrayBuffer>, type: string): Uint8Array<ArrayBuffer> {
  const malformed = (why: string) =>
    new Problem(400, "malformed", `Cannot read the body as multipart/form-data: ${why}.`);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const boundary = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i.exec(type)?.slice(1).find(Boolean) ??
    /^--(\S+)\r\n/.exec(text(body.subarray(0, 100)))?.[1];
  if (boundary === undefined) throw malformed("its boundary is missing");
  const mark = `\r\n--${boundary}`;
  const names: string[] = [];
  const images: Uint8Array<ArrayBuffer>[] = [], others: typeof images = [];
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
    if (name === "image") images.push(part);
    else if (/;\s*filename\*?=/i.test(head)) others.push(part);
    names.push(JSON.stringify(name.slice(0, 40)));
    at = to + mark.length;
  }
  const [image, second] = images.length > 0 ? images : others;
  if (second) {
    throw malformed('it has several images; send one alone in each request, as the field "image"');
  }
  if (image) {
    const isUrl = /^\s*data:/i.test(text(image.subarray(0, 20)));
    return checked(isUrl ? fromDataUrl(text(image)) : image.slice());
  }
  const fields = names.length > 0 ? `, only ${names.slice(0, 5).join(", ")}` : "";
  const message = `The form has no file${fields}. Send the image as its field "image".`;
  throw new Problem(400, "no_picture", message);
}

/**
 * Returns the data URL of {"image": "data:..."}. JSON of another shape is not parsed: it might take
 * seconds and a hundred times its size.
 */
function fromJson(json: string): string {
  const malformed = (why: string) =>
    new Problem(400, "malformed", `The body is not JSON as {"image": "data:..."}: ${why}.`);
  const start = /^\s*\{\s*"image"\s*:\s*"/.exec(json.slice(0, 1000));
  const end = /"\s*\}\s*$/.exec(json.slice(-1000));
  if (!start || !end) throw malformed("expected exactly this field");
  try {
    return JSON.parse(json.slice(start[0].length - 1, json.length - end[0].length + 1));
  } catch (error) {
    throw malformed((error as Error).message.slice(0, 120));
  }
}

function fromDataUrl(url: string): Uint8Array<ArrayBuffer> {
  const match = /^\s*data:([^,]{0,200}),/i.exec(url.slice(0, 1000));
  if (!match || !/;\s*base64\s*$/i.test(match[1])) {
    const got = JSON.stringify(url.slice(0, 40));
    const expected = 'Expected a data URL such as "data:image/jpeg;base64,..."';
    throw new Problem(400, "malformed", `${expected}, got ${got}.`);
  }
  try {
    return Uint8Array.fromBase64(url.slice(match[0].length));
  } catch {
    throw new Problem(400, "malformed", "The data URL is not base64.");
  }
}

/** Reads the body; fails as soon as it is too large or too slow. */
async function readBody(
  { headers, body }: Request,
  { bytes, seconds }: BodyLimits,
  held: ReturnType<MemoryBudget["hold"]>,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () => {
    const message =
      `The body has more than ${bytes} bytes, the limit. Send a smaller image; 1000 ` +
      "pixels across are enough.";
    return new Problem(413, "too_large", message);
  };
  // A header that is missing or wrong passes here; the bytes are counted below.
  if (Number(headers.get("content-length")) > bytes) throw tooLarge();
  if (!body) return new Uint8Array();
  const signal = AbortSignal.timeout(seconds * 1000);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (
      const part of body.pipeThrough(new TransformStream<Uint8Array<ArrayBuffer>>(), { signal })
    ) {
      length += part.length;
      if (length > bytes) throw tooLarge();
      held.add(part.length);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (!signal.aborted) throw new Problem(400, "broken_off", "The body broke off.");
    const message = `The body did not arrive within ${seconds} s. Send a smaller image.`;
    throw new Problem(408, "too_slow", message);
  }
  return await new Blob(parts).bytes();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
