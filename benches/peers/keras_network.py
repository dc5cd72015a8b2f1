"""The reference network in Keras, on whichever backend is chosen, and a clock of its epochs."""

import time

import keras

import job


def network():
    """The network with its initial weights."""
    model = keras.Sequential(
        [
            keras.layers.Input((job.WINDOW, job.CHANNELS)),
            keras.layers.Conv1D(32, 3, strides=2, activation="relu"),
            keras.layers.MaxPooling1D(2),
            keras.layers.Conv1D(64, 3, strides=2, activation="relu"),
            keras.layers.Dropout(job.DROPOUT),
            keras.layers.Flatten(),
            keras.layers.Dense(120, activation="relu"),
            keras.layers.Dense(job.CLASSES),
        ]
    )
    model.set_weights(list(job.initial_weights().values()))
    return model


class Clock(keras.callbacks.Callback):
    """Notes when each epoch ends."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())
