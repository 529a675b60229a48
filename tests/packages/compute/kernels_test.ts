import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../../packages/compute/open_backend.ts";
import { random, type Rng } from "../../../packages/random/random.ts";

type Values = { values: Float32Array; shape: number[] };

/** What `f` makes of the inputs on a backend. */
async function on(
  backend: "wasm" | "cpu",
  inputs: Values[],
  f: (tensors: tf.Tensor[]) => tf.Tensor[],
): Promise<Values[]> {
  await openBackend(backend);
  return tf.tidy(() =>
    f(inputs.map(({ values, shape }) => tf.tensor(values, shape))).map((tensor) => ({
      values: tensor.dataSync() as Float32Array,
      shape: tensor.shape,
    }))
  );
}

function normal(rng: Rng, ...shape: number[]): Values {
  const size = shape.reduce((product, n) => product * n, 1);
  return { values: Float32Array.from({ length: size }, () => rng.normal()), shape };
}

/** Equal within 1e-4 of the largest number. */
function close(actual: Values[], expected: Values[], what: string): void {
  assert.equal(actual.length, expected.length);
  for (const [i, { values, shape }] of expected.entries()) {
    assert.deepEqual(actual[i].shape, shape, what);
    const largest = values.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-6);
    for (let j = 0; j < values.length; j++) {
      const difference = Math.abs(actual[i].values[j] - values[j]);
      assert.ok(
        Object.is(actual[i].values[j], values[j]) || difference <= 1e-4 * largest,
        `${what}: output ${i} at ${j} is ${actual[i].values[j]}, expected ${values[j]}`,
      );
    }
  }
}

async function sameAsCpu(
  inputs: Values[],
  f: (tensors: tf.Tensor[]) => tf.Tensor[],
  what: string,
): Promise<void> {
  close(await on("wasm", inputs, f), await on("cpu", inputs, f), what);
}

interface Window {
  n: number;
  height: number;
  width: number;
  channels: number;
  window: [number, number];
  strides: [number, number];
  pad: "same" | "valid";
}

/** A random shape, odd ones included. */
function drawWindow(rng: Rng): Window {
  const window: [number, number] = [1 + rng.int(4), 1 + rng.int(4)];
  return {
    n: 1 + rng.int(3),
    height: window[0] + rng.int(8),
    width: window[1] + rng.int(8),
    channels: 1 + rng.int(7),
    window,
    strides: [1 + rng.int(3), 1 + rng.int(3)],
    pad: rng.pick(["same", "valid"] as const),
  };
}

Deno.test("Conv2DBackpropFilter, Conv2DBackpropInput on wasm equal those of the cpu backend", async () => {
  for (let i = 0; i < 40; i++) {
    const rng = random(1, "convolution", i);
    const { n, height, width, channels, window, strides, pad } = drawWindow(rng);
    const x = normal(rng, n, height, width, channels);
    const filter = normal(rng, ...window, channels, 1 + rng.int(9));
    await sameAsCpu([x, filter], ([x, filter]) => {
      const f = (x: tf.Tensor, filter: tf.Tensor) =>
        tf.sum(tf.sin(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, pad)));
      return tf.grads(f)([x, filter]);
    }, `convolution ${JSON.stringify({ i, x: x.shape, filter: filter.shape, strides, pad })}`);
  }
});

Deno.test("Conv2D on wasm pads strides larger than its filter as the cpu backend does", async () => {
  for (let i = 0; i < 20; i++) {
    const rng = random(8, "stride", i);
    const [height, width, channels] = [1 + rng.int(9), 1 + rng.int(9), 1 + rng.int(4)];
    const strides: [number, number] = [2 + rng.int(2), 1 + rng.int(3)];
    const x = normal(rng, 2, height, width, channels);
    const filter = normal(rng, 1, 1 + rng.int(2), channels, 1 + rng.int(9));
    const what = `stride ${JSON.stringify({ i, x: x.shape, filter: filter.shape, strides })}`;
    await sameAsCpu([x, filter], ([x, filter]) => [
      tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, "same"),
      tf.fused.conv2d({
        x: x as tf.Tensor4D,
        filter: filter as tf.Tensor4D,
        strides,
        pad: "same",
        activation: "relu",
      }),
    ], what);
    const channelwise = normal(rng, 1 + rng.int(2), 1, channels, 1 + rng.int(3));
    await sameAsCpu([x, channelwise], (tensors) => {
      const [x, filter] = tensors as tf.Tensor4D[], strides = 2 + i % 3, pad = "same";
      return [
        tf.depthwiseConv2d(x, filter, strides, pad),
        tf.fused.depthwiseConv2d({ x, filter, strides, pad, activation: "relu" }),
      ];
    }, `depthwise ${what}`);
  }
});

