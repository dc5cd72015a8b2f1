"""JAX on the CPU: a whole epoch is one compiled program, with `lax.scan` over its steps. Mode `fleet` trains eight models at
once, by `vmap` over the epoch, and reports the time of each."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp

import job
from jax_network import loss_and_hits, train_epoch

FLEET = 8


def run(mode, n_epochs):
    n_models = FLEET if mode == "fleet" else 1
    windows, labels = (jnp.asarray(array) for array in job.windows_and_labels())
    p = {name: jnp.asarray(values) for name, values in job.initial_weights().items()}
    first_loss, _ = jax.jit(loss_and_hits)(p, windows[: job.BATCH], labels[: job.BATCH])
    n_parameters = sum(values.size for values in p.values())
    key = jax.random.key(0)
    if mode == "fleet":
        program = jax.jit(jax.vmap(train_epoch, in_axes=(0, 0, None, None)), donate_argnums=0)
        p = jax.tree.map(lambda values: jnp.stack([values] * n_models), p)
        split = lambda key: jax.random.split(key, n_models)
        updates = jnp.zeros(n_models)
    else:
        program = jax.jit(train_epoch, donate_argnums=0)
        split = lambda key: key
        updates = jnp.float32(0)
    zeros = lambda: jax.tree.map(jnp.zeros_like, p)
    state = (p, zeros(), zeros(), updates)

    def epoch():
        nonlocal state, key
        key, now = jax.random.split(key)
        state, (loss, accuracy) = program(state, split(now), windows, labels)
        return float(loss.mean()), float(accuracy.mean())

    job.timed(epoch, 2)
    seconds, (loss, accuracy) = job.timed(epoch, n_epochs)
    return {
        "epochs": [second / n_models for second in seconds],
        "first_loss": float(first_loss),
        "last_loss": loss,
        "last_accuracy": accuracy,
        "n_parameters": n_parameters,
        "versions": {"jax": jax.__version__},
        "settings": {"steps": "one lax.scan an epoch", "models": n_models},
    }


if __name__ == "__main__":
    job.main(run)
