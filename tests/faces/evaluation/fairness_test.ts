/**
 * Fairness against Fairlearn 0.15.0, pandas 2 and NumPy 2, computed once with
 *
 *     n = 240
 *     i = np.arange(n)
 *     age = i * 37 % 80
 *     gender = i * 5 % 7 % 2
 *     group = np.array(["a", "b", "c"])[i * i % 11 % 3]
 *     truth = i * 13 % 5 % 2
 *     pred = np.where(i * 29 % 17 < 4 + 2 * gender, 1 - truth, truth)
 *     df = pd.DataFrame(dict(age=age, gender=gender, group=group, truth=truth, pred=pred))
 *     f = MetricFrame(metrics=dict(accuracy=accuracy_score, selection_rate=selection_rate,
 *         true_positive_rate=true_positive_rate, false_positive_rate=false_positive_rate),
 *         y_true=truth, y_pred=pred, sensitive_features=df[["gender", "group"]])
 *     print(f.by_group, f.difference(), f.ratio())
 *     s = df[["gender"]]
 *     print(demographic_parity_difference(truth, pred, sensitive_features=s))
 *     print(equalized_odds_difference(truth, pred, sensitive_features=s))
 *     df["hit"] = (truth == pred) * 1.0; df["stratum"] = df.age // 10
 *     cell = df.groupby(["gender", "stratum"]).hit.mean().unstack()
 *     print((cell * df.stratum.value_counts(normalize=True).sort_index()).sum(axis=1))
 *     rng = np.random.default_rng(1)
 *     idx = [np.flatnonzero(df.stratum == s) for s in range(8)]
 *     hit = df.hit.to_numpy()
 *     def gap(g):
 *         m = [[hit[k][g[k] == v].mean() for v in (0, 1)] for k in idx]
 *         return abs(np.dot([len(k) / n for k in idx], np.diff(m, axis=1)[:, 0]))
 *     extreme = 0
 *     for _ in range(20000):
 *         g = gender.copy()
 *         for k in idx: g[k] = rng.permutation(g[k])
 *         extreme += gap(g) >= gap(gender) - 1e-12
 *     print(gap(gender), extreme / 20000)
 */
import assert from "node:assert/strict";
import { adjustAll, modelFairness } from "../../../faces/evaluation/fairness.ts";
import {
  addFurther,
  computeInThread,
  computeScores,
  type Scored,
} from "../../../faces/evaluation/scoring_thread.ts";
import { holm } from "../../../packages/statistics/paired_tests.ts";
import { chooseMetrics } from "../../../faces/training/further_metrics.ts";
import {
  difference,
  groupMeans,
  permutationTest,
} from "../../../packages/statistics/group_gaps.ts";

const all = Array.from({ length: 240 }, (_, i) => i);
const truth = all.map((i) => i * 13 % 5 % 2);
const persons = all.map((i) => ({
  age: i * 37 % 80,
  gender: i * 5 % 7 % 2,
  attributes: { group: "abc"[i * i % 11 % 3], name: `Subject ${i}`, part: "test" },
}));
const prediction = all.map((i) =>
  i * 29 % 17 < 4 + 2 * persons[i].gender ? 1 - truth[i] : truth[i]
);
const test = { rows: all, truth, prediction, loss: 0 };
const smiles = { task: "smile", metric: "accuracy", classes: ["no", "yes"] } as const;

function close(actual: number | undefined, wanted: number, digits = 1e-6) {
  assert.ok(Math.abs(actual! - wanted) < digits, `${actual} is not ${wanted}`);
}

