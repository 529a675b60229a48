/** The built-in orders in which an epoch takes the images of the training set. */
import { z } from "zod";
import { defineSampling } from "./training_definitions.ts";

/** Years of a group of ages that `balanced` makes by default. */
export const AGE_BAND = 10;

export const samplings = [
  defineSampling({
    name: "shuffle",
    summary: "Each image once per epoch, in random order",
    order: (rows, { random }) => random.shuffle(rows),
  }),
  defineSampling({
    name: "balanced",
    summary: "As many images per epoch, the same number from each group; small groups repeat",
    params: z.strictObject({
      by: z.array(z.string().min(1)).min(1).optional().describe(
        "Labels that make the groups: gender, age or another column; images without one are a group, " +
          "too. Default: the stage's tasks",
      ),
      ageBand: z.int().min(1).max(100).default(AGE_BAND).describe("Years of a group of ages"),
    }),
    order(rows, { person, random, tasks }, { by = tasks, ageBand }) {
      const groups = Map.groupBy(rows, (row) => {
        const one = person(row), [low, high] = one.ageInterval ?? [one.age, one.age];
        const values: Readonly<Record<string, string | number | null>> = {
          ...one.attributes,
          gender: one.gender,
          age: Math.floor((low + high) / 2 / ageBand),
        };
        checkBalanced(by, values);
        return by.map((label) => values[label]).join("\0");
      });
      const order = new Int32Array(rows.length);
      let at = 0;
      for (const [g, key] of [...groups.keys()].sort().entries()) {
        const group = groups.get(key)!;
        const end = Math.floor((g + 1) * rows.length / groups.size);
        for (; at < end; at += group.length) {
          order.set(random.shuffle(group).slice(0, end - at), at);
        }
        at = end;
      }
      return random.shuffle(order);
    },
  }),
];

/** @throws if labels to balance by are none of a face's */
export function checkBalanced(by: readonly string[], labels: object): void {
  const unknown = by.find((label) => !Object.hasOwn(labels, label));
  if (unknown === undefined) return;
  const names = Object.keys(labels).join(", ");
  throw new Error(`Cannot balance by "${unknown}": the labels have ${names}. Name one.`);
}
