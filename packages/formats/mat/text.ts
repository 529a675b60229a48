/** Text as MATLAB stores it. */

const utf8 = new TextDecoder();
/** UTF-16 of either order; malformed parts show as U+FFFD. */
export const utf16le = new TextDecoder("utf-16le");
export const utf16be = new TextDecoder("utf-16be");

/** Malformed parts show as U+FFFD. */
export function decodeUtf8(bytes: Uint8Array): string {
  // Almost all text is short and ASCII, for which this is the faster way.
  if (bytes.length > 256) return utf8.decode(bytes);
  for (let i = 0; i < bytes.length; i++) if (bytes[i] >= 0x80) return utf8.decode(bytes);
  return latin1(bytes);
}

/** A character a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  // In parts, as there is a limit to the number of arguments.
  for (let i = 0; i < bytes.length; i += 4096) {
    // Typed as an array of numbers; anything with a length will do.
    const part = bytes.subarray(i, i + 4096) as unknown as number[];
    text += String.fromCharCode.apply(null, part);
  }
  return text;
}

/** UTF-32, four bytes a character; what is no character shows as U+FFFD. */
export function decodeUtf32(bytes: Uint8Array, little: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4) {
    const code = view.getUint32(i, little);
    text += code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
  }
  return text.toWellFormed();
}
