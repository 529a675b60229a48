/** Upsamples images, for smaller faces, or halves them, to bound the memory. */
import type { Box, Image } from "../../../images/image.ts";
import { round } from "./decode_boxes.ts";

/**
 * Upsamples an image by 2, plus a pixel or two, as dlib's `pyramid_up`: bilinear, the centers of the
 * corners coincide, values are truncated.
 */
export function enlarge({ data, width, height }: Image): Image {
  const newWidth = 2 * width + 2, newHeight = 2 * height + 1;
  const result = new Uint8Array(newWidth * newHeight * 3);
  const xScale = (width - 1) / (newWidth - 1), yScale = (height - 1) / (newHeight - 1);
  let to = 0;
  for (let row = 0; row < newHeight; row++) {
    const y = row * yScale, top = Math.floor(y), down = y - top;
    const above = top * width * 3, below = Math.min(top + 1, height - 1) * width * 3;
    for (let column = 0; column < newWidth; column++) {
      const x = column * xScale, left = Math.floor(x), right = x - left;
      const l = left * 3, r = Math.min(left + 1, width - 1) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const a = data[above + l + channel] * (1 - right) + data[above + r + channel] * right;
        const b = data[below + l + channel] * (1 - right) + data[below + r + channel] * right;
        result[to++] = a * (1 - down) + b * down;
      }
    }
  }
  return { data: result, width: newWidth, height: newHeight };
}

/** Converts a box of an image that was enlarged `times` times to the original, in whole pixels. */
export function reduceBox({ x, y, width, height }: Box, times: number): Box {
  const across = (position: number) => down(position, 1.25, times);
  const upright = (position: number) => down(position, 0.75, times);
  const left = across(x), top = upright(y);
  return {
    x: left,
    y: top,
    width: across(x + width - 1) - left + 1,
    height: upright(y + height - 1) - top + 1,
  };
}

/** Converts a coordinate as dlib's `pyramid_down<2>`. */
function down(position: number, offset: number, times: number): number {
  for (let i = 0; i < times; i++) position = position / 2 - offset;
  return round(position);
}

/** Halves an image: each pixel is the mean of four. A last odd row or column is dropped. */
export function halve({ data, width, height }: Image): Image {
  const newWidth = width >> 1, newHeight = height >> 1, row = width * 3;
  const result = new Uint8Array(newWidth * newHeight * 3);
  let to = 0;
  for (let y = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++) {
      const at = 2 * y * row + 6 * x;
      for (let i = at; i < at + 3; i++) {
        result[to++] = (data[i] + data[i + 3] + data[i + row] + data[i + row + 3] + 2) >> 2;
      }
    }
  }
  return { data: result, width: newWidth, height: newHeight };
}
