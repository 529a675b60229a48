/**
 * The interpreter of plans. Every thread runs the same program over one shared memory; the items
 * of a stage are drawn from a counter, and a stage ends when all its items are done. An item's
 * result does not depend on the thread that drew it, so the number of threads does not affect
 * results.
 */
import { Kernel, RECORD as WORDS } from "./abi";
import { rowsNow, word } from "./simd";
import { convolve, filterGradient, inputBytes, inputFloats } from "./conv";
import { finishGradient, finishStatistics, gradientSums, movingScale, statistics } from "./norm";
import { pool, preActivationGradient } from "./pool";
import { denseBackward, denseForward, denseInputGradient, denseUpdate } from "./dense";
import { transformWeights, winograd, winogradGradient } from "./winograd";
import { absoluteError, crossEntropy, softCrossEntropy } from "./losses";
import { average, clip, turn, updateWeights } from "./update";
import { depthwise, depthwiseGradient } from "./depthwise";
import {
  affineGradient, combine, copyChannels, dropout, layerNorm, layerNormGradient, map, mapGradient, place,
  poolAny, poolAnyGradient, prelu, preluGradient, reduce, repack, repeat, repeatGradient, softmax,
  softmaxGradient,
} from "./graph";

@inline const SPINS = 20000;

// A stage's counter has 64 bytes: how many items were drawn, how many are done, and whether the next
// stage may begin.
@inline const DONE: usize = 32;
@inline const OPEN: usize = 36;

/** Reports `mine` items of a stage as done; returns true if they were the last ones. */
@inline function finishes(counter: usize, mine: i32, all: i32): bool {
  return mine > 0 && atomic.add<i32>(counter + DONE, mine) + mine == all;
}

/**
 * Waits until the next stage may begin: spins briefly, then sleeps. It waits for items, not for
 * threads: a descheduled thread without an item does not delay the others.
 */
function waitFor(counter: usize): void {
  for (let n = SPINS; n > 0; --n) {
    if (atomic.load<i32>(counter + OPEN) != 0) return;
  }
  while (atomic.load<i32>(counter + OPEN) == 0) atomic.wait<i32>(counter + OPEN, 0, -1);
}

/** A kernel over images [from, to); `fresh` and `last` at a chunk's first and last range. */
function overImages(
  r: usize, from: i32, to: i32, thread: i32, chunk: i32, fresh: bool, last: bool,
): void {
  switch (word(r, 0)) {
    case Kernel.inputBytes: return inputBytes(r, from, to, thread);
    case Kernel.inputFloats: return inputFloats(r, from, to, thread);
    case Kernel.convolve: return convolve(r, from, to, thread);
    case Kernel.statistics: return statistics(r, from, to);
    case Kernel.gradientSums: return gradientSums(r, from, to);
    case Kernel.preActivationGradient: return preActivationGradient(r, from, to, thread);
    case Kernel.filterGradient: return filterGradient(r, from, to, thread, chunk, fresh);
    case Kernel.winograd: return winograd(r, from, to, thread);
    case Kernel.winogradGradient: return winogradGradient(r, from, to, thread, chunk, fresh, last);
    case Kernel.pool: return pool(r, from, to, thread);
    case Kernel.map: return map(r, from, to, thread);
    case Kernel.mapGradient: return mapGradient(r, from, to, thread);
    case Kernel.affineGradient: return affineGradient(r, from, to, thread);
    case Kernel.place: return place(r, from, to, thread);
    case Kernel.combine: return combine(r, from, to, thread);
    case Kernel.reduce: return reduce(r, from, to, thread);
    case Kernel.copyChannels: return copyChannels(r, from, to, thread);
    case Kernel.repack: return repack(r, from, to, thread);
    case Kernel.repeat: return repeat(r, from, to, thread);
    case Kernel.repeatGradient: return repeatGradient(r, from, to, thread);
    case Kernel.poolAny: return poolAny(r, from, to, thread);
    case Kernel.poolAnyGradient: return poolAnyGradient(r, from, to, thread);
    case Kernel.softmax: return softmax(r, from, to, thread);
    case Kernel.softmaxGradient: return softmaxGradient(r, from, to, thread);
    case Kernel.layerNorm: return layerNorm(r, from, to, thread);
    case Kernel.layerNormGradient: return layerNormGradient(r, from, to, thread, chunk, fresh);
    case Kernel.dropout: return dropout(r, from, to, thread);
    case Kernel.prelu: return prelu(r, from, to, thread);
    case Kernel.preluGradient: return preluGradient(r, from, to, thread, chunk, fresh);
    case Kernel.depthwise: return depthwise(r, from, to, thread);
    case Kernel.depthwiseGradient: return depthwiseGradient(r, from, to, thread, chunk, fresh);
    default: unreachable();
  }
}