Deno.test("Conv2DBackpropFilter takes explicit padding, and says that it wants NHWC", async () => {
  const rng = random(2);
  const inputs = [normal(rng, 2, 5, 6, 3), normal(rng, 3, 2, 3, 4)];
  const explicit: tf.backend_util.ExplicitPadding = [[0, 0], [1, 2], [0, 1], [0, 0]];
  await sameAsCpu(
    inputs,
    ([x, filter]) =>
      tf.grads((x: tf.Tensor, filter: tf.Tensor) =>
        tf.sum(tf.square(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, explicit)))
      )([x, filter]),
    "explicit padding",
  );
  await openBackend("wasm");
  const zeros = tf.zeros([1, 2, 4, 4]) as tf.Tensor4D;
  assert.throws(
    () =>
      tf.engine().runKernel("Conv2DBackpropFilter", { x: zeros, dy: zeros }, {
        strides: 1,
        pad: "same",
        dataFormat: "NCHW",
        filterShape: [1, 1, 2, 2],
      }),
    /Cannot compute Conv2DBackpropFilter of data format "NCHW" on wasm/,
  );
  zeros.dispose();
});

Deno.test("the gradients of a depthwise convolution on wasm equal those of the cpu backend", async () => {
  const cases = [
    ...[{ size: 7, channels: 3, multiplier: 1, window: 3, strides: 1, pad: "same" as const }],
    ...[{ size: 6, channels: 2, multiplier: 3, window: 2, strides: 2, pad: "same" as const }],
    ...[{ size: 9, channels: 1, multiplier: 2, window: 5, strides: 2, pad: "valid" as const }],
  ];
  for (const { size, channels, multiplier, window, strides, pad } of cases) {
    const rng = random(1, "depthwise", size);
    const inputs = [
      normal(rng, 2, size, size, channels),
      normal(rng, window, window, channels, multiplier),
    ];
    const gradients = ([x, filter]: tf.Tensor[]) =>
      tf.grads((x: tf.Tensor, filter: tf.Tensor) => {
        const y = tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, pad);
        return tf.sum(tf.mul(y, tf.square(y)));
      })([x, filter]);
    await sameAsCpu(inputs, gradients, `${size}, ${strides}, ${pad}`);
  }
});

Deno.test("MaxPoolGrad on wasm equals that of the cpu backend, ties and infinities included", async () => {
  for (let i = 0; i < 40; i++) {
    const rng = random(3, "pool", i);
    const { n, height, width, channels, window, strides, pad } = drawWindow(rng);
    const x = normal(rng, n, height, width, channels);
    // As after ReLU: many equal zeros. The first of them gets the gradient.
    if (i % 2 === 0) x.values = x.values.map((value) => Math.max(0, Math.round(value)));
    if (i % 3 === 0) x.values[rng.int(x.values.length)] = Infinity;
    const poolOf = (x: tf.Tensor) => tf.maxPool(x as tf.Tensor4D, window, strides, pad);
    const [{ shape }] = await on("cpu", [x], ([x]) => [poolOf(x)]);
    await sameAsCpu(
      [x, normal(rng, ...shape)],
      ([x, dy]) => [tf.grad(poolOf)(x, dy as tf.Tensor4D)],
      `pooling ${JSON.stringify({ i, x: x.shape, window, strides, pad })}`,
    );
  }
});

Deno.test("Prelu on wasm equals that of the cpu backend, whatever axes share a slope", async () => {
  const x = normal(random(1, "prelu"), 2, 5, 4, 3);
  for (
    const shape of [[5, 4, 3], [1, 1, 3], [1, 4, 3], [5, 1, 3], [5, 4, 1], [1, 4, 1], [1, 1, 1]]
  ) {
    const alpha = normal(random(2, "prelu", `${shape}`), ...shape);
    await sameAsCpu([x, alpha], ([x, alpha]) => [
      tf.prelu(x, alpha),
      ...tf.grads((x: tf.Tensor, alpha: tf.Tensor) => tf.sum(tf.sin(tf.prelu(x, alpha))))([
        x,
        alpha,
      ]),
    ], `slopes ${shape}`);
  }
});

