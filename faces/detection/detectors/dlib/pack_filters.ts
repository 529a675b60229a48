/** Packs the layers' filters for the kernels. Channels that fill up a panel are zero. */
import type { Layer } from "./dlib_model.ts";

/** Rounds a number of channels up to panels of eight. */
export const padded = (channels: number) => Math.ceil(channels / 8) * 8;

/** Finite points of Winograd's filtering; infinity is the eighth. See assembly/winograd.ts. */
const POINTS = [0, 1, -1, 2, -2, 0.5, -0.5];

/** Packs for `convolve`: panels of eight filters, each with its biases first, then [window, input, 8]. */
export function packDirect({ size, inputs, outputs, weights, bias }: Layer) {
  const panel = 8 + size * size * inputs * 8;
  const packed = new Float32Array(padded(outputs) / 8 * panel);
  for (let output = 0; output < outputs; output++) {
    const at = Math.floor(output / 8) * panel + output % 8;
    packed[at] = bias[output];
    for (let cell = 0; cell < size * size; cell++) {
      for (let input = 0; input < inputs; input++) {
        const place = cell * inputs + input;
        packed[at + 8 + place * 8] = weights[place * outputs + output];
      }
    }
  }
  return packed;
}

/** Packs for `score`: a single filter, [window, input]. */
export function packSingle({ size, inputs, weights }: Layer): Float32Array {
  const depth = padded(inputs);
  const packed = new Float32Array(size * size * depth);
  for (let i = 0; i < weights.length; i++) {
    packed[Math.floor(i / inputs) * depth + i % inputs] = weights[i];
  }
  return packed;
}

/**
 * Packs for `winograd`: biases [outputs], then transformed filters, [64][panels][depth][8]. A filter
 * with stride 2 becomes one of 3 × 3 with stride 1 on four images: even and odd rows and columns.
 */
export function packWinograd({ size, stride, inputs, outputs, weights, bias }: Layer) {
  const side = stride === 2 ? 3 : size; // of the filter that is transformed
  const phases = stride === 2 ? [0, 1] : [0];
  const channels = padded(inputs), depth = phases.length ** 2 * channels;
  const filters = padded(outputs);
  const packed = new Float32Array(filters + 64 * filters * depth);
  packed.set(bias);
  const filter = new Float64Array(side * side);
  const transform = transformer(side);
  for (let output = 0; output < outputs; output++) {
    for (const [p, row] of phases.entries()) {
      for (const [q, column] of phases.entries()) {
        for (let input = 0; input < inputs; input++) {
          filter.fill(0);
          for (let y = 0; y < side; y++) {
            for (let x = 0; x < side; x++) {
              const [down, across] = [y * stride + row, x * stride + column];
              if (down >= size || across >= size) continue;
              const from = ((down * size + across) * inputs + input) * outputs + output;
              filter[y * side + x] = weights[from];
            }
          }
          const at = (p * phases.length + q) * channels + input;
          const values = transform(filter);
          for (let i = 0; i < 64; i++) {
            const panel = i * filters / 8 + Math.floor(output / 8);
            packed[filters + (panel * depth + at) * 8 + output % 8] = values[i];
          }
        }
      }
    }
  }
  return packed;
}

/**
 * Returns a function that evaluates a filter [side, side] at the 8 × 8 points, divided by the product of
 * the differences to the other points. The result is valid until the next call.
 */
function transformer(side: number): (filter: Float64Array) => Float64Array {
  const powers = new Float64Array(8 * side);
  for (const [i, point] of POINTS.entries()) {
    const divisor = POINTS.filter((other) => other !== point)
      .reduce((product, other) => product * (point - other), 1);
    for (let power = 0; power < side; power++) powers[i * side + power] = point ** power / divisor;
  }
  powers[8 * side - 1] = 1; // at infinity the highest power alone
  const half = new Float64Array(8 * side), values = new Float64Array(64);
  return (filter) => {
    for (let i = 0; i < 8; i++) {
      for (let x = 0; x < side; x++) {
        let sum = 0;
        for (let y = 0; y < side; y++) sum += powers[i * side + y] * filter[y * side + x];
        half[i * side + x] = sum;
      }
    }
    for (let i = 0; i < 8; i++) {
      for (let j = 0; j < 8; j++) {
        let sum = 0;
        for (let x = 0; x < side; x++) sum += half[i * side + x] * powers[j * side + x];
        values[i * 8 + j] = sum;
      }
    }
    return values;
  };
}
