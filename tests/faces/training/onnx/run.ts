/**
 * Predictions of .onnx files by onnxruntime, in a process of its own: the package is large, and its
 * computed name and --no-lock keep it out of what everybody downloads.
 *
 *     deno run --no-lock -A run.ts IMAGES COUNT SIZE MODEL...
 *
 * IMAGES are bytes [COUNT, SIZE, SIZE, 3]. Prints a list of outputs for each model as JSON.
 */
const [imagesPath, count, size, ...models] = Deno.args;
const version = "1.30.0";
const ort = await import(`npm:onnxruntime-web@${version}`);
ort.env.wasm.numThreads = 1;
const images = new ort.Tensor(
  "uint8",
  await Deno.readFile(imagesPath),
  [Number(count), Number(size), Number(size), 3],
);
const all = [];
for (const path of models) {
  const session = await ort.InferenceSession.create(await Deno.readFile(path), {
    executionProviders: ["wasm"],
  });
  const outputs = await session.run({ images });
  all.push(Object.fromEntries(session.outputNames.map((name: string) => [
    name,
    Array.from(outputs[name].data as Float32Array),
  ])));
}
console.log(JSON.stringify(all));