Deno.test("BatchMatMul on wasm equals that of the cpu backend, transposed or not", async () => {
  for (let i = 0; i < 32; i++) {
    const rng = random(4, "matMul", i);
    const [rows, inner, columns] = [1 + rng.int(20), 1 + rng.int(20), 1 + rng.int(20)];
    const batch = i % 3 === 0 ? [] : [1 + rng.int(3)];
    const transposeA = (i & 1) === 1;
    const transposeB = (i & 2) === 2;
    const a = normal(rng, ...batch, ...(transposeA ? [inner, rows] : [rows, inner]));
    const b = normal(rng, ...batch, ...(transposeB ? [columns, inner] : [inner, columns]));
    await sameAsCpu([a, b], ([a, b]) => [tf.matMul(a, b, transposeA, transposeB)], `matMul ${i}`);
  }
});

Deno.test("Sum on wasm equals that of the cpu backend over any axes", async () => {
  const x = normal(random(5), 3, 4, 5, 6);
  for (const axes of [[0, 1, 2], [0], [3], [1, 2], [0, 1, 2, 3], undefined, [-2, -3, -4]]) {
    for (const keepDims of [false, true]) {
      await sameAsCpu([x], ([x]) => [tf.sum(x, axes, keepDims)], `sum over ${axes}`);
    }
  }
  await sameAsCpu([x], ([x]) => [tf.sum(tf.cast(x, "int32"), [0, 1, 2])], "sum of int32");
  await sameAsCpu([{ ...x, shape: [360] }], ([x]) => [tf.sum(x)], "sum of a line");
});

Deno.test("Identity, Cast share memory until the last copy is disposed of", async () => {
  await openBackend("wasm");
  const x = tf.tensor1d([1, 2, 3]);
  const copies = [tf.clone(x), tf.cast(x, "float32")];
  x.dispose();
  copies[0].dispose();
  assert.deepEqual([...copies[1].dataSync()], [1, 2, 3]);
  const numbers = tf.cast(copies[1], "int32");
  assert.deepEqual([...numbers.dataSync()], [1, 2, 3]);
  assert.equal(numbers.dtype, "int32");
  tf.dispose([copies, numbers]);
});

Deno.test("gradients on wasm agree with finite differences", async () => {
  await openBackend("wasm");
  const rng = random(6);
  const x = normal(rng, 2, 5, 5, 3);
  const filter = normal(rng, 2, 2, 3, 4);
  const loss = (x: tf.Tensor, filter: tf.Tensor) =>
    tf.mean(
      tf.square(
        tf.maxPool(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same"), 2, 2, "same"),
      ),
    );
  const valueAt = (values: Float32Array) =>
    tf.tidy(() =>
      loss(tf.tensor(x.values, x.shape), tf.tensor(values, filter.shape)).dataSync()[0]
    );
  const gradient = tf.tidy(() =>
    tf.grads(loss)([tf.tensor(x.values, x.shape), tf.tensor(filter.values, filter.shape)])[1]
      .dataSync()
  );
  const step = 1e-2;
  for (let i = 0; i < gradient.length; i++) {
    const moved = (by: number) => filter.values.map((value, j) => j === i ? value + by : value);
    const difference = (valueAt(moved(step)) - valueAt(moved(-step))) / (2 * step);
    assert.ok(
      Math.abs(difference - gradient[i]) < 2e-2 * Math.max(1, Math.abs(gradient[i])),
      `at ${i}: ${gradient[i]}, by differences ${difference}`,
    );
  }
});

Deno.test("training kernels leave no memory behind", async () => {
  await openBackend("wasm");
  const rng = random(7);
  const x = normal(rng, 2, 6, 6, 3);
  const filter = normal(rng, 2, 2, 3, 4);
  const run = () =>
    on("wasm", [x, filter], ([x, filter]) =>
      tf.grads((x: tf.Tensor, filter: tf.Tensor) => {
        const y = tf.maxPool(
          tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, "same"),
          2,
          2,
          "same",
        );
        return tf.sum(tf.matMul(tf.reshape(y, [2, -1]), tf.reshape(y, [2, -1]), false, true));
      })([x, filter]));
  await run();
  const backend = tf.backend() as unknown as { numDataIds(): number };
  const before = { tensors: tf.memory().numTensors, data: backend.numDataIds() };
  for (let i = 0; i < 3; i++) await run();
  assert.deepEqual({ tensors: tf.memory().numTensors, data: backend.numDataIds() }, before);
});
