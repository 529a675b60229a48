/** How the learning rate changes in the course of a training. */

/** What the learning rate is multiplied by at a step, counted from 0, of so many. */
export type Schedule = (step: number, steps: number) => number;

/**
 * Rises evenly over the first `warmup` of all steps (a share), then falls along half a cosine to
 * nothing. Loshchilov and Hutter, "SGDR" (2017); Goyal et al., "Accurate, large minibatch SGD" (2017).
 */
export function cosine(warmup: number): Schedule {
  return (step, steps) => {
    const rising = Math.round(warmup * steps);
    if (step < rising) return (step + 1) / rising;
    return (1 + Math.cos(Math.PI * (step - rising) / (steps - rising))) / 2;
  };
}