Deno.test("modelFairness() agrees with Fairlearn's MetricFrame, on crossings too", async () => {
  const { groupings, left_out } = await modelFairness({
    metrics: smiles,
    test,
    persons,
    minimum: 1,
  });
  assert.deepEqual(left_out, { name: 240, part: 1 });
  assert.deepEqual(groupings.map(({ by }) => by.join()), [
    ...["gender", "age", "group", "gender,age", "gender,group", "age,group"],
  ]);
  const { metrics } = groupings[4];
  const expected = {
    accuracy: [0.777778, 0.729167, 0.769231, 0.617021, 0.684211, 0.666667],
    selection_rate: [0.333333, 0.520833, 0.538462, 0.617021, 0.394737, 0.277778],
    true_positive_rate: [0.64, 0.8, 0.9, 0.789474, 0.6, 0.428571],
    false_positive_rate: [0.131579, 0.321429, 0.3125, 0.5, 0.26087, 0.181818],
  };
  const differences = { accuracy: 0.160757, selection_rate: 0.339243 };
  const rates = { true_positive_rate: 0.471429, false_positive_rate: 0.368421 };
  const ratios = { accuracy: 0.793313, false_positive_rate: 0.263158 };
  for (const [name, values] of Object.entries(expected)) {
    const { by_group } = metrics[name];
    assert.deepEqual(Object.keys(by_group), [
      ...["female, a", "female, b", "female, c", "male, a", "male, b", "male, c"],
    ]);
    Object.values(by_group).forEach(({ value }, i) => close(value, values[i]));
  }
  for (const [name, value] of Object.entries({ ...differences, ...rates })) {
    close(metrics[name].difference, value);
  }
  for (const [name, value] of Object.entries(ratios)) close(metrics[name].ratio, value);
  assert.equal(metrics.accuracy.worst_group, "male, a");
  const perfect = { ...test, prediction: test.truth };
  const [equal] = (await modelFairness({ metrics: smiles, test: perfect, persons })).groupings;
  assert.deepEqual([equal.metrics.accuracy.difference, equal.metrics.accuracy.worst_group], [
    0,
    undefined,
  ]);
  assert.deepEqual(Object.values(metrics.accuracy.by_group).map(({ count }) => count), [
    ...[63, 48, 26, 47, 38, 18],
  ]);
  close(groupings[0].demographic_parity_difference, 0.03777195096024377, 1e-12);
  close(groupings[0].equalized_odds_difference, 0.12313139260424863, 1e-12);
});

Deno.test("modelFairness() compares the groups that are chosen, and tests no others", async () => {
  const [all, chosen] = await Promise.all(
    [undefined, ["gender", ["age", "group"]]].map((groups) =>
      modelFairness({ metrics: smiles, test, persons, groups })
    ),
  );
  assert.deepEqual(chosen.groupings.map(({ by }) => by), [["gender"], ["age", "group"]]);
  assert.deepEqual(chosen.groupings, [all.groupings[0], all.groupings[5]], "as among all");
  assert.deepEqual(chosen.left_out, { name: 240, part: 1 });
  const one = await modelFairness({ metrics: smiles, test, persons, groups: ["part", "name"] });
  assert.deepEqual(one.left_out, { gender: 2, age: 4, group: 3, part: 1 });
  assert.deepEqual(one.groupings.map(({ by }) => by), [["name"]], "of many values, but chosen");
  // Tests of groups that were not asked for weaken those that were.
  for (const fairness of [all, chosen]) adjustAll([fairness]);
  const [many, few] = [all.groupings[2], chosen.groupings[0]].map(({ metrics }) =>
    metrics.accuracy
  );
  assert.ok(few.p_holm! < many.p_holm!, `${few.p_holm} of ${few.p}, ${many.p_holm} of ${many.p}`);
});

Deno.test("modelFairness() standardizes by age and tests within its strata", async () => {
  const fairness = await modelFairness({ metrics: smiles, test, persons });
  const [gender, age] = fairness.groupings;
  const { by_group, standardized, difference, p } = gender.metrics.accuracy;
  close(by_group.female.standardized, 0.755437);
  close(by_group.male.standardized, 0.638122);
  close(standardized?.difference, 0.755437 - 0.638122, 2e-6);
  assert.equal(standardized?.covered, 1);
  assert.notEqual(difference, standardized?.difference);
  close(p, 0.0434, 0.012);
  assert.equal(age.metrics.accuracy.standardized, undefined);
  adjustAll([fairness]);
  const tests = fairness.groupings.flatMap(({ metrics }) => Object.values(metrics))
    .filter(({ p }) => p !== undefined);
  assert.deepEqual(tests.map(({ p_holm }) => p_holm), holm(tests.map(({ p }) => p!)));
});

Deno.test("modelFairness() ends between two attributes when a run is interrupted", async () => {
  const interrupt = new AbortController();
  setTimeout(() => interrupt.abort(new Error("interrupted")), 0);
  const done = modelFairness({ metrics: smiles, test, persons }, interrupt);
  await assert.rejects(done, /interrupted/);
});

