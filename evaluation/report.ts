/** What the report page shows. */
import type { ModelMetrics } from "./judge.ts";

export interface Report {
  datasets: readonly DatasetReport[];
  /** Faces in each part. */
  splits: { train: number; validation: number; test: number };
  /** How a photo became an image. */
  preprocessing?: Readonly<Record<string, unknown>>;
  models: readonly ModelReport[];
}

export interface DatasetReport {
  name: string;
  /** One a face. */
  ages: ArrayLike<number>;
  /** One a face: 1 male, 0 female. */
  genders: ArrayLike<number>;
}

export interface ModelReport {
  /** Id of the stage that trained it. */
  id: string;
  metrics: ModelMetrics;
  history: readonly EpochReport[];
  training: {
    /** Epochs run, and the one whose weights the model has. */
    epochs: number;
    weightsOfEpoch: number;
    stoppedEarly: boolean;
    /** Numbers that were learnt or counted. */
    weights: number;
    backend: string;
    seed: number;
  };
  params: Readonly<Record<string, unknown>>;
  /** For ages: the test set, or as much of it as is drawn. */
  scatter?: { truth: ArrayLike<number>; prediction: ArrayLike<number>; of: number };
  examples: readonly Examples[];
}

/** A line of history.csv. */
export interface EpochReport {
  epoch: number;
  loss: number;
  metric: number;
  val_loss: number;
  val_metric: number;
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
