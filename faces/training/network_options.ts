/** What the networks' parameters may be. Apart from them, so that reading it loads no TensorFlow.js. */

/** Distributions of initial kernels; Glorot's is also known as Xavier's. */
export const initializers = ["glorotUniform", "glorotNormal", "heUniform", "heNormal"] as const;
export type Initializer = (typeof initializers)[number];

/**
 * Ages that a distribution over ages is made of: every second year, and so far beyond those of
 * people that a normal distribution around any of them is whole.
 */
export const ageBins: readonly number[] = Array.from({ length: 62 }, (_, i) => 2 * i - 12);

/**
 * What may be read from a distribution over ages: the mean of it after this share is cut off at
 * either end. The median, which nothing has a smaller mean absolute error than, would jump from
 * bin to bin; the mean of the middle fifth is as good and does not.
 */
export const ageReadings = { mean: 0, median: 0.4 } as const;
export type AgeEstimator = keyof typeof ageReadings;

/**
 * The dense layers of the report's gender network, named by their units. Each is followed by ReLU,
 * some also by batch normalisation and dropout.
 */
export const genderDense = [
  { units: 512, normalise: true, drop: true },
  { units: 256, normalise: true, drop: true },
  { units: 128, normalise: true, drop: true },
  { units: 64, normalise: true, drop: false },
  { units: 16, normalise: false, drop: false },
] as const;
export type GenderDense = (typeof genderDense)[number]["units"];
export const genderDenseUnits: readonly GenderDense[] = genderDense.map(({ units }) => units);