Deno.test("computeInThread() makes the bytes of computeScores(), and ends when it is interrupted", async () => {
  const interrupt = new AbortController(), { signal } = interrupt, watch = { signal, note() {} };
  const some = persons.slice(0, 60).map((person) => ({ ...person, attributes: {} }));
  const ages = some.map(({ age }) => age), guesses = ages.map((age) => age + age % 7 - 3);
  const bounds = guesses.map((value) => ({ value, low: value - 3, high: value + 2 }));
  const of = <T>(one: T) => ({ train: one, validation: one, test: one });
  const labelled = of({ age: ages, gender: some.map(({ gender }) => gender) });
  const years: Scored = {
    model: [
      { task: "age" },
      of({ rows: [...ages.keys()], truth: ages, prediction: guesses, bounds, loss: 0 }),
      ...[labelled, []] as const,
    ],
    interval: { of: "error", level: 0.9, images: 40, margin: 3 },
    gated: [{ threshold: 18, limit: 23 }, guesses, some],
    persons: some,
    choices: ["rmse"],
    facts: { trainedOn: 3 },
  };
  const split = of({ ...test, truth: truth.slice(0, 60), prediction: prediction.slice(0, 60) });
  const classes: Scored = { model: [smiles, split, labelled, []], persons: some, choices: ["f1"] };
  for (const scored of [years, classes]) {
    const [here, there] = [computeScores, computeInThread].map((run) => run(scored, watch));
    assert.equal(JSON.stringify(await there), JSON.stringify(await here));
    assert.deepEqual(await there, await here);
    // As with metrics of plugins.
    const { metrics, ...none } = await computeInThread({ ...scored, choices: undefined }, watch);
    assert.deepEqual(none, { fairness: undefined });
    const further = chooseMetrics(scored.choices!, []);
    const fairness = await addFurther(metrics, further, scored, watch);
    assert.equal(JSON.stringify({ metrics, fairness }), JSON.stringify(await here));
  }
  const none = { ...test, rows: [], truth: [], prediction: [] };
  const empty = computeInThread({ ...years, model: [smiles, of(none), labelled, []] }, watch);
  await assert.rejects(empty, /^Error: Cannot score predictions: the test set is empty/);
  const late = computeInThread(years, watch);
  interrupt.abort(new Error("interrupted"));
  for (const run of [late, computeInThread(years, watch), computeScores(years, watch)]) {
    await assert.rejects(run, /^Error: interrupted/);
  }
});

Deno.test("a further metric of heights has its own unit, but is not in years", async () => {
  const split = { rows: [0, 1], truth: [160, 180], prediction: [162, 182], loss: 2 };
  const of = <T>(one: T) => ({ train: one, validation: one, test: one });
  const labelled = of({ age: [30, 40], gender: [0, 1] });
  const scored: Scored = {
    model: [{ task: "height" }, of(split), labelled, []],
    persons: persons.slice(0, 2),
  };
  const { metrics } = await computeScores(scored, { note() {} });
  const [rmse] = chooseMetrics(["rmse"], []), watch = { note() {} };
  await addFurther(metrics, [rmse, { ...rmse, name: "share", unit: "%" }], scored, watch);
  assert.deepEqual(metrics.further!.map(({ unit }) => unit), ["", "%"]);
  const known = { age: [30, 40], gender: [0, NaN] };
  const partly: Scored = { ...scored, choices: ["macroMae", "rmse"] };
  partly.model = [{ task: "height" }, of(split), of(known), []];
  const { further } = (await computeScores(partly, watch)).metrics;
  assert.deepEqual(further!.map(({ leftOut }) => leftOut), [1, undefined]);
});

Deno.test("modelFairness() tests differences between faces of unknown age", async () => {
  // As of FairFace, whose ages are intervals: group a has a fifth of right predictions, others all.
  const ageless = persons.map((person) => ({ ...person, age: NaN }));
  const wrong = truth.map((label, i) =>
    persons[i].attributes.group === "a" && i % 5 > 0 ? 1 - label : label
  );
  const few = ageless.map((person, i) => i < 4 ? { ...person, age: 30 } : person);
  for (const some of [ageless, few]) {
    const { groupings } = await modelFairness({
      metrics: smiles,
      test: { ...test, prediction: wrong },
      persons: some,
    });
    const { accuracy } = groupings.find(({ by }) => by.join() === "group")!.metrics;
    assert.ok(accuracy.difference > 0.7 && accuracy.p! < 0.001, `p is ${accuracy.p}`);
    assert.equal(accuracy.standardized, undefined);
  }
});

Deno.test("modelFairness() does not test groups without a common age", async () => {
  // Of children and adults, only the few faces of unknown age could be exchanged: p was 1.
  const ages = persons.map((person, i) => ({
    ...person,
    age: i < 10 ? NaN : person.age,
    attributes: { child: person.age < 10 || i < 2 ? "yes" : "no" },
  }));
  const wrong = truth.map((label, i) => ages[i].attributes.child === "yes" ? 1 - label : label);
  const fairness = await modelFairness({
    metrics: smiles,
    test: { ...test, prediction: wrong },
    persons: ages,
  });
  adjustAll([fairness]);
  const { accuracy } = fairness.groupings.find(({ by }) => by.join() === "child")!.metrics;
  assert.equal(accuracy.difference, 1);
  assert.deepEqual([accuracy.p, accuracy.p_holm], [undefined, undefined]);
});

