"""Keras's part of the tests in `main.rs`.

    python models.py make DIR     saves models of every kind in DIR, with windows and what each model answers
    python models.py check DIR    loads what Triax has written of them: the same weights and answers, and training goes on

Arrays are files of float32 without a head.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np
from keras import layers
from keras.src.legacy.saving import legacy_h5_format

WINDOW, CHANNELS, CLASSES, N_WINDOWS = 24, 6, 3, 12


def hinge():
    """The script of the documentation, with a smaller network."""
    return keras.Sequential([
        keras.Input((WINDOW, CHANNELS)),
        layers.Normalization(),
        layers.Conv1D(8, 3, strides=2, activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(4, 3, strides=2, activation="relu"),
        layers.Dropout(0.1),
        layers.Flatten(),
        layers.Dense(10, activation="relu"),
        layers.Dense(CLASSES),
    ])


def functional():
    x = inputs = keras.Input((WINDOW, CHANNELS))
    x = layers.Conv1D(8, 3, padding="same", name="a name")(x)
    x = layers.LeakyReLU(0.1)(x)
    x = layers.AveragePooling1D(3, strides=2, padding="same")(x)
    x = layers.Conv1D(5, 2, use_bias=False, activation="gelu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Dense(7, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def activations():
    """Activations of their own, after a pool too, and with slopes of their own."""
    return keras.Sequential([
        keras.Input((WINDOW, CHANNELS)),
        layers.Conv1D(8, 4, strides=3, padding="same"),
        layers.MaxPooling1D(3, strides=1),
        layers.ReLU(),
        layers.Conv1D(8, 2, activation="leaky_relu"),
        layers.GlobalMaxPooling1D(keepdims=True),
        layers.Flatten(),
        layers.Dense(7),
        layers.ELU(),
        layers.Dense(6),
        layers.Activation("elu"),
        layers.Dense(CLASSES),
        layers.Softmax(),
    ])


def dropouts():
    return keras.Sequential([
        keras.Input((WINDOW, CHANNELS)),
        layers.SpatialDropout1D(0.1),
        layers.Conv1D(8, 4, activation="relu"),
        layers.Dropout(0.2),
        layers.MaxPooling1D(2, padding="same"),
        layers.Flatten(),
        layers.Dense(7, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(CLASSES),
    ])


def batch_norm_before():
    return keras.Sequential([
        keras.Input((WINDOW, CHANNELS)),
        layers.BatchNormalization(),
        layers.Conv1D(8, 3, padding="same", use_bias=False),
        layers.BatchNormalization(scale=False),
        layers.ReLU(),
        layers.Conv1D(8, 3),
        layers.AveragePooling1D(2),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(7),
        layers.BatchNormalization(epsilon=0.01),
        layers.Activation("tanh"),
        layers.Dense(CLASSES),
        layers.BatchNormalization(center=False),
    ])


def batch_norm_after():
    return keras.Sequential([
        keras.Input((WINDOW, CHANNELS)),
        layers.Conv1D(8, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling1D(2),
        layers.Conv1D(8, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dense(7, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(CLASSES),
    ])


MODELS = [hinge, functional, activations, dropouts, batch_norm_before, batch_norm_after]


def windows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(N_WINDOWS, WINDOW, CHANNELS)).astype(np.float32)
    x[:, :, 2] += 9.81
    # Gravity up, down, sideways, and none; a channel without a change.
    x[1, :, 2] -= 19.62
    x[2, :, 0] += 30
    x[3, :, :3] = [1e-4, 0, -9.81]
    x[4, :, :3] = 0
    x[5, :, 5] = 0.1
    labels = keras.utils.to_categorical(rng.integers(0, CLASSES, N_WINDOWS), CLASSES)
    return x, labels


def answers(model, x):
    return model.predict(x, verbose=0, batch_size=len(x))


def make(folder, builders=MODELS):
    keras.utils.set_random_seed(1)
    x, labels = windows()
    x.tofile(folder / "windows.f32")
    for build in builders:
        model, name = build(), build.__name__
        for layer in model.layers:
            if isinstance(layer, layers.Normalization):
                layer.adapt(x)
            elif isinstance(layer, layers.BatchNormalization) and layer.scale:
                # Other factors than 1, all positive.
                layer.gamma.assign(np.linspace(0.5, 1.5, layer.gamma.shape[0]))
        softmax = name in ("functional", "activations")
        model.compile("adam", "categorical_crossentropy" if softmax else "squared_hinge", metrics=["accuracy"])
        model.fit(x, labels, epochs=3, verbose=0)
        answers(model, x).tofile(folder / f"{name}.answers.f32")
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        model.save_weights(folder / f"{name}.weights.h5")
        with h5py.File(folder / f"{name}.legacy.h5", "w") as file:
            # Weights alone as Keras 2 wrote them.
            legacy_h5_format.save_weights_to_hdf5_group(file, model)


def weights(model):
    """Kernels and biases."""
    return [array for layer in model.layers if hasattr(layer, "kernel") for array in layer.get_weights()]


def check(folder):
    x, labels = windows()
    for path in sorted(folder.glob("*.out.keras")):
        name = path.name.removesuffix(".out.keras")
        model = keras.models.load_model(path)
        ours = answers(model, x)
        ours.tofile(folder / f"{name}.out.f32")
        original = folder / f"{name}.keras"
        if original.exists():
            theirs = keras.models.load_model(original)
            expected = answers(theirs, x)
            if "batch_norm" in name:
                np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4, err_msg=name)
            else:
                # A bias that the original lacks is 0.
                mine = [array for array in weights(model) if array.any()]
                for a, b in zip(mine, weights(theirs), strict=True):
                    assert a.tobytes() == b.tobytes(), f"{name}: weights differ"
                assert ours.tobytes() == expected.tobytes(), f"{name}: answers differ by {abs(ours - expected).max()}"
        model.save(folder / f"{name}.again.keras")
        assert model.compiled, name
        # Order and dropout are the same each time.
        keras.utils.set_random_seed(0)
        before = [array.copy() for array in weights(model)]
        losses = model.fit(x, labels, epochs=20, verbose=0).history["loss"]
        assert min(losses[1:]) < losses[0], f"{name}: training does not go on"
        assert all((old != new).any() for old, new in zip(before, weights(model), strict=True)), f"{name}: weights stay"


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
