/** Crops faces for training and serving: around their boxes, or aligned by landmarks. */
import { crop, type CropOptions, cropSquare, cropTurned, type Turned } from "../images/crop.ts";
import type { Box, Image } from "../images/image.ts";
import { resize } from "../images/resize.ts";
import type { Point } from "./landmarks.ts";

/** Crops faces of a preprocessing, aligned by landmarks if it asks for that. */
export interface Cropper {
  /**
   * @param whole takes the box as it is: neither a margin nor an alignment. Default: false
   * @throws {ImageError} if the square is too large
   */
  crop(image: Image, box: Box, whole?: boolean): Promise<Image>;
  close(): void;
}

/**
 * Positions of both eyes, the tip of the nose and the corners of the mouth in an aligned face, as
 * shares of its side: the template of ArcFace (Deng et al. 2019).
 */
const TEMPLATE: readonly Point[] = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
].map(([x, y]): Point => [x / 112, y / 112]);

/** Returns the five points of `TEMPLATE` among 68 landmarks. */
function fivePoints(points: readonly Point[]): Point[] {
  const eyes = [points.slice(36, 42), points.slice(42, 48)].map(centerOf);
  return [...eyes, points[30], points[48], points[54]];
}

function centerOf(points: readonly Point[]): Point {
  const mean = (axis: 0 | 1) => points.reduce((sum, at) => sum + at[axis], 0) / points.length;
  return [mean(0), mean(1)];
}

/**
 * Returns the square that an aligned crop shows, without a margin. `eyes` turns the box until the eyes
 * are level; `template` fits `TEMPLATE` to the face (Umeyama 1991, least squares).
 * @param points eyes, nose and corners of the mouth, in pixels of the image
 */
export function alignedSquare(
  align: "eyes" | "template",
  box: Box,
  points: readonly Point[],
): Turned {
  if (align === "eyes") {
    const [[ax, ay], [bx, by]] = points;
    const { x, y, width: side } = cropSquare(box, 0);
    return { x: x + side / 2, y: y + side / 2, side, angle: Math.atan2(by - ay, bx - ax) };
  }
  const [tx, ty] = centerOf(TEMPLATE), [px, py] = centerOf(points);
  let cos = 0, sin = 0, norm = 0;
  for (const [i, [x, y]] of TEMPLATE.entries()) {
    const [u, v] = [x - tx, y - ty], [p, q] = [points[i][0] - px, points[i][1] - py];
    cos += u * p + v * q;
    sin += u * q - v * p;
    norm += u * u + v * v;
  }
  [cos, sin] = [cos / norm, sin / norm];
  const [u, v] = [0.5 - tx, 0.5 - ty];
  return {
    x: px + cos * u - sin * v,
    y: py + sin * u + cos * v,
    side: Math.hypot(cos, sin),
    angle: Math.atan2(sin, cos),
  };
}

/** Larger angles, and sides further from the box's, are landmarks that went astray. */
const MAX_ANGLE = Math.PI / 3, MAX_RATIO = 2;

/** Opens what a preprocessing needs to crop: the landmark network, if it aligns. */
export async function openCropper(options: CropOptions): Promise<Cropper> {
  const { align } = options;
  const plain = (image: Image, box: Box, whole = false) =>
    crop(image, box, whole ? { ...options, margin: 0 } : options);
  if (align === undefined) return { crop: plain, close: () => {} };
  const { FACE_SIZE } = await import("./tfjs_detector.ts");
  const { openLandmarkNet } = await import("./landmarks.ts");
  const net = await openLandmarkNet();
  return {
    async crop(image, box, whole) {
      if (whole) return await plain(image, box, whole);
      const { x, y, width: side } = cropSquare(box, 0);
      const face = await crop(image, box, { margin: 0, maxSize: 0 });
      const pixels = await resize(face, FACE_SIZE, FACE_SIZE, "linear");
      const points = fivePoints(await net.predict(pixels))
        .map(([u, v]): Point => [x + u * side, y + v * side]);
      const square = alignedSquare(align, box, points);
      const ratio = square.side / side;
      const astray = !(Math.abs(square.angle) <= MAX_ANGLE) ||
        !(ratio <= MAX_RATIO && ratio >= 1 / MAX_RATIO);
      return astray ? await plain(image, box) : await cropTurned(image, square, options);
    },
    close: () => net.close(),
  };
}
