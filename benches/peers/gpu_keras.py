"""Keras 3 `fit` on a GPU, one model; mode `jax` or `torch` is its backend. Each backend needs a process of its own, so one
call measures one. Precision is the backend's default."""

import os

import gpu_job

ARGS = gpu_job.arguments(__doc__, ["jax", "torch"])
if len(ARGS.mode) != 1:
    # One process after the other, with the same arguments.
    import subprocess
    import sys

    for mode in ARGS.mode:
        subprocess.run([sys.executable, "-B", *sys.argv, "--mode", mode], check=True)
    sys.exit(0)
BACKEND = ARGS.mode[0]
os.environ["KERAS_BACKEND"] = BACKEND
if ARGS.device == "cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras

import job
from keras_network import Clock, network


def has_cuda():
    if BACKEND == "jax":
        import jax

        return jax.default_backend() == "gpu"
    import torch

    return torch.cuda.is_available()


def card():
    """The name of the device, as the backend tells it."""
    if BACKEND == "jax":
        import jax

        return jax.devices()[0].device_kind
    import torch

    return torch.cuda.get_device_name() if ARGS.device == "cuda" else "cpu"


def main():
    if ARGS.device == "cuda" and not has_cuda():
        gpu_job.skip(f"Keras {keras.__version__} on {BACKEND} has no CUDA device")
    windows, labels = job.windows_and_labels()
    windows, targets = windows[: ARGS.steps * job.BATCH], job.one_hot(labels)[: ARGS.steps * job.BATCH]

    def fit(n_epochs):
        keras.utils.set_random_seed(0)
        model, clock = network(), Clock()
        model.compile(keras.optimizers.Adam(), "squared_hinge", metrics=["accuracy"])
        history = model.fit(
            windows, targets, batch_size=job.BATCH, epochs=n_epochs, shuffle=True, verbose=0, callbacks=[clock]
        ).history
        return clock.ends, history["loss"]

    # The first epoch compiles, and a tenth of a second brings a card to its full clock; `fit` compiles for every model anew.
    fit(1)
    ends, losses = fit(1 + ARGS.epochs)
    microseconds = [1e6 * (end - start) / ARGS.steps for start, end in zip(ends, ends[1:])]
    gpu_job.report(
        f"Keras fit, {BACKEND}", 1, microseconds, losses[0], losses[-1], ARGS, card=card(),
        versions={"keras": keras.__version__},
    )


if __name__ == "__main__":
    main()
