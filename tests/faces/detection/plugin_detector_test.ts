import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { openModel } from "../../../faces/detection/detectors.ts";
import { fromFileUrl } from "../../../packages/pipeline/paths.ts";

const root = fromFileUrl(new URL("../../../", import.meta.url));

/** Returns a plugin's module with a detector whose `open()` has this body. */
const plugin = (open: string) =>
  `import { defineDetector } from ${JSON.stringify(join(root, "faces/detection/detector.ts"))};
export default defineDetector({ name: "bad", summary: "Is bad",
  async open() { ${open} },
});
`;

const detects = (body: string) => `return { async detect() { ${body} }, close() {} };`;

Deno.test("openModel() checks what a plugin's detector returns", async () => {
  const folder = await Deno.makeTempDir();
  const image = { data: new Uint8Array(3), width: 1, height: 1 };
  const cases: [open: string, message: RegExp][] = [
    ["return undefined;", /bad" of the plugin ".*0\.ts": open\(\) returned no \{ detect, close \}/],
    ["return { detect() {} };", /returned no \{ detect, close \}/],
    [
      detects("return undefined;"),
      /detect\(\) returned undefined\. Return a list of at most 1000 \{ box/,
    ],
    [detects("return [{}];"), /detect\(\) returned \[ \{\} \]/],
    [
      detects("return [{ box: { x: NaN, y: 0, width: 1, height: 1 }, score: 1 }];"),
      /x: NaN.*with finite numbers/,
    ],
    [
      detects("return [{ box: { x: 0, y: 0, width: 0, height: 1 }, score: 1 }];"),
      /width: 0.*width and height above 0/,
    ],
    [
      detects(
        "const box = { x: 0, y: 0, width: 1, height: 1 }; return Array(1001).fill({ box, score: 1 });",
      ),
      /detect\(\) returned 1001 faces\. Return a list of at most 1000/,
    ],
    [detects("throw 'no luck';"), /it threw no luck/],
    ["return { detect() { throw 'no luck'; }, close() {} };", /it threw no luck/],
    [detects("throw new RangeError('no luck');"), /^RangeError: no luck$/],
  ];
  try {
    for (const [i, [open, message]] of cases.entries()) {
      const module = join(folder, `${i}.ts`);
      await Deno.writeTextFile(module, plugin(open));
      const use = async () => (await openModel("bad", { module, minConfidence: 0 })).detect(image);
      await assert.rejects(use(), message, open);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openModel() keeps the image and the order of scores, whatever a plugin's detector does", async () => {
  const folder = await Deno.makeTempDir();
  // As a decoded photo has, whose slice() is no copy.
  const image = { data: Buffer.of(1, 2, 3), width: 1, height: 1 };
  const body = `(image.data.fill(9), Object.freeze([0.2, 0.9].map((score) => (
    { box: { x: 0, y: 0, width: 1, height: 1 }, score }))))`;
  try {
    const module = join(folder, "changes.ts");
    await Deno.writeTextFile(
      module,
      plugin(`return { detect: (image) => Promise.resolve(${body}), close() {} };`),
    );
    const model = await openModel("bad", { module, minConfidence: 0 });
    const found = await model.detect(image);
    assert.deepEqual(found.map(({ score }) => score), [0.9, 0.2]);
    assert.deepEqual(image.data, Buffer.of(1, 2, 3));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("openModel() opens the detector of a plugin that takes the API", async () => {
  const folder = await Deno.makeTempDir();
  const module = join(folder, "api.js");
  await Deno.writeTextFile(
    module,
    `export default ({ defineDetector, kinds }) => [defineDetector({
      name: kinds.faces.kind, summary: "Find nothing",
      open: () => Promise.resolve({ detect: () => Promise.resolve([]), close() {} }),
    })];`,
  );
  const model = await openModel("faces", { module, minConfidence: 0 });
  assert.deepEqual(await model.detect({ data: new Uint8Array(3), width: 1, height: 1 }), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an error in a plugin's detector, which runs in a worker, is reported with its place", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.writeTextFile(join(folder, "bad.ts"), plugin("\n  throw new Error('no luck');"));
    await Deno.writeTextFile(
      join(folder, "p.yaml"),
      "artifacts: ./out\nplugins: [{ use: ./bad.ts, allow: [all] }]\nstages: { download: { sampleFaces: 1 }, matParse: , " +
        "faceCrop: { detector: bad, workers: 1 } }\n",
    );
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", "main.ts", "run", join(folder, "p.yaml")],
      cwd: root,
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.equal(code, 1, text);
    assert.ok(
      text.includes(`failed: no luck\n  at ${join(folder, "bad.ts")}:4:9, of detector "bad"\n`),
      text,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
