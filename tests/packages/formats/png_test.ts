import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { random } from "../../../packages/random/random.ts";
import { decodePng, encodePng, type Rgb } from "../../../packages/formats/png.ts";

/** A picture with smooth and with noisy parts. */
function picture(width: number, height: number): Rgb {
  const rng = random(7, "png");
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = i % 7 < 4 ? i / 50 : rng.int(256);
  return { data, width, height };
}

const raw = ({ width, height }: Rgb) => ({ raw: { width, height, channels: 3 as const } });

Deno.test("encodePng() writes what libpng reads", async () => {
  for (const [width, height] of [[1, 1], [1, 9], [9, 1], [128, 128], [37, 211]]) {
    const image = picture(width, height);
    const png = encodePng(image);
    const { format, channels, depth } = await sharp(png).metadata();
    assert.deepEqual([format, channels, depth], ["png", 3, "uchar"]);
    const { data, info } = await sharp(png, { failOn: "warning" }).raw()
      .toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height], [width, height]);
    assert.deepEqual(Uint8Array.from(data), image.data);
    assert.deepEqual(decodePng(png), image);
  }
});

Deno.test("decodePng() leaves those of other encoders, and what is damaged, to others", async () => {
  const image = picture(20, 20);
  const others = [
    sharp(image.data, raw(image)).png(),
    sharp(image.data, raw(image)).png({ adaptiveFiltering: true }),
    sharp(image.data, raw(image)).png({ palette: true }),
    sharp(image.data, raw(image)).ensureAlpha().png(),
    sharp(image.data, raw(image)).toColourspace("b-w").png(),
    sharp(image.data, raw(image)).toColourspace("rgb16").png(),
    sharp(image.data, raw(image)).png({ progressive: true }),
    sharp(image.data, raw(image)).withIccProfile("p3").png(),
    sharp(image.data, raw(image)).jpeg(),
  ];
  for (const other of others) assert.equal(decodePng(await other.toBuffer()), undefined);
  const png = encodePng(image);
  assert.equal(decodePng(new Uint8Array()), undefined);
  for (let length = 0; length < png.length; length += 7) {
    assert.equal(decodePng(png.subarray(0, length)), undefined);
  }
  for (let at = 0; at < png.length; at++) {
    const flipped = png.slice();
    flipped[at] ^= 0x10;
    assert.equal(decodePng(flipped), undefined, `byte ${at}`);
  }
});

Deno.test("decodePng() gives a picture or nothing of thousands of files mutated behind their checksums", () => {
  const whole = encodePng(picture(20, 20));
  const rng = random(5, "mutated pictures");
  let refused = 0;
  for (let round = 0; round < 3000; round++) {
    const png = whole.slice();
    const view = new DataView(png.buffer);
    for (let i = rng.int(3); i >= 0; i--) {
      // Half of it in the size and the kind.
      const at = rng.int(2) === 0 ? 16 + rng.int(13) : 8 + rng.int(png.length - 8);
      png[at] = rng.pick([0, 1, 127, 128, 255, rng.int(256)]);
    }
    for (let at = 8; at + 12 <= png.length;) {
      const end = at + 8 + view.getUint32(at);
      if (end + 4 > png.length) break;
      view.setUint32(end, crc32(png.subarray(at + 4, end)));
      at = end + 4;
    }
    const decoded = decodePng(png);
    if (!decoded) refused++;
    else assert.equal(decoded.data.length, decoded.width * decoded.height * 3);
    assert.notEqual(decoded?.data.length, 0);
  }
  assert.ok(refused > 1500, `${refused} of 3000 were refused`);
});

Deno.test("encodePng() refuses data of another size, such as RGBA", () => {
  for (const bytes of [0, 3, 16]) {
    const image = { data: new Uint8Array(bytes), width: 2, height: 2 };
    assert.throws(() => encodePng(image), new RegExp(`encode ${bytes} bytes as a PNG of 2×2 RGB`));
  }
});
