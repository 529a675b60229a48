/** Learning rate schedules. */

/** Learning rate factor at a step, from 0, of `steps`. */
export type Schedule = (step: number, steps: number) => number;

/**
 * Returns a schedule of linear warmup over a share of all steps, then cosine decay to zero.
 * Loshchilov and Hutter, "SGDR" (2017); Goyal et al., "Accurate, large minibatch SGD" (2017).
 */
export function cosine(warmup: number): Schedule {
  return (step, steps) => {
    const rising = Math.round(warmup * steps);
    if (step < rising) return (step + 1) / rising;
    return (1 + Math.cos(Math.PI * (step - rising) / (steps - rising))) / 2;
  };
}
