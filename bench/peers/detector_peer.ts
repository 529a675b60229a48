/** One of the project's detectors, as a peer: see bench/peer.ts. Name and options are the argument. */
import { openBackend } from "../../packages/compute/open_backend.ts";
import {
  configureDetector,
  openDetector,
  usesTensorFlow,
} from "../../faces/detection/detectors.ts";
import { servePeer } from "../peer.ts";

const { name, ...options } = JSON.parse(Deno.args[0]);
if (usesTensorFlow(name)) await openBackend("wasm");
const detector = await openDetector(name, configureDetector(name, options));
await servePeer({
  async detect({ file, width, height }) {
    const data = await Deno.readFile(file);
    const began = performance.now();
    const found = await detector.detect({ data, width, height });
    const ms = performance.now() - began;
    return { ms, faces: found.map(({ box: b, score }) => [b.x, b.y, b.width, b.height, score]) };
  },
});
