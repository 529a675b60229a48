/** Converts crops to network inputs. */
import type { Image } from "./image.ts";
import { fit, resize } from "./resize.ts";

export { fit };
/** Resampling filter: Lanczos (a = 3), widened for downscaling, which prevents aliasing. */
export const kernel = "lanczos3";

/** Resizes a square crop to a network input: RGB bytes, [size, size, 3]. */
export async function toNetworkInput(image: Image, size: number): Promise<Uint8Array> {
  return await resize(image, size, size, kernel);
}
