"""JAX on a GPU: an epoch is one compiled `lax.scan` over its steps, `vmap` trains several models at once. Mode `f32` asks for
the highest precision of matrix products, `tf32` takes the default, which is TF32 on NVIDIA cards that have it."""

import os

import gpu_job

ARGS = gpu_job.arguments(__doc__, ["f32", "tf32"])
if ARGS.device == "cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp

import job
from jax_network import train_epoch


def training(n_models, windows, labels, program):
    """An epoch from the initial weights, as `gpu_job.measure` wants it."""
    p = {name: jnp.stack([jnp.asarray(values)] * n_models) for name, values in job.initial_weights().items()}
    zeros = lambda: jax.tree.map(jnp.zeros_like, p)
    state, key = (p, zeros(), zeros(), jnp.zeros(n_models)), jax.random.key(0)

    def epoch():
        nonlocal state, key
        key, now = jax.random.split(key)
        state, (loss, _) = program(state, jax.random.split(now, n_models), windows, labels)
        jax.block_until_ready(state)
        return float(loss[0])

    return epoch


def main():
    if ARGS.device == "cuda" and jax.default_backend() != "gpu":
        gpu_job.skip(f"JAX {jax.__version__} has no CUDA device, only {jax.default_backend()}")
    windows, labels = (jnp.asarray(array) for array in job.windows_and_labels())
    for mode in ARGS.mode:
        for n_models in ARGS.models:
            with jax.default_matmul_precision("highest" if mode == "f32" else "default"):
                one = lambda *inputs: train_epoch(*inputs, n_steps=ARGS.steps)
                program = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)), donate_argnums=0)
                start = lambda: training(n_models, windows, labels, program)
                card = jax.devices()[0].device_kind
                gpu_job.measure(f"JAX scan/vmap, {mode}", n_models, start, ARGS, card=card, versions={"jax": jax.__version__})


if __name__ == "__main__":
    main()
