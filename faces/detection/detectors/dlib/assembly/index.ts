/** What the detector calls. Memory is the caller's: every address is given. */
export { normalise, reduce } from "./pyramid";
export { convolve, score } from "./conv";
export { winograd } from "./winograd";
