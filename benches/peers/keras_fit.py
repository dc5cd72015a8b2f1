"""Keras's own training loop on TensorFlow.

Mode `fit` is what a user writes; mode `tuned` hands TensorFlow a whole epoch at once, which spares it Python between steps.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

import job
from keras_network import Clock, network


def run(mode, n_epochs):
    windows, labels = job.windows_and_labels()
    targets = job.one_hot(labels)
    model = network()
    first = keras.losses.squared_hinge(targets[: job.BATCH], model(windows[: job.BATCH], training=False))
    first_loss = float(keras.ops.mean(first))

    settings = {"steps_per_execution": job.N_WINDOWS // job.BATCH} if mode == "tuned" else {}
    model.compile(keras.optimizers.Adam(), "squared_hinge", metrics=["accuracy"], **settings)
    clock = Clock()
    # Two epochs are not timed: the second still finds some things for the first time.
    history = model.fit(
        windows, targets, batch_size=job.BATCH, epochs=2 + n_epochs, shuffle=True, verbose=0, callbacks=[clock]
    ).history
    return {
        "epochs": [end - start for start, end in zip(clock.ends[1:], clock.ends[2:])],
        "first_loss": first_loss,
        "last_loss": history["loss"][-1],
        "last_accuracy": history["accuracy"][-1],
        "n_parameters": model.count_params(),
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "settings": settings | {"jit_compile": bool(model.jit_compile)},
    }


if __name__ == "__main__":
    job.main(run)
