/** Steps of an optimizer on TensorFlow.js, with its whole state exposed, so a training resumes. */
import * as tf from "@tensorflow/tfjs-core";
import { counted } from "../../packages/pipeline/causes.ts";
import { adamw } from "./optimizers.ts";
import type { OptimizerDefinition } from "./training_definitions.ts";

export interface ChosenOptimizer {
  readonly definition: OptimizerDefinition;
  readonly options: Readonly<Record<string, unknown>>;
  /** Maximum global norm of the gradients (Pascanu et al., 2013). Default: none. */
  readonly clipNorm?: number;
}

/** Adam, with weight decay if a training has some. */
export const defaultOptimizer: ChosenOptimizer = { definition: adamw, options: {} };

export class Optimizer {
  steps = 0;
  /** Tensors of each variable, in the order of the definition's `state`. */
  readonly state: tf.Tensor[][];

  /**
   * @param learningRate that of the next step
   * @param weightDecay decoupled weight decay of the variables that `decays` selects
   */
  constructor(
    readonly variables: readonly tf.Variable[],
    public learningRate: number,
    readonly chosen: ChosenOptimizer = defaultOptimizer,
    readonly weightDecay = 0,
    readonly decays: readonly boolean[] = [],
  ) {
    this.state = variables.map((variable) =>
      chosen.definition.state.map(() => tf.zerosLike(variable))
    );
  }

  /** Takes one step; `gradients` are in the order of the variables. */
  step(gradients: readonly tf.Tensor[]): void {
    this.steps++;
    const { chosen: { definition, options, clipNorm }, learningRate, steps: step } = this;
    tf.tidy(() => {
      const changeOf = definition.prepare({ ...options, learningRate, step } as never, tf);
      const scale = clipNorm === undefined ? undefined : tf.minimum(
        1,
        tf.div(clipNorm, tf.sqrt(tf.addN(gradients.map((one) => tf.sum(tf.square(one)))))),
      );
      for (const [i, variable] of this.variables.entries()) {
        const gradient = scale ? tf.mul(gradients[i], scale) : gradients[i];
        const { change, state = [] } = changeOf(gradient, this.state[i]) ?? {};
        const all: (tf.Tensor | undefined)[] = [change, ...state], own = variable.shape;
        const fits = all.every((one) => one && tf.util.arraysEqual(one.shape, own));
        if (state.length !== definition.state.length || !fits) {
          const shapes = all.map((one) => one ? `[${one.shape}]` : "nothing");
          throw new Error(
            `Cannot train with optimizer "${definition.name}": for a weight of shape [${own}], it ` +
              `returns a change and states of ${shapes.join(", ")}. Return a change and ` +
              `${counted(definition.state.length, "state")} of that shape.`,
          );
        }
        const kept = this.weightDecay > 0 && this.decays[i]
          ? tf.mul(variable as tf.Tensor, 1 - learningRate * this.weightDecay)
          : variable as tf.Tensor;
        variable.assign(tf.sub(kept, change));
        this.#replace(i, state);
      }
    });
  }

  /** Restores the state of a checkpoint; `values` returns the arrays of all variables by name. */
  restore(steps: number, values: (name: string) => readonly Float32Array[]): void {
    this.steps = steps;
    const all = this.chosen.definition.state.map(values);
    for (const [i, { shape }] of this.variables.entries()) {
      this.#replace(i, all.map((arrays) => tf.tensor(arrays[i], shape)));
    }
  }

  dispose(): void {
    tf.dispose(this.state);
  }

  #replace(i: number, state: readonly tf.Tensor[]): void {
    tf.dispose(this.state[i].filter((tensor) => !state.includes(tensor)));
    this.state[i] = state.map((tensor) => tf.keep(tensor));
  }
}
