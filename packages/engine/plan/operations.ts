/**
 * Schedule of a graph's operations. An operation computes a few images at a time; those that depend on
 * each other share a stage, so what they pass on stays in the cache. A stage ends where an operation
 * needs the whole batch: the statistics of batch normalization, large dense layers, the loss.
 */
import type { Allocator } from "./allocator.ts";
import { type KernelRecord, overItems, type Stage, type Word } from "./program.ts";

/** Maximum working set of a range of images, bytes: fits a core's private cache. */
const RANGE_BYTES = 384 * 1024;

/** Room behind a buffer, for kernels that read past the end. */
const BEHIND = 64;

/** Memory for `image` bytes per image. Buffers whose lives do not overlap share memory. */
export class Buffer {
  address = 0;
  /** Bytes between threads, if each has its own; 0: memory for the whole batch. */
  step = 0;
  /** First and last stage; images of level n are stage 2n, items 2n + 1. */
  from = Infinity;
  to = -1;
  /** Level from which on the values are complete. */
  level = 0;
  /** Its first writer stores values, the others add theirs. */
  first: Operation | undefined;
  /** Most images per range, for thread-local memory. */
  range = 1;

  /** @param lasting has memory of its own, which is zero at first; else its address is final */
  constructor(
    readonly image: number,
    readonly lasting: "local" | "fixed" | undefined = undefined,
  ) {}

  /** The three words of an operand. */
  get words(): Word[] {
    return [this.address, this.step, this.image];
  }
}

export interface Operation {
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  /** Kernels over images. */
  readonly kernels?: () => KernelRecord[];
  /** Small kernels that follow when all images are done. */
  readonly endings?: () => KernelRecord[];
  /** Kernels over items, after the images; `first` is the first item. */
  readonly items?: (first: number) => KernelRecord[];
  level: number;
}

export class Schedule {
  readonly operations: Operation[] = [];
  /** Further operations are of this level or a higher one. */
  base = 0;

  get depth(): number {
    return Math.max(0, ...this.operations.map(({ level }) => level)) + 1;
  }

  add(operation: Omit<Operation, "level">): Operation {
    const level = Math.max(this.base, ...operation.reads.map((buffer) => buffer.level));
    const added = { ...operation, level };
    const whole = operation.endings !== undefined || operation.items !== undefined;
    for (const buffer of operation.writes) {
      buffer.level = Math.max(buffer.level, whole ? level + 1 : level);
    }
    this.operations.push(added);
    return added;
  }

  /**
   * Allocates lasting buffers; the others take `bytes` from the address at which `stages` puts them.
   * Returns the stages of each level.
   */
  place(
    memory: Allocator,
    { batch, threads, chunks }: { batch: number; threads: number; chunks: number },
  ): { bytes: number; stages: (start: number) => Stage[][] } {
    const levels = Array.from(
      { length: this.depth },
      (_, level) => this.operations.filter((operation) => operation.level === level),
    );
    const buffers = new Set<Buffer>();
    const most = Math.ceil(batch / chunks);
    const ranges = levels.map((operations, level) => {
      const bytes = Math.max(
        1,
        ...operations.map(({ reads, writes }) =>
          [...new Set([...reads, ...writes])].reduce((sum, { image }) => sum + image, 0)
        ),
      );
      const range = Math.min(most, Math.max(1, Math.floor(RANGE_BYTES / bytes)));
      for (const operation of operations) {
        const stage = 2 * level + Number(operation.items !== undefined);
        for (const buffer of [...operation.reads, ...operation.writes]) {
          buffers.add(buffer);
          buffer.from = Math.min(buffer.from, stage);
          buffer.to = Math.max(buffer.to, stage);
          buffer.range = Math.max(buffer.range, range);
        }
        for (const buffer of operation.writes) buffer.first ??= operation;
      }
      return range;
    });
    const shared: { buffer: Buffer; bytes: number }[] = [];
    for (const buffer of buffers) {
      if (buffer.lasting === "fixed" || buffer.image === 0) continue;
      const local = buffer.lasting === "local" ||
        buffer.from === buffer.to && buffer.from % 2 === 0;
      const own = Math.ceil((buffer.range * buffer.image + BEHIND) / 64) * 64;
      if (local) buffer.step = own;
      if (buffer.lasting === "local") buffer.address ||= memory.allocate(threads * own);
      else {
        const bytes = local ? threads * own : batch * buffer.image;
        shared.push({ buffer, bytes: Math.ceil((bytes + BEHIND) / 64) * 64 });
      }
    }
    const { offsets, bytes } = overlay(shared);
    const stages = (start: number) => {
      for (const [buffer, offset] of offsets) buffer.address = start + offset;
      return levels.map((operations, level) => {
        let first = 0;
        const items = operations.flatMap(({ items }) => {
          const kernels = items?.(first) ?? [];
          first += kernels.reduce((sum, [, , count]) => sum + Number(count), 0);
          return kernels;
        });
        const kernels = operations.flatMap(({ kernels }) => kernels?.() ?? []);
        const endings = operations.flatMap(({ endings }) => endings?.() ?? []);
        const range = ranges[level];
        const images: Stage = { images: true, count: chunks, range, kernels, endings };
        return [
          ...(kernels.length > 0 ? [images] : []),
          ...(items.length > 0 ? [overItems(items)] : []),
        ];
      });
    };
    return { bytes, stages };
  }
}

/** Gives buffers offsets such that those alive at the same time do not overlap. */
function overlay(buffers: { buffer: Buffer; bytes: number }[]) {
  const placed: { from: number; to: number; start: number; end: number }[] = [];
  const offsets = buffers.toSorted((a, b) => b.bytes - a.bytes).map(({ buffer, bytes }) => {
    const { from, to } = buffer;
    let start = 0;
    for (const other of placed) {
      if (other.from > to || from > other.to) continue;
      if (start + bytes <= other.start) break;
      start = Math.max(start, other.end);
    }
    placed.push({ from, to, start, end: start + bytes });
    placed.sort((a, b) => a.start - b.start);
    return [buffer, start] as const;
  });
  return { offsets, bytes: Math.max(0, ...placed.map(({ end }) => end)) };
}
