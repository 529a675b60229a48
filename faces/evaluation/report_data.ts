/** Content of the report page. */
import type { Fairness } from "./fairness.ts";
import type { Lineage } from "../../packages/pipeline/stage.ts";
import type { ModelMetrics, SplitName } from "./score_model.ts";
import type { Framing } from "./compare_framing.ts";
import type { Network } from "./describe_network.ts";
import type { ErrorCurves, Line } from "./error_curves.ts";
import type { Sensitivity } from "./sensitivity.ts";
import type { Preprocessing } from "../images/preprocessing.ts";
import type { LearnedFrom } from "../training/trained_on.ts";
import type { TrainingRecord } from "../training/training_record.ts";
import type { Roc } from "../../packages/statistics/roc.ts";

export interface Report {
  pipeline: string;
  data: DataReport;
  models: readonly ModelReport[];
  /** Models that no image of the test set can score, with the reason. */
  leftOut: readonly { id: string; why: string }[];
  /** Provenance. The report's own stage is not part of `lineage`. */
  made: {
    lineage: Lineage;
    id: string;
    use: string;
    params: Readonly<Record<string, unknown>>;
    /** The caution of the report's own result. */
    caution?: string;
  };
}

export interface DataReport {
  datasets: readonly FaceGroup[];
  /** Data set → its license or terms, if known. Default: none. */
  terms?: Readonly<Record<string, string>>;
  /** Data set → source of its labels, a phrase, if known. Default: none. */
  labelledBy?: Readonly<Record<string, string>>;
  /** Data set → the part of its photos that is the face, where no detector looks for it. */
  framedBy?: Readonly<Record<string, string>>;
  splits: Record<SplitName, FaceGroup>;
  /** Number of images of the calibration set, if there is one. */
  calibration?: number;
  /** Rows kept and dropped, for each table. */
  selection: readonly Selection[];
  /** Photos and faces of the kept rows, by data set. */
  photos?: Readonly<Record<string, PhotoCounts>>;
  /** Crops drawn at random, as `data:` URLs. */
  crops: readonly string[];
  /** Photos without a detected face: some of them, and their total count. */
  noFace: { shown: readonly NamedImage[]; count: number };
  /** Images that are copies of others, if any: some of them beside their originals. */
  copies?: { shown: readonly NamedImage[]; count: number };
  /** Absent if it was not compared. */
  framing?: Framing;
  preprocessing: Preprocessing;
}

/** Ages and genders of a data set or split. */
export interface FaceGroup {
  name: string;
  /** One value per face. */
  ages: ArrayLike<number>;
  /** One value per face: 1 male, 0 female. */
  genders: ArrayLike<number>;
}

/** Each reason ("without a face") and the number of rows that it dropped. */
export type Dropped = readonly (readonly [string, number])[];

export interface Selection {
  /** Id of the stage that created the table. */
  stage: string;
  /** Size of the random subset of the kept rows, if not all are used. */
  sampled?: number;
  datasets: readonly {
    name: string;
    read: number;
    kept: number;
    dropped: Dropped;
  }[];
}

export interface PhotoCounts {
  photos: number;
  faces: number;
  /** Problem ("missing from the archives") to number of photos. */
  problems: Readonly<Record<string, number>>;
}

export interface NamedImage {
  /** A `data:` URL. */
  image: string;
  /** Data set and path. */
  name: string;
  /** Words below the image. */
  label?: string;
}

/** A trained network, its training and its metrics. */
export interface ModelReport {
  /** Id of the training stage, followed by the output's name if it has several. */
  id: string;
  metrics: ModelMetrics;
  network: Network;
  /** Loss and metric by epoch, on the training and validation set. */
  curves: readonly Curve[];
  training:
    & Pick<TrainingRecord, "epochs" | "weightsOfEpoch" | "stoppedEarly" | "backend" | "seed">
    & Pick<TrainingRecord, "counts" | "datasets" | "constantBaseline" | "input">
    & {
      /** Path that computed the steps: the engine or TensorFlow.js with its reason, if known. */
      computedBy?: string;
      /** Duration of each epoch, if known. */
      secondsPerEpoch?: readonly number[];
      /** Models that it learned from. Default: none, or of a run of an earlier version. */
      learnedFrom?: readonly LearnedFrom[];
    };
  params: Readonly<Record<string, unknown>>;
  /** Names of those that have no effect, such as "warmup" or "sampling.ageBand". Default: none. */
  unused?: readonly string[];
  /** Binary classifiers only. */
  roc?: Roc["points"];
  /** Numbers only: the test set, or a random subset of its `of` faces, whose line is of all. */
  scatter?: {
    truth: ArrayLike<number>;
    prediction: ArrayLike<number>;
    of: number;
    line?: Line;
  };
  /** Age in years only: errors of the test set. */
  errors?: ErrorCurves;
  /** Absent if it was not measured. */
  sensitivity?: Sensitivity;
  examples: readonly Examples[];
  fairness?: Fairness;
}

export interface Curve {
  /** TensorBoard tag, without "epoch_". */
  name: string;
  title: string;
  points: readonly { epoch: number; train: number; validation: number }[];
}

/** Example faces of the test set. */
export interface Examples {
  title: string;
  faces: readonly {
    /** A `data:` URL of the network's input image. */
    image: string;
    row: number;
    truth: string;
    prediction: string;
    /** True if the predictions contradict the label; see `suspectLabels`. */
    suspect?: boolean;
  }[];
}
