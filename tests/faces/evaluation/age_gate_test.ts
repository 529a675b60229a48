import assert from "node:assert/strict";
import { ageGate } from "../../../faces/evaluation/age_gate.ts";
import { wilson } from "../../../packages/statistics/confidence_intervals.ts";

Deno.test("ageGate() counts false accepts and rejects by true year and group, not intervals of both", () => {
  const person = (age: number, gender: number) => ({ age, gender });
  const interval = (low: number, high: number) => ({
    age: NaN,
    gender: 0,
    ageInterval: [low, high] as const,
  });
  const persons = [
    ...Array.from({ length: 12 }, (_, i) => person(17, i % 2)),
    ...Array.from({ length: 30 }, (_, i) => person(20, i % 2)),
    interval(15, 20), // contains 18
    interval(18, 20), // legal
    interval(10, 17), // not legal
    interval(17, 18), // contains 18
  ];
  // Of 17 years, 3 men are let in; of 20 years, 9 women are refused.
  const estimates = persons.map(({ age, gender }, i) =>
    age === 17
      ? (gender === 1 && i < 6 ? 23 : 22.9)
      : age === 20
      ? (gender === 0 && i < 30 ? 20 : 40)
      : 25
  );
  const gate = ageGate({ threshold: 18, limit: 23 }, estimates, persons);
  const shares = (rate?: { count: number; value: number }) => rate && [rate.count, rate.value];
  assert.deepEqual(shares(gate.false_accept), [13, 4 / 13]);
  assert.deepEqual(shares(gate.false_reject), [31, 9 / 31]);
  const { low, high } = gate.false_reject!.interval;
  assert.deepEqual({ low, high }, wilson(9 / 31, 31));
  assert.equal(gate.left_out, 2);
  assert.deepEqual(
    gate.by_year.map(({ age, false_accept, false_reject }) => [
      ...[age, shares(false_accept), shares(false_reject)],
    ]),
    [[17, [12, 0.25], undefined], [20, undefined, [30, 0.3]]],
  );
  // Faces of 17 years are too few in each group.
  assert.deepEqual(
    gate.by_group.map(({ group, false_accept, false_reject }) => [
      ...[group, shares(false_accept), shares(false_reject)],
    ]),
    [["female", undefined, [16, 9 / 16]], ["male", undefined, [15, 0]]],
  );
});
