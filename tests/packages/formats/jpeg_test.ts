import assert from "node:assert/strict";
import sharp from "sharp";
import { readJpegHeader } from "../../../packages/formats/jpeg.ts";

const picture = () =>
  sharp({ create: { width: 61, height: 43, channels: 3, background: "#804020" } });

Deno.test("readJpegHeader() says what libjpeg says of a JPEG's size", async () => {
  for (const progressive of [false, true]) {
    const jpeg = await picture().jpeg({ progressive }).toBuffer();
    assert.deepEqual(readJpegHeader(jpeg), { width: 61, height: 43, exif: false });
  }
  const grey = await picture().toColourspace("b-w").withIccProfile("srgb").jpeg().toBuffer();
  assert.deepEqual(readJpegHeader(grey), { width: 61, height: 43, exif: false });
});

Deno.test("readJpegHeader() notices EXIF, which may turn the picture", async () => {
  const jpeg = await picture().withMetadata({ orientation: 6 }).jpeg().toBuffer();
  assert.deepEqual(readJpegHeader(jpeg), { width: 61, height: 43, exif: true });
});

Deno.test("readJpegHeader() leaves what is damaged, or no JPEG, to others", async () => {
  const jpeg = new Uint8Array(await picture().jpeg().toBuffer());
  const { length } = jpeg;
  // The picture's data begins after the marker SOS; before it, no cut may pass for a header.
  let begins = 0;
  while (jpeg[begins] !== 0xff || jpeg[begins + 1] !== 0xda) begins++;
  for (let end = 0; end < begins + 4; end++) {
    assert.equal(readJpegHeader(jpeg.subarray(0, end)), undefined, `${end} of ${length} bytes`);
  }
  assert.equal(readJpegHeader(await picture().png().toBuffer()), undefined);
  const broken = jpeg.slice();
  broken[2] = 0; // where a marker should be
  assert.equal(readJpegHeader(broken), undefined);
});
