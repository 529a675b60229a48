/**
 * The kinds of artifacts that the built-in stages exchange, file by file.
 * All of them open with ordinary tools: tar, NumPy, pandas, a text editor.
 */
import { defineKind } from "../packages/pipeline/stage.ts";

/** Photos as they came: tar archives, read by offset, never unpacked. */
export const archives = defineKind({
  kind: "archives",
  summary: "Photo archives and what describes them, checked and indexed",
  files: {
    "*.tar": "the archives themselves",
    "archives.json":
      "each dataset: its layout, tars, where its .mat or CSV lies, checksums, source",
    "index.parquet": "dataset, tar, path, offset, size of every file; path as in the .mat or CSV",
  },
});

/** One row for each photo that the filter kept. */
export const table = defineKind({
  kind: "table",
  summary: "One row a photo: who, how old, which gender, where the face is",
  files: {
    "table.parquet":
      "full_path, dataset, age, gender (1 male, 0 female), name, identity, face_location",
    "summary.json": "rows read, kept, and dropped by reason, each dataset",
  },
});

/** Faces cut out of the photos, lossless. */
export const faces = defineKind({
  kind: "faces",
  summary: "Cropped faces as PNG in a few tar shards, with their boxes",
  files: {
    "faces-*.tar": "PNG crops, named by their photo's row in the table",
    "faces.parquet":
      "the table's columns, photo (its row in the table), box_x, box_y, box_width, " +
      "box_height (pixels of the upright photo), score, shard, offset, size (of the PNG in the shard)",
    "problems.csv": "dataset, full_path, problem, detail: photos that are missing or unreadable, " +
      "that crashed the process which read them, that show no_face, and those with several_faces, " +
      "of which one is used",
    "preprocessing.json": "detector, crop and all else that turned a photo into a crop",
    "summary.json": "counts",
  },
});

/** What the networks see. */
export const dataset = defineKind({
  kind: "dataset",
  summary: "All faces as one array of small images, and their labels",
  files: {
    "images.npy": "uint8 [N, size, size, 3], RGB",
    "table.parquet": "name, age, gender, identity, dataset, path: row i describes image i",
    "preprocessing.json": "how a photo became an image",
  },
});

/** Which rows of the dataset are for what. */
export const splits = defineKind({
  kind: "splits",
  summary: "Row numbers of the train, validation and test sets",
  files: {
    "train.npy": "int32 [n], ascending",
    "validation.npy": "int32 [n], ascending",
    "test.npy": "int32 [n], ascending",
    "summary.json": "counts",
  },
});

/** A trained network. */
export const model = defineKind({
  kind: "model",
  summary: "A TensorFlow.js LayersModel, and how it came about",
  files: {
    "model.json": "topology and weight manifest of a tf.LayersModel",
    "weights.bin": "its weights",
    "model.onnx": "the same as ONNX, if export asks for it",
    "history.csv": "epoch, loss, metric, val_loss, val_metric, learning_rate",
    "training.json": "task, classes, parameters, epochs, seed, backend, counts, preprocessing",
    "tensorboard/*/events.out.tfevents.*": "the history for TensorBoard, train and validation",
  },
  optional: ["model.onnx", "tensorboard/*/events.out.tfevents.*"],
});

/** What a network from elsewhere says about faces of the test set. */
export const reference = defineKind({
  kind: "reference",
  summary: "Ages and genders that a network from elsewhere saw in faces of the test set",
  files: {
    "predictions.parquet": "dataset, path (as in the dataset's table), age (years), male " +
      "(probability)",
    "reference.json": "whose network it is",
  },
});

/** How good the models are. */
export const report = defineKind({
  kind: "report",
  summary: "Metrics of every model, and a page that shows them",
  files: {
    "metrics.json": "each model: loss, accuracy or mae on train, validation and test, the test " +
      "metric's 95 % interval, what a guess and others score, confusion matrix, precision and " +
      "recall, calibration or error by age band, the metric by gender and age band",
    "predictions.parquet": "stage, row (of the dataset), split, truth, prediction (class numbers " +
      "or years), probability (of the prediction), probabilities (of all classes)",
    "report.html": "one self-contained page",
    "MODEL_CARD.md": "what the models are for, what they must not be used for, results by group",
  },
  // They tell how long what took, and on which machine.
  volatile: ["report.html", "MODEL_CARD.md"],
});
