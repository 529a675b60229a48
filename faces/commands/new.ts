/** `deno task new`: writes a plugin, its test and a pipeline that uses it. */
import { join } from "node:path";
import { parseOptions } from "../../packages/pipeline/args.ts";
import { type Command, EXIT } from "../../packages/pipeline/app.ts";
import { didYouMean, joinWords, UsageError } from "../../packages/pipeline/errors.ts";

interface Template {
  /** YAML of the pipeline's stages; NAME stands for the name, also below. */
  readonly stages: string;
  readonly plugin: string;
  readonly test: string;
}

const TEMPLATES: Readonly<Record<string, Template>> = {
  stage: {
    stages: "  NAME: { replaces: faceCrop }",
    plugin: `import { z } from "zod";
import { defineStage } from "../packages/pipeline/stage.ts";
import { faces } from "../stages/kinds.ts";

export default defineStage({
  name: "NAME",
  summary: "Change the brightness of the faces",
  inputs: { faces },
  outputs: { faces },
  params: z.strictObject({
    factor: z.number().min(0.1).max(10).default(1.5).describe("Brightness factor"),
  }),
  async run({ faces }, { factor }, context) {
    // Heavy modules load here, so a run of cache hits does not load them.
    const { default: sharp } = await import("sharp");
    const { mapFaces } = await import("../faces/detection/faces_artifact.ts");
    const step = \`NAME \${factor}\`; // recorded in preprocessing.json
    await mapFaces(
      faces.path,
      context.outputs.faces,
      context,
      step,
      (png) => sharp(png).modulate({ brightness: factor }).png().toBuffer(),
    );
  },
});
`,
    test: `import assert from "node:assert/strict";
import NAME from "../../plugins/NAME.ts";

Deno.test("NAME checks its parameters", () => {
  assert.equal(NAME.params.parse({}).factor, 1.5);
  assert.throws(() => NAME.params.parse({ factor: 0 }));
});
`,
  },
  network: {
    stages: "  trainGender: { network: { use: NAME, units: 32 }, epochs: 2 }",
    plugin: `import { z } from "zod";
import { defineNetwork } from "../faces/training/training_definitions.ts";

export default defineNetwork({
  name: "NAME",
  summary: "One convolution and one dense layer",
  params: z.strictObject({
    units: z.int().min(1).max(4096).default(64).describe("Units of the dense layer"),
  }),
  // Layers from images to features; training stages append their heads. Layers need names.
  trunk: ({ units, dropout, initializer: kernelInitializer }, { layers }) => [
    layers.conv2d({
      ...{ name: "conv", filters: 16, kernelSize: 3, padding: "same" },
      ...{ activation: "relu", kernelInitializer },
    }),
    layers.maxPooling2d({ name: "pool", poolSize: 4 }),
    layers.flatten({ name: "flatten" }),
    layers.dense({ name: "dense", units, activation: "relu", kernelInitializer }),
    layers.dropout({ name: "dropout", rate: dropout }),
  ],
});
`,
    test: `import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-layers";
import NAME from "../../plugins/NAME.ts";

Deno.test("NAME builds its layers", () => {
  const options = NAME.params.parse({ units: 8 });
  const defaults = { size: 32, dropout: 0, batchNormMomentum: 0.9 };
  const image = tf.input({ shape: [32, 32, 3] });
  const built = NAME.trunk(
    { ...defaults, initializer: "heNormal", ...options },
    tf,
    image,
  );
  assert.ok(Array.isArray(built));
  assert.deepEqual(built.map(({ name }) => name), ["conv", "pool", "flatten", "dense", "dropout"]);
});
`,
  },
  detector: {
    stages: "  faceCrop: { detector: NAME }",
    plugin: `import { z } from "zod";
import { defineDetector } from "../faces/detection/detector.ts";

export default defineDetector({
  name: "NAME",
  summary: "Take the middle of each photo for a face",
  params: z.object({
    share: z.number().gt(0).max(1).default(0.6).describe("Share of the photo's shorter side"),
  }),
  open: ({ share }) =>
    Promise.resolve({
      detect({ width, height }) {
        const side = Math.min(width, height) * share;
        const box = { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
        return Promise.resolve([{ box, score: 1 }]); // highest score first
      },
      close() {},
    }),
});
`,
    test: `import assert from "node:assert/strict";
import NAME from "../../plugins/NAME.ts";

Deno.test("NAME returns the middle of a photo", async () => {
  const model = await NAME.open({ share: 0.5 });
  const image = { data: new Uint8Array(40 * 20 * 3), width: 40, height: 20 };
  const box = { x: 15, y: 5, width: 10, height: 10 };
  assert.deepEqual(await model.detect(image), [{ box, score: 1 }]);
  model.close();
});
`,
  },
  metric: {
    stages: "  evaluate: { metrics: [NAME] }",
    plugin: `import { z } from "zod";
import { defineMetric } from "../faces/training/further_metrics.ts";

export default defineMetric({
  name: "NAME",
  summary: "Share of ages that are wrong by more than a limit",
  title: "gross errors",
  of: "years", // or "classes"
  unit: "",
  better: "less",
  decimals: 3,
  params: z.strictObject({
    years: z.number().min(0).default(15).describe("Limit in years"),
  }),
  compute: ({ truth, prediction }, { years }) => {
    const wrong = Array.from(truth).filter((age, i) => Math.abs(prediction[i] - age) > years);
    return wrong.length / truth.length;
  },
});
`,
    test: `import assert from "node:assert/strict";
import NAME from "../../plugins/NAME.ts";

Deno.test("NAME counts what is beyond the limit", () => {
  const scored = { truth: [20, 30, 40, 50], prediction: [20, 31, 60, 10], gender: [], age: [] };
  assert.equal(NAME.compute(scored, { years: 15 }), 0.5);
});
`,
  },
  loss: {
    stages: "  trainAge: { loss: NAME }",
    plugin: `import { z } from "zod";
import { quantityHead } from "../faces/training/losses.ts";
import { defineLoss } from "../faces/training/training_definitions.ts";

export default defineLoss({
  name: "NAME",
  summary: "Logarithm of the hyperbolic cosine of the error in years",
  of: ["years"],
  params: z.strictObject({}),
  head: ({ weight }) => ({
    ...quantityHead(weight),
    loss: "NAME", // its name in training.json
    builtIn: false,
    rowLosses: (tf, years, labels) => {
      // log(cosh(x)) without overflow.
      const size = tf.abs(tf.sub(years, labels));
      const rest = tf.softplus(tf.mul(size, -2));
      return tf.mean(tf.sub(tf.add(size, rest), Math.LN2), -1);
    },
  }),
});
`,
    test: `import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openBackend } from "../../packages/compute/open_backend.ts";
import NAME from "../../plugins/NAME.ts";

Deno.test("NAME is 0 where the age is right, and finite far away", async () => {
  await openBackend("cpu");
  const head = NAME.head({ weight: 1, classes: null, targets: [] });
  const losses = head.rowLosses(tf, tf.tensor2d([[30], [130]]), tf.tensor2d([[30], [30]]));
  const [right, wrong] = await losses.data();
  assert.ok(Math.abs(right) < 1e-6 && Math.abs(wrong - (100 - Math.LN2)) < 1e-3);
});
`,
  },
};

