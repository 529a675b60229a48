/** Metrics in the report of a run. */
import assert from "node:assert/strict";
import { metricsOf } from "../../../../packages/pipeline/run/run_report.ts";
import type { Metrics } from "../../../../packages/pipeline/stage.ts";
import { app } from "../../../../main.ts";
import { Project, stageUrl } from "../toy/project.ts";

const toys = new URL("../toy/stages.ts", import.meta.url).href;

/** A result of the images and rows of these digests. */
const result = (
  use: string,
  metrics: Metrics,
  names: readonly unknown[] = [],
  inputs: object = { dataset: "d", splits: "s" },
) => {
  const key = { params: { metrics: names }, modules: {}, packages: {}, external: {} };
  return { dependencies: { use, inputs: { ...inputs, models: {} }, ...key }, metrics };
};

Deno.test("a run has the metrics of a training beside those of its evaluation", async () => {
  const trained = { validation: { mae: 5.1, rmse: 7, cs: 0.3 } };
  const evaluated = {
    train: { loss: 1, mae: 4, cs: 0.6 },
    validation: { loss: 2, mae: 5, cs: 0.5 },
  };
  const training = result("trainAge", { "*": trained }, ["rmse", { use: "cs", within: 3 }]);
  const all = async (...later: ReturnType<typeof result>[]) => {
    const named = later.map((one, i) => [`evaluate${i}`, one] as const);
    return await metricsOf(new Map([["age", training], ...named]), app.metricNames);
  };
  assert.deepEqual(await all(), { age: trained });
  const evaluation = result("evaluate", { age: evaluated }, ["cs"]);
  assert.deepEqual(await all(evaluation), {
    age: {
      train: evaluated.train,
      validation: { loss: 2, mae: 5, cs: 0.5, rmse: 7, "cs@3": 0.3 },
    },
  });
  // Of the same limit, the evaluation's value stands.
  const same = result("evaluate", { age: evaluated }, [{ use: "cs", within: 3 }]);
  assert.deepEqual((await all(same)).age!.validation, { loss: 2, mae: 5, cs: 0.5, rmse: 7 });
  // The last evaluation counts, and its sets are those of no other data.
  const other = { validation: { loss: 3, mae: 6 } };
  const last = result("evaluate", { age: other });
  assert.deepEqual((await all(evaluation, last)).age, {
    validation: { ...other.validation, rmse: 7, cs: 0.3 },
  });
  const elsewhere = result("evaluate", { age: other }, [], { dataset: "d", splits: "others" });
  assert.deepEqual(await all(elsewhere), { age: other });
});

Deno.test("a run has the metrics of each head of a training, and an MAE once", async () => {
  const { metricNames } = app;
  const training = result("trainJoint", {
    "*.gender": { validation: { accuracy: 0.8, auc: 0.9 } },
    "*.height": { validation: { mae: 12, rmse: 15 } },
  });
  const evaluation = result("evaluate", {
    "joint.gender": { validation: { loss: 1, accuracy: 0.7 } },
    "joint.height": { validation: { loss: 1, error: 11 } },
  });
  assert.deepEqual(
    await metricsOf(new Map([["joint", training], ["evaluate", evaluation]]), metricNames),
    {
      "joint.gender": { validation: { loss: 1, accuracy: 0.7, auc: 0.9 } },
      "joint.height": { validation: { loss: 1, error: 11, rmse: 15 } },
    },
  );
});

Deno.test("a stage's own metrics are in the run though a later stage has some of it", async () => {
  const plugin = `import { z } from "zod";
import { defineStage } from "${stageUrl}";
import { total } from "${toys}";
export default defineStage({
  name: "sum2", summary: "Two", inputs: {}, outputs: { total }, params: z.strictObject({}),
  async run(_, __, context) {
    await Deno.writeTextFile(context.outputs.total + "/total.txt", "2");
    return { metrics: { "*": { test: { loss: 1, other: 3 }, validation: { other: 4 } } } };
  },
});
`;
  await using project = await Project.make({
    "deno.json": '{"imports":{"zod":"npm:zod@4.6.7"}}',
    "plugins/sum2.ts": plugin,
    "pipeline.yaml": "plugins: [plugins/sum2.ts]\nstages: { two: { use: sum2 }, compare: }",
  });
  for (let round = 0; round < 2; round++) {
    const { report } = await project.run();
    assert.deepEqual(report.metrics, {
      two: { test: { loss: 2, other: 3 }, validation: { other: 4 } },
    });
  }
});
