/** Draws framing.png: `deno run -A docs/crop_pictures.ts`. Rows: coverage; columns: align. */
import { Buffer } from "node:buffer";
import sharp from "sharp";
import { openCropper } from "../faces/detection/cropper.ts";
import { openDetector } from "../faces/detection/detectors.ts";
import { faceSvg } from "../faces/synthetic/drawn_face.ts";
import { drawSvg } from "../faces/synthetic/sample_archive.ts";
import { drawTraits } from "../faces/synthetic/traits.ts";
import { openBackend } from "../packages/compute/open_backend.ts";
import { random } from "../packages/random/random.ts";

const SIZE = 160, GAP = 10, LEFT = 90, TOP = 30;
await openBackend("wasm");
const face = await drawSvg(faceSvg(drawTraits(random(9, "face"), 34, "female"))).png().toBuffer();
const { data, info: { width, height } } = await sharp(face).rotate(18, { background: "#c9d3d9" })
  .extend({ top: 90, bottom: 90, left: 90, right: 90, background: "#c9d3d9" })
  .removeAlpha().raw().toBuffer({ resolveWithObject: true });
const photo = { data: new Uint8Array(data), width, height };
const detector = await openDetector("tinyFaceDetector", { minConfidence: 0.2, inputSizes: [416] });
const [{ box }] = await detector.detect(photo);
detector.close();

const aligns = [undefined, "eyes", "template"] as const;
const coverage = { face: 0, head: 0.3, shoulders: 0.6 };
const side = (count: number, before: number) => before + count * (SIZE + GAP);
const text = (x: number, y: number, words: string) =>
  `<text x="${x}" y="${y}" font-family="sans-serif" font-size="15" fill="#333">${words}</text>`;
const labels = [
  ...aligns.map((align, i) => text(side(i, LEFT), 20, `align: ${align ?? "none"}`)),
  ...Object.keys(coverage).map((name, i) => text(4, side(i, TOP) + SIZE / 2, name)),
];
const parts = [];
for (const [column, align] of aligns.entries()) {
  for (const [row, margin] of Object.values(coverage).entries()) {
    const cropper = await openCropper({ margin, maxSize: 0, ...(align && { align }) });
    const { data, ...size } = await cropper.crop(photo, box);
    cropper.close();
    const input = await sharp(data, { raw: { ...size, channels: 3 } }).resize(SIZE, SIZE).png()
      .toBuffer();
    parts.push({ input, left: side(column, LEFT), top: side(row, TOP) });
  }
}
const [w, h] = [side(3, LEFT), side(3, TOP)];
const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}">${
  labels.join("")
}</svg>`;
await sharp({ create: { width: w, height: h, channels: 3, background: "#fff" } })
  .composite([{ input: Buffer.from(svg) }, ...parts])
  .png({ palette: true }).toFile(new URL("framing.png", import.meta.url).pathname);
