import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { drawSvg } from "../../../faces/synthetic/sample_archive.ts";
import sharp from "sharp";
import { decode, ImageError, turnUpright } from "../../../faces/images/decode_image.ts";
import { gradient } from "../detection/fixture.ts";

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

Deno.test("decode() has the colors of a profile also with 16 bits a channel", async () => {
  const colors = [[250, 20, 30], [20, 240, 40], [10, 30, 220], [128, 128, 128]];
  const raw = { width: 4, height: 1, channels: 3 } as const;
  const picture = sharp(Uint8Array.from(colors.flat()), { raw }).withIccProfile("srgb").png();
  const deep = await picture.clone().toColourspace("rgb16").toBuffer();
  const { depth, icc } = await sharp(deep).metadata();
  assert.deepEqual([depth, icc !== undefined], ["ushort", true]);
  const { data } = await decode(deep), plain = await decode(await picture.toBuffer());
  for (const [i, value] of plain.data.entries()) {
    assert.ok(Math.abs(data[i] - value) <= 2, `${[...data]} ${[...plain.data]}`);
  }
});

/** A JPEG whose header has 12 bits a channel. */
function deep(jpeg: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(jpeg),
    at = bytes.findIndex((byte, i) => byte === 0xff && bytes[i + 1] === 0xc0);
  bytes.set([0xff, 0xc1, 0, 17, 12], at);
  return bytes;
}

