/** What the report page shows. */
import type { Lineage } from "../../packages/pipeline/stage.ts";
import type { ModelMetrics, SplitName } from "./score_model.ts";
import type { Network } from "./describe_network.ts";
import type { Roc } from "../../packages/statistics/roc.ts";

export interface Report {
  /** Name of the pipeline. */
  pipeline: string;
  data: DataReport;
  models: readonly ModelReport[];
  /** How it came to be; its own stage is not in `lineage`. */
  made: { lineage: Lineage; id: string; use: string; params: Readonly<Record<string, unknown>> };
}

export interface DataReport {
  datasets: readonly FaceGroup[];
  splits: Record<SplitName, FaceGroup>;
  /** What became of the rows of the data sets' tables; of each table, if there are several. */
  selection: readonly Selection[];
  /** What became of the photos whose rows were kept. */
  photos?: Readonly<Record<string, PhotoCounts>>;
  /** Crops drawn at random, as `data:` URLs. */
  crops: readonly string[];
  /** Photos in which no face was found: as many as are shown, and how many there are. */
  noFace: { shown: readonly Picture[]; count: number };
  /** How a photo became an image. */
  preprocessing: Readonly<Record<string, unknown>>;
}

/** Faces that belong together. */
export interface FaceGroup {
  name: string;
  /** One a face. */
  ages: ArrayLike<number>;
  /** One a face: 1 male, 0 female. */
  genders: ArrayLike<number>;
}

export interface Selection {
  /** Id of the stage that made the table. */
  stage: string;
  /** Rows that were drawn of those kept, if not all were. */
  sampled?: number;
  datasets: readonly {
    name: string;
    read: number;
    kept: number;
    /** Reason in words ("without a face") and how many rows it dropped; none that dropped none. */
    dropped: readonly (readonly [string, number])[];
  }[];
}

export interface PhotoCounts {
  photos: number;
  faces: number;
  /** Problem in words ("missing from the archives") → photos. */
  problems: Readonly<Record<string, number>>;
}

export interface Picture {
  /** A `data:` URL. */
  image: string;
  /** What it is. */
  name: string;
}

/** A trained network, and what it is worth. */
export interface ModelReport {
  /** Id of the stage that trained it; of one that trained several, with the output's name. */
  id: string;
  metrics: ModelMetrics;
  network: Network;
  /** Value by epoch on train and validation. */
  curves: readonly Curve[];
  training: {
    /** Epochs run, and the one whose weights the model has. */
    epochs: number;
    weightsOfEpoch: number;
    stoppedEarly: boolean;
    backend: string;
    seed: number;
    /** What computed the steps: the engine or TensorFlow.js with its reason, if that is known. */
    computedBy?: string;
    /** Score of the constant baseline on validation, only where the kept weights are worse. */
    constantBaseline?: number;
    /** How long each epoch took, if that is known. */
    secondsPerEpoch?: readonly number[];
    /** Training faces by data set. */
    datasets: Readonly<Record<string, number>>;
  };
  params: Readonly<Record<string, unknown>>;
  /** Of two classes. */
  roc?: Roc["points"];
  /** For ages: the test set, or as much of it as is drawn. */
  scatter?: { truth: ArrayLike<number>; prediction: ArrayLike<number>; of: number };
  examples: readonly Examples[];
}

export interface Curve {
  /** As TensorBoard names it, without "epoch_". */
  name: string;
  title: string;
  points: readonly { epoch: number; train: number; validation: number }[];
}

/** Some faces of the test set. */
export interface Examples {
  title: string;
  faces: readonly {
    /** A `data:` URL of the picture as the network saw it. */
    image: string;
    row: number;
    truth: string;
    prediction: string;
  }[];
}