Deno.test("modelFairness() hides groups of few faces and counts faces without a label", async () => {
  const few = persons.map((person, i) => ({
    ...person,
    attributes: { group: i < 9 ? "rare" : i < 30 ? null : "common", name: null },
  }));
  const { groupings } = await modelFairness({ metrics: smiles, test, persons: few });
  const { metrics, hidden, unknown } = groupings.find(({ by }) => by.join() === "group")!;
  assert.deepEqual({ hidden, unknown }, { hidden: { groups: 1, faces: 9 }, unknown: 21 });
  assert.deepEqual(metrics, {});
});

Deno.test("modelFairness() reports no rates by the target itself, and a signed bias of ages", async () => {
  const own =
    (await modelFairness({ metrics: { ...smiles, task: "gender" }, test, persons })).groupings[0];
  assert.deepEqual(Object.keys(own.metrics), ["accuracy"]);
  const further = chooseMetrics(["f1"], []);
  const one = persons.map((person, i) => {
    return {
      ...person,
      attributes: { one: i % 3 === 0 ? "mixed" : "no yes".split(" ")[truth[i]] },
    };
  });
  const { groupings } = await modelFairness({ metrics: smiles, test, persons: one, further });
  const single = groupings.find(({ by }) => by.join() === "one")!.metrics;
  assert.equal(single.f1, undefined, "groups of one class have no F1");
  assert.ok(groupings[0].metrics.f1, "groups of several classes have it");
  const older = { ...test, truth: persons.map(({ age }) => age) };
  const errors = { ...older, prediction: persons.map(({ age, gender }) => age + 5 - 10 * gender) };
  const of = { metrics: { task: "age", metric: "mae" }, test: errors, persons } as const;
  const { metrics } = (await modelFairness(of)).groupings[0];
  assert.deepEqual(Object.keys(metrics), ["mae", "bias"]);
  assert.equal(metrics.bias.by_group.male.value, -5);
  assert.deepEqual([metrics.mae.difference, metrics.bias.difference], [0, 10]);
  assert.ok(metrics.mae.p === 1 && metrics.bias.p! < 0.001);
  const named = await modelFairness({ ...of, further: chooseMetrics(["bias", "rmse"], []) });
  const { bias, rmse } = named.groupings[0].metrics;
  assert.deepEqual(bias, metrics.bias, "evaluate.metrics names it too");
  assert.equal(rmse.p, undefined);
});

Deno.test("groupMeans() takes the strata that all groups have", () => {
  const groups = [0, 0, 1, 1, 0], strata = [0, 0, 0, 1, -1], values = [1, 0, 1, 1, 1];
  assert.deepEqual(groupMeans(values, { strata, count: 2 })(groups), {
    means: [0.5, 1],
    covered: 3 / 5,
  });
  const { means, covered } = groupMeans(values, { strata, count: 2, least: 3 })(groups);
  assert.ok(means.every(Number.isNaN) && covered === 0);
});

Deno.test("permutationTest() counts permutations without a common stratum as contradictions", () => {
  // Half of 20 images have a value. Exchanged, they are five per group in 34 % of permutations only:
  //     q = scipy.stats.hypergeom.pmf(5, 20, 10, 10); 1 - q * (1 - 2 / 252)  # SciPy 1.17.1
  const groups = Array.from({ length: 20 }, (_, i) => i % 2);
  const values = groups.map((group, i) => i < 10 ? group : NaN), strata = groups.map(() => 0);
  const meansOf = groupMeans(values, { count: 2, strata, least: 5 });
  assert.ok(Number.isNaN(difference(meansOf(groups.toSorted()).means)), "no group has five");
  const [p] = permutationTest({ groups, strata }, [(some) => difference(meansOf(some).means)]);
  close(p, 0.6590097209292256, 0.12);
});

Deno.test("permutationTest() exchanges people, not their images", () => {
  // Two people of 20 equal images each: one division in two is as extreme.
  const groups = Array.from({ length: 40 }, (_, i) => i < 20 ? 0 : 1);
  const gap = (groups: ArrayLike<number>) =>
    difference(groupMeans(groups0, { count: 2 })(groups).means);
  const groups0 = [...groups];
  assert.deepEqual(permutationTest({ groups }, [gap], groups), [1]);
  // The least p-value survives Holm's adjustment for a hundred tests and more.
  const [least, certain] = permutationTest({ groups }, [gap, () => 0]);
  assert.deepEqual([least, certain], [1 / 10_001, 1]);
});
