/** Reads the picture out of a request, however it was sent, and no more bytes than are allowed. */
import { z } from "zod";
import type { Held } from "./memory.ts";
import { Problem } from "./problem.ts";

/** Types of pictures that are taken; not SVG, which can name other files. */
export const pictureTypes = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/gif",
  "image/tiff",
  "image/avif",
  "image/heif",
] as const;

const takes = `${pictureTypes.join(", ")}, multipart/form-data with a file, or a data URL as ` +
  `text/plain or as JSON: {"image": "data:image/jpeg;base64,..."}`;

const dataUrlBody = z.strictObject({ image: z.string() });

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
export async function readPicture(
  request: Request,
  limits: PictureLimits,
  held: Held,
): Promise<Uint8Array<ArrayBuffer>> {
  const header = request.headers.get("content-type") ?? "";
  const type = essence(header);
  const wrapped = ["multipart/form-data", "text/plain", "application/json"].includes(type);
  if (!wrapped && !isPictureType(type)) throw wrongType(header);
  const body = await readBody(request, limits, held);
  if (body.length === 0) {
    throw new Problem(400, "empty", "The body is empty: send a picture.");
  }
  const picture = type === "multipart/form-data"
    ? await fromForm(body, header)
    : type === "text/plain"
    ? fromDataUrl(text(body))
    : type === "application/json"
    ? fromDataUrl(parseJson(body).image)
    : body;
  checkSignature(picture);
  return picture;
}

/** How files of the types that are taken begin, byte by byte; a dot stands for any byte. */
const signatures = [
  /^\xff\xd8\xff/, // JPEG
  /^\x89PNG\r\n/,
  /^GIF8[79]a/,
  /^RIFF....WEBP/s,
  /^(II[*+]\0|MM\0[*+])/, // TIFF, BigTIFF
  /^....ftyp/s, // AVIF, HEIF
];

/**
 * Keeps what is none of these from the decoder, which would otherwise try its other formats on it.
 * @throws {Problem} 400
 */
export function checkSignature(picture: Uint8Array): void {
  const start = String.fromCharCode(...picture.subarray(0, 12));
  if (signatures.some((signature) => signature.test(start))) return;
  throw new Problem(
    400,
    "unreadable",
    "Cannot decode the picture: it is none of JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIF.",
  );
}

async function fromForm(
  body: Uint8Array<ArrayBuffer>,
  type: string,
): Promise<Uint8Array<ArrayBuffer>> {
  let form: FormData;
  try {
    form = await new Response(body, { headers: { "content-type": type } }).formData();
  } catch (cause) {
    throw new Problem(
      400,
      "malformed",
      `The body is no multipart/form-data: ${(cause as Error).message}.`,
      { cause },
    );
  }
  const value = form.get("image") ?? [...form.values()].find((value) => value instanceof File);
  if (value === undefined || value === null) {
    const names = [...form.keys()].slice(0, 5).map((name) => JSON.stringify(name.slice(0, 40)));
    throw new Problem(
      400,
      "no_picture",
      `The form has no file${names.length > 0 ? `, only ${names.join(", ")}` : ""}. ` +
        `Send the picture as its field "image".`,
    );
  }
  if (typeof value === "string") return fromDataUrl(value);
  if (!isPictureType(essence(value.type))) throw wrongType(value.type);
  return new Uint8Array(await value.arrayBuffer());
}

function parseJson(body: Uint8Array): z.output<typeof dataUrlBody> {
  let value: unknown;
  try {
    value = JSON.parse(text(body));
  } catch (cause) {
    const why = (cause as Error).message.slice(0, 120);
    throw new Problem(400, "malformed", `The body is not JSON: ${why}.`, { cause });
  }
  const parsed = dataUrlBody.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Problem(
    400,
    "malformed",
    `The JSON must be {"image": "data:image/jpeg;base64,..."}: ${
      parsed.error.issues[0].message.slice(0, 120)
    }.`,
  );
}

function fromDataUrl(url: string): Uint8Array<ArrayBuffer> {
  const match = /^\s*data:([^,]{0,200}),/.exec(url);
  const [type, ...parameters] = match?.[1].split(";").map((part) => part.trim()) ?? [""];
  if (!match || !parameters.includes("base64")) {
    throw new Problem(
      400,
      "malformed",
      `Expected a data URL such as "data:image/jpeg;base64,...", got ` +
        `${JSON.stringify(url.slice(0, 40))}.`,
    );
  }
  if (!isPictureType(type.toLowerCase())) throw wrongType(type);
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

function isPictureType(type: string): boolean {
  return (pictureTypes as readonly string[]).includes(type);
}

/** "image/png" of "image/PNG; charset=x" */
function essence(type: string): string {
  return type.split(";")[0].trim().toLowerCase();
}

function wrongType(type: string): Problem {
  const got = type === "" ? "no type" : JSON.stringify(type.slice(0, 80));
  return new Problem(415, "wrong_type", `The body has ${got}; what is taken is ${takes}.`);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
