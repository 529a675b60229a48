"""The report's networks in Keras on TensorFlow, as a peer of the bench."""

import time

import keras
import tensorflow as tf
from keras import layers, regularizers

from networks import AGE_BINS, BEST_FILTERS, best_targets, draw, serve


def blocks(momentum, l2=None, initializer="glorot_uniform"):
    parts = [layers.Input((32, 32, 3))]
    for filters in (16, 32, 64, 128):
        penalty = regularizers.L2(l2) if l2 else None
        parts += [
            layers.Conv2D(
                filters, 2, padding="same", activation="relu", kernel_regularizer=penalty,
                kernel_initializer=initializer,
            ),
            layers.BatchNormalization(momentum=momentum),
            layers.MaxPooling2D(2, 2, padding="same"),
        ]
    return parts + [layers.Flatten()]


def best(momentum):
    image = x = layers.Input((32, 32, 3))
    for block in BEST_FILTERS:
        for filters in block:
            x = layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"
            )(x)
            x = layers.BatchNormalization(momentum=momentum)(x)
        x = layers.MaxPooling2D(2, 2, padding="same")(x)
    x = layers.Dense(128, activation="relu", kernel_initializer="he_normal")(layers.Flatten()(x))
    x = layers.Dropout(0.3)(layers.BatchNormalization(momentum=momentum)(x))
    heads = [layers.Dense(columns, activation="softmax")(x) for columns in (2, AGE_BINS)]
    model = keras.Model(image, heads)
    model.compile(keras.optimizers.AdamW(weight_decay=0.05), ["categorical_crossentropy"] * 2)
    return model


def unit(x, convolution, momentum):
    return layers.BatchNormalization(momentum=momentum)(convolution(x))


def convolution(filters, size, strides=1):
    return layers.Conv2D(
        filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal"
    )


def residual(momentum):
    image = layers.Input((32, 32, 3))
    x = layers.ReLU()(unit(image, convolution(32, 3), momentum))
    for group, filters in enumerate((32, 64, 128)):
        for block in range(2):
            strides = 2 if group > 0 and block == 0 else 1
            change = strides > 1 or x.shape[-1] != filters
            skip = unit(x, convolution(filters, 1, strides), momentum) if change else x
            y = layers.ReLU()(unit(x, convolution(filters, 3, strides), momentum))
            y = unit(y, convolution(filters, 3), momentum)
            x = layers.ReLU()(layers.Add()([y, skip]))
    return classifier(image, x)


def mobile(momentum):
    image = layers.Input((32, 32, 3))
    x = layers.ReLU()(unit(image, convolution(16, 3), momentum))
    for filters in (32, 64, 128):
        for block in range(2):
            each = layers.DepthwiseConv2D(
                3, 2 if block == 0 else 1, padding="same", use_bias=False
            )
            x = layers.ReLU()(unit(x, each, momentum))
            x = layers.ReLU()(unit(x, convolution(filters, 1), momentum))
    return classifier(image, x)


def classifier(image, x):
    x = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, layers.Dense(2, activation="softmax")(x))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


def build(network, momentum=0.99):
    if network in ("best", "residual", "mobile"):
        return {"best": best, "residual": residual, "mobile": mobile}[network](momentum)
    if network == "gender":
        parts = blocks(momentum)
        for units in (512, 256, 128):
            parts += [
                layers.Dense(units, activation="relu"),
                layers.BatchNormalization(momentum=momentum),
                layers.Dropout(0.25),
            ]
        parts += [layers.Dense(64, activation="relu"), layers.BatchNormalization(momentum=momentum)]
        parts += [layers.Dense(16, activation="relu"), layers.Dense(2, activation="softmax")]
        model = keras.Sequential(parts)
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model
    parts = blocks(momentum, 0.0005, "he_normal")
    for units in (256, 64, 32):
        parts += [
            layers.Dense(
                units,
                kernel_initializer="he_normal",
                kernel_regularizer=regularizers.L2(0.1),
                bias_regularizer=regularizers.L2(0.1),
            ),
            layers.LeakyReLU(negative_slope=0.2),
        ]
        if units == 256:
            parts.append(layers.Dropout(0.25))
    model = keras.Sequential(parts + [layers.Dense(1, kernel_initializer="he_normal")])
    model.compile("adam", "mean_absolute_error", metrics=["mae"])
    return model


def data(network, rows):
    """Images of 0 to 1, and targets as Keras wants them."""
    images, labels = draw(network, rows)
    if network == "best":
        gender, age = best_targets(labels)
        return images.astype("float32") / 255, (keras.utils.to_categorical(gender, 2), age)
    targets = keras.utils.to_categorical(labels, 2) if network != "age" else labels[:, None]
    return images.astype("float32") / 255, targets.astype("float32")


def prepare(network, batch):
    model = build(network)
    x, y = data(network, batch)
    model.train_on_batch(x, y)
    # The step that `fit` takes, on tensors that are there already.
    tensors = tf.nest.map_structure(tf.constant, (x, y))
    batches = iter(tf.data.Dataset.from_tensors(tensors).repeat())
    step = model.make_train_function() or model.train_function
    return lambda: step(batches)["loss"].numpy()


def fit(network, batch, rows, epochs):
    model = build(network)
    x, y = data(network, rows * 6 // 5)
    learn = tf.nest.map_structure(lambda part: part[:rows], (x, y))
    check = tf.nest.map_structure(lambda part: part[rows:], (x, y))
    start = time.perf_counter()
    model.fit(*learn, batch_size=batch, epochs=epochs, validation_data=check, verbose=0)
    return (time.perf_counter() - start) * 1000


def infer(network, rows):
    model = build(network)
    x, _ = data(network, rows)
    model.predict(x[:640], batch_size=256, verbose=0)
    start = time.perf_counter()
    model.predict(x, batch_size=256, verbose=0)
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    serve(prepare, fit, infer)
