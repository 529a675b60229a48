/** One of the project's detectors, as a peer: see bench/peer.ts. Name and options are the argument. */
import { openBackend } from "../../packages/compute/open_backend.ts";
import {
  configureDetector,
  openDetector,
  usesTensorFlow,
} from "../../faces/detection/detectors.ts";
import { type Answer, type DetectOrder, servePeer } from "../peer.ts";

const { name, ...options } = JSON.parse(Deno.args[0]);
if (usesTensorFlow(name)) await openBackend("wasm");
const detector = await openDetector(name, configureDetector(name, options));
await servePeer(async ({ file, width, height }: DetectOrder): Promise<Answer> => {
  const data = await Deno.readFile(file);
  const began = performance.now();
  const found = await detector.detect({ data, width, height });
  const ms = performance.now() - began;
  const faces = found.map(({ box, score }) => [box.x, box.y, box.width, box.height, score]);
  return { ms, faces };
});
