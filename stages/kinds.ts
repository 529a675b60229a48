/**
 * Artifact kinds of the built-in stages, file by file. All files open with standard tools: tar,
 * NumPy, pandas, a text editor.
 */
import { defineKind } from "../packages/pipeline/stage.ts";

/** Source photos: tar archives, read by offset, never extracted. */
export const archives = defineKind({
  kind: "archives",
  summary: "Photo archives and their labels, verified and indexed",
  files: {
    "*.tar": "the archives themselves",
    "archives.json": "per data set: layout, tars, location of its .mat or CSV, checksums, source",
    "index.parquet": "dataset, tar, path, offset, size of every file; path as in the .mat or CSV",
  },
});

export const table = defineKind({
  kind: "table",
  summary: "One row per labelled face: name, identity, age, gender, face location",
  files: {
    "table.parquet":
      "full_path (of further faces of a photo: PATH#face2), dataset, age, gender (1 male, 0 female), " +
      "name, identity, face_location; age_low and age_high where an age is an interval; attributes: further columns of labels",
    "summary.json": "per data set: rows read, kept, and dropped by reason",
  },
});

/** Lossless crops of the faces in the photos. */
export const faces = defineKind({
  kind: "faces",
  summary: "Cropped faces as PNG in a few tar shards, with their boxes",
  files: {
    "faces-*.tar": "PNG crops, named by their photo's row in the table",
    "faces.parquet":
      "the table's columns, photo (its row in the table), box_x, box_y, box_width, " +
      "box_height (pixels of the upright photo), score, shard, offset, size (of the PNG in the shard)",
    "problems.csv": "dataset, full_path, problem, detail: photos that are missing or unreadable, " +
      "that crashed their worker, with no_face, and with several_faces, of which one is used",
    "preprocessing.json": "all parameters from photo to crop: detector, crop, later steps; " +
      "withoutDetector: data set → share of its photos' sides that was taken as the face, 1: the " +
      "whole photo",
    "summary.json": "counts",
    "photos.jsonl": "a line per shard, for later runs of faceCrop: of each photo its row in the " +
      "table, key (digest of its bytes and of the expected position of its face), face, problem",
  },
  optional: ["photos.jsonl"],
  // Photos with the same crops and other metadata run no later stage again.
  volatile: ["photos.jsonl"],
});

/** Training data: network inputs and labels. */
export const dataset = defineKind({
  kind: "dataset",
  summary: "All faces as one array of images, and their labels",
  files: {
    "images.npy": "uint8 [N, size, size, 3], RGB",
    "table.parquet":
      "name, age, gender, identity, dataset, path, further columns of the table: row " +
      "i describes image i",
    "preprocessing.json": "all parameters from photo to image",
  },
});

export const splits = defineKind({
  kind: "splits",
  summary: "Row numbers of the train, validation and test sets",
  files: {
    "train.npy": "int32 [n], ascending",
    "validation.npy": "int32 [n], ascending",
    "test.npy": "int32 [n], ascending",
    "calibration.npy": "int32 [n], ascending; only with split.calibration",
    "summary.json": "counts",
    "copies.csv":
      "row, of (an earlier row of which it is a copy), correlation, mirrored; only if " +
      "there are copies",
  },
  optional: ["calibration.npy", "copies.csv"],
});

export const model = defineKind({
  kind: "model",
  summary: "A TensorFlow.js LayersModel and its training record",
  files: {
    "model.json": "topology and weight manifest of a tf.LayersModel",
    "weights.bin": "its weights",
    "model.onnx": "the model as ONNX, if export includes it",
    "history.csv": "epoch, loss, metric, val_loss, val_metric, learning_rate; further columns " +
      "val_NAME for the stage's `metrics`",
    "training.json":
      "task, classes, parameters, epochs, seed, backend, counts, interval, abstention, standardized, " +
      "preprocessing",
    "tensorboard/*/events.out.tfevents.*": "the history for TensorBoard, train and validation",
    "trained_on.parquet": "photos (digest of the archives), dataset, path, image (digest of its " +
      "pixels), photo (digest of its file), person (digest of the identity) of the images that an " +
      "imported model, and those that it learned from, were trained, validated or calibrated on; " +
      "without digests: of a model whose images are unknown",
  },
  optional: ["model.onnx", "trained_on.parquet", "tensorboard/*/events.out.tfevents.*"],
});

export const reference = defineKind({
  kind: "reference",
  summary: "Age and gender predictions of a third-party network for test faces",
  files: {
    "predictions.parquet": "dataset, path (as in the dataset's table), age (years), male " +
      "(probability)",
    "reference.json": "name of the network",
  },
});

export const audit = defineKind({
  kind: "audit",
  summary: "Labels that are probably wrong, and a page to judge them",
  files: {
    "labels.csv":
      "every audited label, the most suspicious first: row (of the dataset), dataset, " +
      "path, label, suggested (by the network), score, suspect",
    "predictions.parquet": "row, truth, prediction, probabilities (of all classes), out of fold",
    "judge.html": "one self-contained page, which downloads verdicts.csv for matParse",
    "summary.json": "counts, classes, out-of-fold accuracy or MAE",
  },
});

export const report = defineKind({
  kind: "report",
  summary: "Metrics of every model, and the report as HTML",
  files: {
    "metrics.json":
      "per model: loss, accuracy or MAE on train, validation and test, 95 % confidence " +
      "interval of the test metric, constant baseline and references, confusion matrix, " +
      "precision and recall, calibration or error by age band, metric by gender and age " +
      "band, further metrics with their intervals",
    "fairness.json": "per model: metrics by gender, age band, attributes and crossings of two, " +
      "differences raw and age-standardized, permutation tests; names as in Fairlearn",
    "predictions.parquet": "stage, row (of the dataset), split, truth, prediction (class numbers " +
      "or years), probability (of the prediction), probabilities (of all classes), low and high (of " +
      "the interval, with a calibration set)",
    "sensitivity.json":
      "per model: its metric on a sample of the test set, and on the same images " +
      "blurred, compressed, brighter, darker, shifted and rotated",
    "framing.json":
      "correlation of test images with the same photos served, and of the mean faces " +
      "of training and test",
    "report.html": "one self-contained page",
    "MODEL_CARD.md": "intended and prohibited uses, results by subgroup",
  },
  optional: ["fairness.json", "sensitivity.json", "framing.json"],
  // They contain durations and the machine's properties.
  volatile: ["report.html", "MODEL_CARD.md"],
});
