/** Kernels of the detector. The caller manages the memory and passes addresses. */
export { normalize, reduce } from "./pyramid";
export { convolve, score } from "./conv";
export { winograd } from "./winograd";
