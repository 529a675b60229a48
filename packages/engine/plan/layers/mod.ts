/** The layers of graphs. */
import { activation, dropout, prelu, softmax } from "./pointwise.ts";
import { convolutionBlock } from "./blocks.ts";
import { conv2d } from "./convolution_layer.ts";
import { dense, denseBlock } from "./dense_layer.ts";
import { depthwiseConv2d } from "./depthwise_layer.ts";
import { combine, concatenate } from "./joins.ts";
import { batchNorm, layerNorm } from "./normalizations.ts";
import { globalAveragePool, pool, reshape } from "./pools.ts";
import type { GraphLayer, LayerDeclaration } from "../graph_layer.ts";

export const layerDeclarations: { readonly [K in GraphLayer["kind"]]: LayerDeclaration<K> } = {
  convolutionBlock,
  denseBlock,
  conv2d,
  depthwiseConv2d,
  dense,
  batchNorm,
  layerNorm,
  prelu,
  softmax,
  dropout,
  relu: activation,
  leakyRelu: activation,
  activation,
  maxPool: pool,
  averagePool: pool,
  globalMaxPool: pool,
  globalAveragePool,
  add: combine,
  multiply: combine,
  concatenate,
  flatten: reshape,
  reshape,
};
