/** Weights by name. Layout in the engine's memory: `[columns / 8][groups][rows][8]`. */
import type { Tensor } from "../engine_plan.ts";

/** Tensors by name: `layer/kernel`, `layer/bias`, `layer/gamma`, `layer/moving_mean` ... */
export type Tensors = Map<string, { shape: readonly number[]; data: Float32Array }>;

/** Copies tensors, or the values at a byte offset from them, out of memory. */
export function readTensors(
  tensors: readonly Tensor[],
  memory: Float32Array,
  byteOffset: number,
): Tensors {
  return new Map(tensors.map((tensor) => {
    const data = new Float32Array(tensor.groups * tensor.rows * tensor.columns);
    forEach(tensor, (logical, packed) => data[logical] = memory[packed + byteOffset / 4]);
    return [tensor.name, { shape: tensor.shape, data }];
  }));
}

/**
 * Copies values to the tensors of their names, or to a byte offset from them.
 * @throws if a name is unknown or a size differs
 */
export function writeTensors(
  values: Tensors,
  tensors: readonly Tensor[],
  memory: Float32Array,
  byteOffset: number,
): void {
  for (const [name, { data }] of values) {
    const tensor = tensors.find((tensor) => tensor.name === name);
    if (!tensor || data.length !== tensor.groups * tensor.rows * tensor.columns) {
      throw new RangeError(
        `Cannot set "${name}": ` +
          (tensor
            ? `it has ${tensor.shape.join(" x ")} numbers, not ${data.length}`
            : `the network has only ${tensors.map((t) => t.name).join(", ")}`),
      );
    }
    forEach(tensor, (logical, packed) => memory[packed + byteOffset / 4] = data[logical]);
  }
}

/** Calls back with each number's index in `[groups, rows, columns]` and in the packed panels. */
function forEach(tensor: Tensor, visit: (logical: number, packed: number) => void): void {
  const { groups, rows, paddedRows, columns } = tensor;
  let logical = 0;
  for (let g = 0; g < groups; g++) {
    for (let r = 0; r < rows; r++) {
      const row = tensor.address / 4 + (g * paddedRows + r) * 8;
      for (let c = 0; c < columns; c++) {
        visit(logical++, row + (c >> 3) * groups * paddedRows * 8 + (c & 7));
      }
    }
  }
}
