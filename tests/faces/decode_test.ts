import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { decode, PictureError, turnUpright } from "../../faces/decode.ts";
import { gradient } from "./fixture.ts";

/** A JPEG-like picture, 40 × 20, red in a corner of 10 × 5 pixels and black elsewhere, as PNG. */
async function corner(orientation: number): Promise<Uint8Array> {
  const width = 40, height = 20;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < 5; y++) for (let x = 0; x < 10; x++) data[(y * width + x) * 3] = 255;
  return await sharp(data, { raw: { width, height, channels: 3 } })
    .withMetadata({ orientation })
    .png()
    .toBuffer();
}

/** A PNG which claims a size that nothing in it makes good. */
function claimingPng(width: number, height: number): Uint8Array {
  const chunk = (type: string, data: Uint8Array) => {
    const body = new Uint8Array([...new TextEncoder().encode(type), ...data]);
    const bytes = new Uint8Array(body.length + 8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    bytes.set(body, 4);
    view.setUint32(bytes.length - 4, crc32(body));
    return bytes;
  };
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([8, 2], 8);
  return new Uint8Array([
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    ...chunk("IHDR", header),
    ...chunk("IDAT", new Uint8Array([0x78, 0x9c, 3, 0, 0, 0, 0, 1])),
    ...chunk("IEND", new Uint8Array()),
  ]);
}

Deno.test("decode() gives RGB, three bytes a pixel", async () => {
  const png = await sharp({
    create: { width: 3, height: 2, channels: 3, background: { r: 10, g: 20, b: 30 } },
  }).png().toBuffer();
  const { data, width, height, orientation } = await decode(png);
  assert.deepEqual([width, height, orientation], [3, 2, 1]);
  assert.deepEqual([...data], Array(6).fill([10, 20, 30]).flat());
});

Deno.test("decode() turns pictures upright as EXIF says, and turnUpright() boxes with them", async () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    const image = await decode(await corner(orientation));
    const expected = orientation < 5 ? [40, 20] : [20, 40];
    assert.deepEqual([image.width, image.height], expected, `orientation ${orientation}`);
    assert.equal(image.orientation, orientation);
    const box = turnUpright({ x: 0, y: 0, width: 10, height: 5 }, image);
    for (let y = 0; y < image.height; y++) {
      for (let x = 0; x < image.width; x++) {
        const inside = x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;
        const red = image.data[(y * image.width + x) * 3];
        assert.equal(red, inside ? 255 : 0, `orientation ${orientation}, pixel ${x}, ${y}`);
      }
    }
  }
});

Deno.test("decode() flattens transparency on white", async () => {
  const pixels = new Uint8Array([255, 0, 0, 255, 255, 0, 0, 0]);
  const png = await sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } }).png().toBuffer();
  assert.deepEqual([...(await decode(png)).data], [255, 0, 0, 255, 255, 255]);
});

Deno.test("decode() makes grey, 16-bit and CMYK pictures RGB of 8 bits", async () => {
  const grey = { create: { width: 2, height: 2, channels: 3, background: "#808080" } } as const;
  const variants = {
    grey: await sharp(grey).greyscale().toColourspace("b-w").png().toBuffer(),
    "16 bit": await sharp(grey).toColourspace("rgb16").png().toBuffer(),
    CMYK: await sharp(grey).toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer(),
  };
  for (const [name, bytes] of Object.entries(variants)) {
    const { data } = await decode(bytes);
    assert.equal(data.length, 12, name);
    // The way to CMYK and back through colour profiles is not exact.
    const tolerance = name === "CMYK" ? 16 : 3;
    for (const value of data) assert.ok(Math.abs(value - 128) <= tolerance, `${name}: ${data}`);
  }
});

Deno.test("decode() refuses what is empty, no picture, damaged or cut short", async () => {
  const jpeg = await gradient(1, 200);
  const refusals: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /^Cannot decode the picture: it is empty \(0 bytes\)\.$/],
    [new TextEncoder().encode("<html>404</html>"), /it is no picture that is known/],
    [jpeg.subarray(0, jpeg.length / 2), /it is damaged or cut short\.$/],
    [jpeg.subarray(0, 20), /it is (damaged or cut short|no picture)/],
  ];
  for (const [bytes, message] of refusals) {
    await assert.rejects(decode(bytes), (error) => {
      assert.ok(error instanceof PictureError);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
});

Deno.test("decode() takes a picture with stray bytes after its end", async () => {
  const jpeg = await gradient(2);
  const { width } = await decode(new Uint8Array([...jpeg, 0, 1, 2, 3]));
  assert.equal(width, 64);
});

Deno.test("decode() refuses vector graphics, which can name other files", async () => {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`;
  await assert.rejects(decode(new TextEncoder().encode(svg)), /its format "svg" is not taken/);
});

Deno.test("decode() refuses too many pixels before it decodes them", async () => {
  await assert.rejects(
    decode(claimingPng(60000, 60000)),
    /it has 60000 × 60000 pixels, more than the 64 million that are taken/,
  );
});
