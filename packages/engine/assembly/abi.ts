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
  /** f32: learning rate; Adam's is bias-corrected. */
  rate = 1232,
  /** f32: 1 - beta1. */
  beta1 = 1236,
  /** f32: 1 - beta2 of Adam, or 1 - rho of RMSprop. */
  beta2 = 1240,
  epsilon = 1244,
  keepGradients = 1248,
  /** f64. */
  loss = 1256,
  /** f64. */
  metric = 1264,
  /** f32: learning rate times weight decay. */
  decay = 1272,
  /** An Optimizer. */
  optimizer = 1280,
  /** f32. */
  momentum = 1284,
  /** f32: maximum norm of the gradient. */
  clipNorm = 1288,
  /** f32: factor of the gradient after clipping. */
  scale = 1292,
  /** i32: 1 for Nesterov momentum. */
  nesterov = 1296,
  /** f64: share of the weights in their moving average. */
  share = 1304,
}

export enum Optimizer {
  adam,
  sgd,
  rmsprop,
}

/** Operations of the kernel `updateWeights`. */
export enum Update {
  step,
  penaltyOnly,
  /** Stores the gradient and the sum of its squares; weights do not change. */
  gather,
  /** Steps with the stored gradient times `Control.scale`. */
  apply,
}

/** Functions of one number; alpha is the slope of leakyRelu and the maximum of relu6. */
export enum Activation {
  linear,
  relu,
  leakyRelu,
  relu6,
  elu,
  selu,
  swish,
  gelu,
  mish,
  tanh,
  sigmoid,
  hardSigmoid,
  softplus,
  softsign,
}

/** Result of `combine` for two tensors: their sum, their product, or a multiple of the second. */
export enum Combine {
  add,
  multiply,
  copy,
}

/** `everyMax`: the gradient goes to all equal maxima, not to the first. */
export enum Pool {
  max,
  average,
  everyMax,
}

/** Words in a record. */
export const RECORD = 32;

/** Kernels over images below 16 and from 64 on, the others over items. */
export enum Kernel {
  inputBytes = 1,
  inputFloats,
  convolve,
  statistics,
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
  updateWeights,
  turn,
  transformWeights,
  softCrossEntropy,
  denseUpdate,
  clip,
  average,
  map = 64,
  mapGradient,
  affineGradient,
  place,
  combine,
  reduce,
  copyChannels,
  repack,
  repeat,
  repeatGradient,
  poolAny,
  poolAnyGradient,
  softmax,
  softmaxGradient,
  layerNorm,
  layerNormGradient,
  dropout,
  prelu,
  preluGradient,
  depthwise,
  depthwiseGradient,
}
