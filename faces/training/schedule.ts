/** The built-in learning rate schedules. */
import { z } from "zod";
import { defineSchedule } from "./training_definitions.ts";

/** Precedes a schedule by a linear rise over a share of all steps. */
function warmed(
  warmup: number,
  after: (progress: number) => number,
): (step: number, steps: number) => number {
  return (step, steps) => {
    const rising = Math.round(warmup * steps);
    if (step < rising) return (step + 1) / rising;
    return after((step - rising) / (steps - rising));
  };
}

/**
 * Returns a schedule of linear warmup over a share of all steps, then cosine decay to zero.
 * Loshchilov and Hutter, "SGDR" (2017); Goyal et al., "Accurate, large minibatch SGD" (2017).
 */
export function cosine(warmup: number): ReturnType<typeof warmed> {
  return warmed(warmup, (progress) => (1 + Math.cos(Math.PI * progress)) / 2);
}

const warmup = z.number().min(0).max(0.5).optional().describe(
  "Steps of linear warmup, as a share of all steps",
);
const factor = (fallback: number) =>
  z.number().gt(0).lt(1).default(fallback).describe("Factor of the learning rate");

export const schedules = [
  defineSchedule({
    name: "constant",
    summary: "The learning rate as it is",
    factor: () => () => 1,
  }),
  defineSchedule({
    name: "cosine",
    summary: "Linear warmup, then cosine decay to zero",
    params: z.strictObject({ warmup }),
    factor: ({ warmup = 0 }) => cosine(warmup),
  }),
  defineSchedule({
    name: "linear",
    summary: "Linear warmup, then linear decay to zero",
    params: z.strictObject({ warmup }),
    factor: ({ warmup = 0 }) => warmed(warmup, (progress) => 1 - progress),
  }),
  defineSchedule({
    name: "step",
    summary: "The learning rate times a factor every few epochs",
    params: z.strictObject({
      every: z.int().min(1).default(10).describe("Epochs between two changes"),
      factor: factor(0.1),
    }),
    factor: ({ every, factor }) => (step, _, stepsPerEpoch) =>
      factor ** Math.floor(step / (every * stepsPerEpoch)),
  }),
  defineSchedule({
    name: "exponential",
    summary: "The learning rate times a factor every epoch, in each step a part of it",
    params: z.strictObject({ factor: factor(0.95) }),
    factor: ({ factor }) => (step, _, stepsPerEpoch) => factor ** (step / stepsPerEpoch),
  }),
];
