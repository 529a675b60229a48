"""The report's networks, learnt in Keras from the images and rows that it is told."""

import json
import sys
import time
import traceback

import keras
import numpy as np

from keras_peer import build


class Times(keras.callbacks.Callback):
    """Milliseconds of each epoch, its validation included."""

    def __init__(self):
        super().__init__()
        self.ms = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.ms.append((time.perf_counter() - self.start) * 1000)


def learn(order):
    """Trains from new weights, and says how good the network is on the test rows."""
    keras.utils.set_random_seed(order["seed"])
    network = order["network"]
    images = np.load(order["images"], mmap_mode="r")
    labels = np.load(order["labels"])
    data = {}
    for part in ("train", "validation", "test"):
        rows = np.load(order["rows"][part])
        targets = labels[rows]
        y = keras.utils.to_categorical(targets, 2) if network == "gender" else targets[:, None]
        data[part] = images[rows].astype("float32") / 255, y.astype("float32"), targets
    model = build(network, order["batchNormMomentum"])
    times = Times()
    model.fit(
        *data["train"][:2],
        batch_size=order["batchSize"],
        epochs=order["epochs"],
        validation_data=data["validation"][:2],
        callbacks=[
            times,
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=order["patience"], restore_best_weights=True
            )
        ],
        verbose=0,
    )
    said = model.predict(data["test"][0], batch_size=256, verbose=0)
    truth = data["test"][2]
    if network == "gender":
        metric = np.mean(said.argmax(axis=1) == truth)
    else:
        metric = np.mean(np.abs(said[:, 0] - truth))
    return {
        "ms": times.ms,
        "metric": float(metric),
        "weights": model.count_params(),
    }


for line in sys.stdin:
    try:
        answer = learn(json.loads(line))
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer), flush=True)
