/**
 * Numbers that plans and kernels share: both the TypeScript around the kernels and the kernels'
 * compiler read this file.
 */

/** Addresses in the control block. */
export enum Control {
  command = 1024,
  done = 1028,
  program = 1032,
  threads = 1216,
  /** Rows (images) in the current batch. */
  rows = 1220,
  /** Two words, which key the dropout masks. */
  key = 1224,
  /** f32: learning rate, bias-corrected. */
  rate = 1232,
  /** f32: 1 - beta1. */
  beta1 = 1236,
  /** f32: 1 - beta2. */
  beta2 = 1240,
  epsilon = 1244,
  keepGradients = 1248,
  /** f64. */
  loss = 1256,
  /** f64. */
  metric = 1264,
  /** f32: learning rate times weight decay. */
  decay = 1272,
}

/** Words in a record. */
export const RECORD = 32;

/** Kernels over images below 16, over items from there on. */
export enum Kernel {
  inputBytes = 1,
  inputFloats,
  convolve,
  statistics,
  normalize,
  gradientSums,
  preActivationGradient,
  filterGradient,
  winograd,
  winogradGradient,
  pool,
  finishStatistics = 16,
  movingScale,
  finishGradient,
  denseForward,
  denseBackward,
  denseInputGradient,
  crossEntropy,
  absoluteError,
  adam,
  turn,
  transformWeights,
  softCrossEntropy,
  headAbsoluteError,
  denseUpdate,
}