const kinds = Object.keys(TEMPLATES);

const command: Command = {
  help: `Write a plugin to start from: its file, its test, and a pipeline that uses it.

  deno task new KIND NAME

  KIND     ${joinWords(kinds, "or")}
  NAME     in camelCase, such as myStage; its name in YAML
  --help

Writes plugins/NAME.ts, tests/plugins/NAME_test.ts and experiments/NAME.yaml; existing files are
never replaced. Each one works as it is: test it, run it, then change it.

Exit codes: 0 written, 2 wrong command line, or a file exists.`,
  async run(args, { project, reporter }) {
    const { positionals: [kind, name, ...more] } = parseOptions("new", args, {
      help: { type: "boolean", short: "h" },
    });
    if (kind === undefined || name === undefined || more.length > 0) {
      throw new UsageError(`expected a kind and a name: deno task new stage myStage`);
    }
    if (!Object.hasOwn(TEMPLATES, kind)) {
      throw new UsageError(
        `there is no kind "${kind}".${didYouMean(kind, kinds)} Take ${joinWords(kinds, "or")}.`,
      );
    }
    if (!/^[a-z][a-zA-Z0-9]*$/.test(name)) {
      throw new UsageError(`the name "${name}" is not in camelCase, such as myStage`);
    }
    const { stages, plugin, test } = TEMPLATES[kind];
    const pipeline = `# yaml-language-server: $schema=../pipeline.schema.json
extends: ../pipeline.yaml
plugins: [../plugins/NAME.ts]
stages:
${stages}
`;
    const files = {
      [join("plugins", `${name}.ts`)]: plugin,
      [join("tests", "plugins", `${name}_test.ts`)]: test,
      [join("experiments", `${name}.yaml`)]: pipeline,
    };
    for (const path of Object.keys(files)) {
      const exists = await Deno.stat(join(project, path)).then(() => true, () => false);
      if (exists) throw new UsageError(`${path} exists already: choose another name`);
    }
    for (const [path, text] of Object.entries(files)) {
      const written = text.replaceAll("NAME", name);
      await Deno.mkdir(join(project, path, ".."), { recursive: true });
      await Deno.writeTextFile(join(project, path), written, { createNew: true });
      reporter.log(`wrote ${path}`);
    }
    reporter.log(`Next: deno test -A tests/plugins/${name}_test.ts`);
    reporter.log(`      deno task run experiments/${name}`);
    return EXIT.ok;
  },
};
export default command;