Deno.test("decode() refuses what is empty, no picture, damaged or cut short", async () => {
  const jpeg = await gradient(1, 200);
  const refusals: [Uint8Array, RegExp][] = [
    [new Uint8Array(), /^Cannot decode the photo: it is empty \(0 bytes\)\.$/],
    [new TextEncoder().encode("<html>404</html>"), /it is none of JPEG, PNG/],
    [
      jpeg.subarray(0, jpeg.length / 2),
      /it is damaged or cut short\. Download or export it again\.$/,
    ],
    [jpeg.subarray(0, 20), /it is (damaged or cut short|no picture)/],
    [deep(jpeg), /it is a JPEG of 12 bits a channel, which is not supported; save it with 8/],
  ];
  for (const [bytes, message] of refusals) {
    await assert.rejects(decode(bytes), (error) => {
      assert.ok(error instanceof ImageError);
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

Deno.test("decode() takes a JPEG that lacks only its end marker, but none that lacks pixels", async () => {
  for (const progressive of [false, true]) {
    for (const chromaSubsampling of ["4:2:0", "4:4:4"]) {
      const jpeg = new Uint8Array(
        await sharp(await gradient(3, 203)).jpeg({ progressive, chromaSubsampling }).toBuffer(),
      );
      const whole = await decode(jpeg);
      for (const lost of [1, 2]) {
        assert.deepEqual(await decode(jpeg.subarray(0, -lost)), whole, `${lost} bytes`);
      }
      for (let lost = 8; lost < jpeg.length; lost += 1 + (jpeg.length >> 4)) {
        await assert.rejects(
          decode(jpeg.subarray(0, -lost)),
          /it is damaged or cut short\. Download or export it again\.$/,
        );
      }
    }
  }
});

/** As Pillow 12 and libheif write pictures of 4 × 3 pixels; of HEIC the beginning. */
const FOREIGN: readonly (readonly [base64: string, refusal: RegExp])[] = [
  [
    "Qk1aAAAAAAAAADYAAAAoAAAABAAAAAMAAAABABgAAAAAACQAAADEDgAAxA4AAAAAAAAAAAAAtq+oy8S94NnS9e7nYltUd3BpjIV+oZqTDgcAIxwVODEqTUY/",
    /it is a BMP, which is not supported; convert it, such as with magick IN OUT.jpg \(JPEG, PNG, /,
  ],
  [
    "AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAAAwAAAAQAAwcHAAAAAAAPY29scgEAAAAAABAAAAC3anAyY/9P/1EALwAAAAAABAAAAAMAAAAAAAAAAAAAAAQAAAADAAAAAAAAAAAAAwcBAQcBAQcBAf9SAAwAAAABAAEEBAAB/1wAB0BASEhQ/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAAPAAB/5PfgCgHo1PVLs+0FAYRjISLz7QYBhHfliF/wfODAAz/Y8HzgwAM/2PB84MADP9j/9k=",
    /it is a JPEG 2000/,
  ],
  [
    "/0//UQAvAAAAAAAEAAAAAwAAAAAAAAAAAAAABAAAAAMAAAAAAAAAAAADBwEBBwEBBwEB/1IADAAAAAEAAQQEAAH/XAAHQEBISFD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAAA8AAH/k9+AKAejU9Uuz7QUBhGMhIvPtBgGEd+WIX/B84MADP9jwfODAAz/Y8HzgwAM/2P/2Q==",
    /it is a JPEG 2000/,
  ],
  ["UDYKNCAzCjI1NQoABw4VHCMqMTg/Rk1UW2JpcHd+hYyTmqGor7a9xMvS2eDn7vU=", /it is a Netpbm image/],
  ["UDUKNCAzCjI1NQoGGzBFWm+Ema7D2O0=", /it is a Netpbm image/],
  ["AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZg==", /it is a HEIC, .*heif-convert IN.heic OUT.jpg/],
  ["AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAA", /it is a HEIC/],
  ["JVBERi0xLjQKJSBjcmVhdGVkIGJ5IFBpbGxvdw==", /it is a PDF, which is not supported \(JPEG/],
  ["/woACA==", /it is a JPEG XL/],
];

Deno.test("decode() names the formats that it does not take, and what to do", async () => {
  for (const [base64, refusal] of FOREIGN) {
    await assert.rejects(decode(Uint8Array.fromBase64(base64)), refusal);
  }
});

Deno.test("decode() lets no SVG through, whatever another signature makes of it", async () => {
  const text = (text: string) => new TextEncoder().encode(text);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>`;
  const refused = async (bytes: Uint8Array, why: RegExp) => {
    await assert.rejects(decode(bytes), (error) => {
      assert.ok(error instanceof ImageError);
      assert.match(error.message, why);
      return true;
    });
  };
  for (const before of ["", "<!--ftyp-->", '<?xml version="1.0"?>\n', "\ufeff \n"]) {
    await refused(text(before + svg), /it is an SVG, which is not supported/);
  }
  const zipped = new Uint8Array(
    await new Response(
      new Blob([text(svg)]).stream().pipeThrough(new CompressionStream("gzip")),
    ).arrayBuffer(),
  );
  await refused(zipped, /it is a gzip file/);
  zipped.set(text("ftyp"), 4); // its date
  await refused(zipped, /it is a gzip file/);
  // Nothing but a signature: the loaders that would read on are shut.
  await refused(text(`RIFF0000WEBPVP8 ${svg}`), /damaged|no picture/);
  await refused(text(`GIF89a${svg}`), /damaged|no picture/);
  await refused(text(`\0\0\0\x10ftypavif\0\0\0\0${svg}`), /damaged|no picture/);
});

Deno.test("decode() leaves open the loaders of its formats and of drawings alone", async () => {
  const open = Object.values(sharp.format).filter(({ input }) => input.buffer).map(({ id }) => id);
  assert.deepStrictEqual(
    open.toSorted(),
    ["gif", "heif", "jpeg", "png", "raw", "svg", "tiff", "webp"], // raw pixels have no loader
    "a new loader of libvips: block it in decode_image.ts, or decode it",
  );
  for (const foreign of ["P6 1 1 255\nabc", "%PDF-1.4\n", "#?RADIANCE\n", "1 1\n7\n"]) {
    const bytes = new TextEncoder().encode(foreign);
    await assert.rejects(sharp(bytes).metadata(), /unsupported image format/, foreign);
  }
});

Deno.test("decode()'s module stops no other thread that decodes or draws, not for a moment", async () => {
  // The loaders that libvips may use are one list for all threads of a process.
  const blocked: string[] = [];
  const { block, unblock } = sharp;
  sharp.block = ({ operation }) => void blocked.push(...operation);
  sharp.unblock = () => assert.fail("what has to be unblocked was blocked before");
  try {
    await import(`${import.meta.resolve("../../../faces/images/decode_image.ts")}?again`);
  } finally {
    Object.assign(sharp, { block, unblock });
  }
  assert.ok(blocked.length > 10, "of libvips alone");
  // A class of loaders would take along those below it.
  const others = blocked.filter((name) =>
    !/^VipsForeignLoad(?!Jpeg|Png|Webp|Nsgif|Tiff|Heif|Svg|File|Buffer|Source)[A-Z]/.test(name)
  );
  assert.deepStrictEqual(others, []);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>`;
  const photo = await drawSvg(svg).flatten().jpeg().toBuffer();
  assert.equal((await decode(new Uint8Array(photo))).width, 64);
});

Deno.test("decode() reads AVIF by its brands, as libavif writes them", async () => {
  const avif = Uint8Array.fromBase64(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAALgAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAABAAAAAMAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQBAoMEAAAANm1kYXQSAAoIGAR5ogIaDQgyIBTHh4ZlAgggnlVAAAD2b2NEDsjHDJbGXy4R8lQwuu20",
  );
  const { width, height } = await decode(avif);
  assert.deepEqual([width, height], [4, 3]);
  const others = avif.slice();
  others.set(new TextEncoder().encode("mif1"), 8); // the compatible brands say AVIF
  assert.deepEqual(await decode(others), await decode(avif));
});

Deno.test("decode() refuses TIFFs whose numbers do not say what is black and white", async () => {
  // As tifffile writes them.
  const tiffs = {
    float:
      "SUkqAAgAAAAOAAABBAABAAAABAAAAAEBBAABAAAAAwAAAAIBAwABAAAAIAAAAAMBAwABAAAAAQAAAAYBAwABAAAAAQAAABEBBAABAAAA4AAAABUBAwABAAAAAQAAABYBBAABAAAAAwAAABcBBAABAAAAMAAAABoBBQABAAAAtgAAABsBBQABAAAAvgAAACgBAwABAAAAAQAAADEBAgAMAAAAxgAAAFMBAwABAAAAAwAAAAAAAAABAAAAAQAAAAEAAAABAAAAdGlmZmZpbGUucHkAAAAAAAAAAAAAAAAAAAAAAAAAjC66PYwuOj7poos+jC66Pi+66D7pogs/uugiP4wuOj9ddFE/L7poPwAAgD8=",
    short:
      "SUkqAAgAAAAOAAABBAABAAAABAAAAAEBBAABAAAAAwAAAAIBAwABAAAAEAAAAAMBAwABAAAAAQAAAAYBAwABAAAAAQAAABEBBAABAAAA4AAAABUBAwABAAAAAQAAABYBBAABAAAAAwAAABcBBAABAAAAGAAAABoBBQABAAAAtgAAABsBBQABAAAAvgAAACgBAwABAAAAAQAAADEBAgAMAAAAxgAAAFMBAwABAAAAAgAAAAAAAAABAAAAAQAAAAEAAAABAAAAdGlmZmZpbGUucHkAAAAAAAAAAAAAAAAAAAAAAKcKThX1H50qRDXrP5JKOlXhX4hqMHU=",
    uint:
      "SUkqAAgAAAANAAABBAABAAAABAAAAAEBBAABAAAAAwAAAAIBAwABAAAAIAAAAAMBAwABAAAAAQAAAAYBAwABAAAAAQAAABEBBAABAAAA0AAAABUBAwABAAAAAQAAABYBBAABAAAAAwAAABcBBAABAAAAMAAAABoBBQABAAAAqgAAABsBBQABAAAAsgAAACgBAwABAAAAAQAAADEBAgAMAAAAugAAAAAAAAABAAAAAQAAAAEAAAABAAAAdGlmZmZpbGUucHkAAAAAAAAAAAAAAAAAAACnCgAAThUAAPUfAACdKgAARDUAAOs/AACSSgAAOlUAAOFfAACIagAAMHUAAA==",
  };
  for (const [type, base64] of Object.entries(tiffs)) {
    const why = new RegExp(
      `its numbers are of type ${type}, .*save it with 8 or 16 bits a channel`,
    );
    await assert.rejects(decode(Uint8Array.fromBase64(base64)), why);
  }
  const ushort = Uint8Array.fromBase64(
    "SUkqAAgAAAANAAABBAABAAAABAAAAAEBBAABAAAAAwAAAAIBAwABAAAAEAAAAAMBAwABAAAAAQAAAAYBAwABAAAAAQAAABEBBAABAAAA0AAAABUBAwABAAAAAQAAABYBBAABAAAAAwAAABcBBAABAAAAGAAAABoBBQABAAAAqgAAABsBBQABAAAAsgAAACgBAwABAAAAAQAAADEBAgAMAAAAugAAAAAAAAABAAAAAQAAAAEAAAABAAAAdGlmZmZpbGUucHkAAAAAAAAAAAAAAAAApwpOFfUfnSpENes/kko6VeFfiGowdQ==",
  );
  const grey = (await decode(ushort)).data.filter((_, i) => i % 3 === 0);
  assert.deepEqual([...grey], [0, 10, 21, 31, 42, 53, 63, 74, 85, 95, 106, 117]);
});

Deno.test("decode() names the colors of a TIFF in CIELab, which it cannot read", async () => {
  const lab = Uint8Array.fromBase64(
    "SUkqAAgAAAAKAAABAwABAAAAAgAAAAEBAwABAAAAAgAAAAIBAwADAAAAhgAAAAMBAwABAAAAAQAAAAYBAwABAAAACAAAABEBBAABAAAAjAAAABUBAwABAAAAAwAAABYBAwABAAAAAgAAABcBBAABAAAADAAAABwBAwABAAAAAQAAAAAAAAAIAAgACACZGx6ZGx6ZGx6ZGx4=",
  );
  const why =
    /it is a TIFF of CIELab colors, of which .* 16 bits a channel .*; convert it, such as with magick/;
  await assert.rejects(decode(lab), why);
  await assert.rejects(decode(lab.subarray(0, 50)), /it is none of JPEG, PNG/);
  const long = new Uint8Array(2 ** 29 + lab.length); // more bytes than a string has characters
  long.set(lab);
  await assert.rejects(decode(long), why);
  // Elsewhere the same bytes are no tag.
  const damaged = new Uint8Array(2 ** 21);
  damaged.set([0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0x4a, 0x46, 0x49, 0x46]);
  damaged.set(lab, 2 ** 20 + 2 ** 15);
  await assert.rejects(decode(damaged), /it is damaged or cut short/);
});

Deno.test("decode() refuses too many pixels before it decodes them", async () => {
  await assert.rejects(
    decode(claimingPng(60000, 60000)),
    /it has 60000 × 60000 pixels; the maximum is 64 million/,
  );
});

Deno.test("decode() refuses large pictures of next to no bytes, which take memory for nothing", async () => {
  const wall = (width: number) => ({
    create: { width, height: 2000, channels: 3, background: "#888" },
  } as const);
  const avif = await sharp(wall(3000)).avif({ effort: 0 }).toBuffer();
  assert.ok(avif.length < 2000, `${avif.length} bytes`);
  await assert.rejects(
    decode(avif),
    /3000 × 2000 pixels; the maximum is 1000 per byte of its file/,
  );
  const small = await decode(await sharp(wall(2000)).avif({ effort: 0 }).toBuffer());
  assert.equal(small.width, 2000, "a wall of 4 megapixels");
  const jpeg = await decode(await sharp(wall(3000)).jpeg().toBuffer());
  assert.equal(jpeg.width, 3000);
});
