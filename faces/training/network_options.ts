/** Options of the networks. A separate file, so importing it does not load TensorFlow.js. */

/** Distributions of initial kernels. Glorot is also known as Xavier. */
export const initializers = ["glorotUniform", "glorotNormal", "heUniform", "heNormal"] as const;
export type Initializer = (typeof initializers)[number];

/**
 * Bins of a distribution over ages: every second year. They extend beyond the range of ages, so that
 * the label distribution of any age is complete, unless its spread is large.
 */
export const ageBins: readonly number[] = Array.from({ length: 62 }, (_, i) => 2 * i - 12);

/**
 * Estimators of the age: trimmed means of a distribution, by the share trimmed at either end. The
 * median, which minimizes the mean absolute error, would jump from bin to bin; the mean of the middle
 * fifth is as accurate and continuous.
 */
export const ageReadings = { mean: 0, median: 0.4 } as const;
export type AgeEstimator = keyof typeof ageReadings;

/**
 * Dense layers of the 2021 gender network, named by their units. Each is followed by ReLU, some also
 * by batch normalization and dropout.
 */
export const genderDense = [
  { units: 512, normalize: true, drop: true },
  { units: 256, normalize: true, drop: true },
  { units: 128, normalize: true, drop: true },
  { units: 64, normalize: true, drop: false },
  { units: 16, normalize: false, drop: false },
] as const;
export type GenderDense = (typeof genderDense)[number]["units"];
export const genderDenseUnits: readonly GenderDense[] = genderDense.map(({ units }) => units);
