/** Numbers as MATLAB stores them, and as its classes keep them. */

/** Storage types ("mi..."): what numbers look like in the file, whatever their class. */
export const storage: Record<number, { name: string; array: NumericConstructor }> = {
  1: { name: "int8", array: Int8Array },
  2: { name: "uint8", array: Uint8Array },
  3: { name: "int16", array: Int16Array },
  4: { name: "uint16", array: Uint16Array },
  5: { name: "int32", array: Int32Array },
  6: { name: "uint32", array: Uint32Array },
  7: { name: "single", array: Float32Array },
  9: { name: "double", array: Float64Array },
  12: { name: "int64", array: BigInt64Array },
  13: { name: "uint64", array: BigUint64Array },
};

export type NumericConstructor =
  | typeof Int8Array
  | typeof Uint8Array
  | typeof Int16Array
  | typeof Uint16Array
  | typeof Int32Array
  | typeof Uint32Array
  | typeof Float32Array
  | typeof Float64Array
  | typeof BigInt64Array
  | typeof BigUint64Array;

export type NumericData =
  | (Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array)
  | (Float32Array | Float64Array | BigInt64Array | BigUint64Array);

/** Numbers of one type as another; undefined if one would change. Floats may lose precision. */
export function convert(data: NumericData, target: NumericConstructor): NumericData | undefined {
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  if (target === BigInt64Array || target === BigUint64Array) {
    const result = new target(data.length);
    for (let i = 0; i < data.length; i++) {
      if (!big && !Number.isInteger(data[i])) return undefined;
      result[i] = BigInt(data[i]);
      if (result[i] !== BigInt(data[i])) return undefined;
    }
    return result;
  }
  const numbers = big ? Float64Array.from(data as BigInt64Array, Number) : data as Float64Array;
  const result = new (target as typeof Float64Array)(numbers);
  if (target !== Float64Array && target as unknown !== Float32Array) {
    for (let i = 0; i < result.length; i++) if (result[i] !== numbers[i]) return undefined;
  }
  return result;
}

/** Reverses the bytes of each number, in place. */
export function swap(bytes: Uint8Array, width: number): void {
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
}
