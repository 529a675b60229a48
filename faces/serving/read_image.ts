/** Reads the image out of a request, however it was sent, with bounded time and memory. */
import { Buffer } from "node:buffer";
import { identifyImage } from "../../packages/formats/image_format.ts";
import { Problem } from "./problem.ts";

/** Accepted types. SVG is not among them: it can reference other files. */
export const IMAGE_TYPES = ["jpeg", "png", "webp", "gif", "tiff", "avif"]
  .map((format) => `image/${format}`);

export interface BodyLimits {
  readonly bytes: number;
  /** Timeout of an upload in seconds. */
  readonly seconds: number;
}

/**
 * Returns the bytes of the image in a request. The bytes decide its format, not the content type.
 * @throws {Problem} 400, 408, 413 or 415
 */
export async function readImage(
  request: Request,
  limits: BodyLimits,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = await readBody(request, limits);
  if (body.length === 0) throw new Problem(400, "empty", "The body is empty: send an image.");
  if (identifyImage(body)?.kind === "decoded") return body;
  const header = request.headers.get("content-type") ?? "";
  const type = header.split(";")[0].trim().toLowerCase();
  const start = text(body.subarray(0, 1000)).trimStart();
  if (type === "multipart/form-data" || /^--\S+\r\ncontent-/i.test(start)) {
    return fromForm(body, header);
  }
  if (!identifyImage(body) && !/^(image\/.*|application\/octet-stream|)$/.test(type)) {
    throw new Problem(
      415,
      "wrong_type",
      `Cannot read a body of type ${JSON.stringify(header.slice(0, 80))}: expected an image ` +
        `(${IMAGE_TYPES.join(", ")}), or multipart/form-data with a file.`,
    );
  }
  return checked(body);
}

/** Returns an image of an accepted format, so no other reaches the decoder. @throws {Problem} 400 */
export function checked(image: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const format = identifyImage(image);
  if (format?.kind === "decoded") return image;
  const found = format ? `${format.name}, and ` : "";
  const way = format?.convert ? ` Convert it, such as with ${format.convert}.` : "";
  throw new Problem(
    400,
    "unreadable",
    `Cannot decode the image: it is ${found}none of JPEG, PNG, WebP, GIF, TIFF and AVIF.${way}`,
  );
}

/** Returns the field "image" of a form, or its first file. */
async function fromForm(
  body: Uint8Array<ArrayBuffer>,
  type: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const boundary = /^--(\S+)\r\n/.exec(text(body.subarray(0, 100)))?.[1] ?? "";
  const header = /boundary=/i.test(type) ? type : `multipart/form-data; boundary=${boundary}`;
  const form = await new Response(body, { headers: { "content-type": header } }).formData()
    .catch((error: Error) => {
      const message = `Cannot read the body as multipart/form-data: ${error.message}.`;
      throw new Problem(400, "malformed", message);
    });
  const files = [form.get("image"), ...form.values()];
  const image = files.find((value) => value instanceof File);
  if (!image) {
    const message = 'The form has no file. Send the image as its field "image".';
    throw new Problem(400, "no_picture", message);
  }
  return checked(await image.bytes());
}

/** Reads the body; fails as soon as it is too large or too slow. */
async function readBody(
  { headers, body }: Request,
  { bytes, seconds }: BodyLimits,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new Problem(
      413,
      "too_large",
      `The body has more than ${bytes} bytes, the limit. Send a smaller image; 1000 pixels across ` +
        "are enough.",
    );
  // A header that is missing or wrong passes here; the bytes are counted below.
  if (Number(headers.get("content-length")) > bytes) throw tooLarge();
  if (!body) return new Uint8Array();
  const signal = AbortSignal.timeout(seconds * 1000);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of body.pipeThrough(new TransformStream<Uint8Array>(), { signal })) {
      length += part.length;
      if (length > bytes) throw tooLarge();
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (!signal.aborted) throw new Problem(400, "broken_off", "The body broke off.");
    const message = `The body did not arrive within ${seconds} s. Send a smaller image.`;
    throw new Problem(408, "too_slow", message);
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