/** A kernel over one of its items. */
function overItems(r: usize, item: i32, thread: i32): void {
  switch (word(r, 0)) {
    case Kernel.finishStatistics: return finishStatistics(r, item);
    case Kernel.movingScale: return movingScale(r, item);
    case Kernel.finishGradient: return finishGradient(r, item);
    case Kernel.denseForward: return denseForward(r, item);
    case Kernel.denseBackward: return denseBackward(r, item);
    case Kernel.denseInputGradient: return denseInputGradient(r, item, thread);
    case Kernel.crossEntropy: return crossEntropy(r);
    case Kernel.absoluteError: return absoluteError(r);
    case Kernel.updateWeights: return updateWeights(r, item);
    case Kernel.turn: return turn(r, item);
    case Kernel.transformWeights: return transformWeights(r, item);
    case Kernel.softCrossEntropy: return softCrossEntropy(r);
    case Kernel.clip: return clip(r);
    case Kernel.average: return average(r, item);
    case Kernel.denseUpdate: return denseUpdate(r, item, thread);
    default: unreachable();
  }
}

@inline const RECORD: usize = WORDS * 4;

/**
 * Runs the program at `at` as thread `thread`. A stage is a record of 32 words (1 images or 2
 * items or 0 the end, number of chunks or items, images in a range, kernels, its counter, endings)
 * with the kernels' records behind it, and then those of the endings: small kernels that need all
 * of the stage. The thread that finishes the stage runs them before the others continue.
 */
export function run(at: usize, thread: i32): void {
  for (;;) {
    const kind = word(at, 0);
    if (kind == 0) return;
    const kernels = word(at, 3), first = at + RECORD, counter = <usize> word(at, 4);
    const endings = first + <usize> kernels * RECORD, next = endings + <usize> word(at, 5) * RECORD;
    let mine = 0, all = word(at, 1);
    if (kind == 1) {
      const rows = rowsNow(), chunks = min(all, rows), ranges = word(at, 2);
      all = chunks;
      for (;;) {
        const chunk = atomic.add<i32>(counter, 1);
        if (chunk >= chunks) break;
        ++mine;
        const begin = chunk * rows / chunks, end = (chunk + 1) * rows / chunks;
        for (let from = begin; from < end; from += ranges) {
          const to = min(from + ranges, end);
          for (let r = first; r < endings; r += RECORD) {
            overImages(r, from, to, thread, chunk, from == begin, to == end);
          }
        }
      }
    } else {
      for (;;) {
        const item = atomic.add<i32>(counter, 1);
        if (item >= all) break;
        ++mine;
        for (let r = first; r < endings; r += RECORD) {
          const own = item - word(r, 1);
          if (own >= 0 && own < word(r, 2)) overItems(r, own, thread);
        }
      }
    }
    if (finishes(counter, mine, all)) {
      for (let r = endings; r < next; r += RECORD) {
        for (let item = 0; item < word(r, 2); ++item) overItems(r, item, thread);
      }
      atomic.store<i32>(counter + OPEN, 1);
      atomic.notify(counter + OPEN, -1);
    } else waitFor(counter);
    at = next;
  }
}
