/** Stands in for `cutWorker.ts`: "finds" the same face in each photo, dies of the one at byte 2, and never returns from the one at 9. */
import { serve } from "../../../packages/workers/worker_main.ts";
import type { CropAnswer, CropInit, CropTask } from "../../../faces/detection/crop_worker.ts";

await serve<CropInit, CropTask, CropAnswer>(() =>
  Promise.resolve(({ offset }) => {
    if (offset === 9) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    if (offset === 2) new Deno.UnsafePointerView(Deno.UnsafePointer.create(8n)!).getUint8();
    const face = { box: { x: 0, y: 0, width: 9, height: 9 }, score: 1 };
    return Promise.resolve({ answer: { face }, bytes: new Uint8Array([offset]) });
  })
);
