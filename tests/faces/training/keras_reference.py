"""What Keras makes of the trainings in keras_case.ts: writes keras_reference.json beside itself.

pip install tensorflow-cpu==2.21.0
python tests/faces/training/keras_reference.py
"""

import json
import pathlib
import subprocess
import tempfile

import keras
import numpy as np
import tensorflow
from keras import layers, regularizers

HERE = pathlib.Path(__file__).parent
BATCH = 16
TRAIN = 72

# In double precision, so that what differs from it is rounding on our side alone.
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")


def blocks(momentum, l2):
    result = []
    for i, filters in enumerate([16, 32, 64, 128], 1):
        regularizer = regularizers.L2(l2) if l2 else None
        result += [
            layers.Conv2D(filters, 2, padding="same", activation="relu",
                          kernel_regularizer=regularizer, name=f"conv{i}"),
            layers.BatchNormalization(momentum=momentum),
            layers.MaxPooling2D(2, 2, padding="same"),
        ]
    return result + [layers.Flatten()]


def gender():
    stack = [keras.Input((32, 32, 3)), *blocks(0.9, 0)]
    for units in [512, 256, 128, 64]:
        stack += [layers.Dense(units, activation="relu", name=f"dense{units}"),
                  layers.BatchNormalization(momentum=0.9)]
    stack += [layers.Dense(16, activation="relu", name="dense16"),
              layers.Dense(2, activation="softmax", name="logits")]
    model = keras.Sequential(stack)
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def age():
    stack = [keras.Input((32, 32, 3)), *blocks(0.99, 0.0005)]
    for units in [256, 64, 32]:
        stack += [layers.Dense(units, name=f"dense{units}", kernel_regularizer=regularizers.L2(0.1),
                               bias_regularizer=regularizers.L2(0.1)),
                  layers.LeakyReLU(negative_slope=0.2)]
    model = keras.Sequential(stack + [layers.Dense(1, name="years")])
    model.compile(optimizer="adam", loss="mean_absolute_error", metrics=["mae"])
    return model


def read_safetensors(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start + at[0]:start + at[1]], "<f4")
        for name, at in ((n, t["data_offsets"]) for n, t in header.items() if n != "__metadata__")
    }


def main():
    result = {"versions": {"keras": keras.__version__, "tensorflow": tensorflow.__version__}}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["deno", "run", "--quiet", "--allow-read", "--allow-write", "--allow-env",
                        "--allow-sys", str(HERE / "keras_case.ts"), name], check=True)
        x = np.load(folder / "images.npy").astype("float32") / 255
        orders = np.load(folder / "orders.npy")
        for case, build in {"gender": gender, "age": age}.items():
            y = np.load(folder / f"{case}.npy").astype("float32")
            if case == "gender":
                y = keras.utils.to_categorical(y, 2)
            model = build()
            for weight, values in read_safetensors(folder / f"{case}.safetensors").items():
                kernel = model.get_layer(weight.split("/")[0]).kernel
                kernel.assign(values.reshape(kernel.shape))
            metric = "accuracy" if case == "gender" else "mae"
            columns = {"loss": "loss", "metric": metric,
                       "val_loss": "val_loss", "val_metric": f"val_{metric}"}
            epochs = []
            for order in orders:
                history = model.fit(x[order], y[order], batch_size=BATCH, shuffle=False, verbose=0,
                                    validation_data=(x[TRAIN:], y[TRAIN:])).history
                epochs.append({"epoch": len(epochs) + 1,
                               **{ours: float(history[theirs][0])
                                  for ours, theirs in columns.items()}})
            result[case] = {"weights": model.count_params(), "history": epochs}
    (HERE / "keras_reference.json").write_text(json.dumps(result, indent=2) + "\n")


main()
