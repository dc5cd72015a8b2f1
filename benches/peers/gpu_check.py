"""Checks on the CPU that JAX, both forms of PyTorch, and Keras's form of Adam do the same job: the same loss and gradients of
a first batch from the initial weights, without dropout, and the same weights after a step. Fails if they do not."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import torch

import gpu_pytorch
import job
from jax_network import adam, loss_and_hits
from pytorch import SensorCnn, squared_hinge

# Relative to the largest value of an array.
TOLERANCE = 1e-5
# Of weights after a step, absolute. The two forms of Adam place epsilon differently, which shows where a gradient is tiny.
STEP_TOLERANCE, LEAST_GRADIENT = 1e-5, 1e-3


def with_jax(windows, labels):
    p = {name: jnp.asarray(values) for name, values in job.initial_weights().items()}
    with jax.default_matmul_precision("highest"):
        (loss, _), g = jax.value_and_grad(loss_and_hits, has_aux=True)(p, windows, labels)
    zeros = jax.tree.map(jnp.zeros_like, p)
    after, _, _ = adam(p, zeros, zeros, g, 1.0)
    return float(loss), {name: np.asarray(g[name]) for name in p}, {name: np.asarray(after[name]) for name in p}


def with_fleet(windows, labels):
    """Two equal models, of which the second is returned."""
    fleet = gpu_pytorch.Fleet(2).eval()
    x, signs = torch.from_numpy(windows).expand(2, -1, -1, -1), torch.from_numpy(2 * job.one_hot(labels) - 1)
    losses = gpu_pytorch.fleet_losses(fleet(x), signs.expand(2, -1, -1))
    losses.sum().backward()
    torch.optim.Adam(fleet.parameters(), job.LEARNING_RATE, (job.BETA_1, job.BETA_2), job.EPSILON).step()
    parameters = {name: getattr(fleet, name.replace(".", "_")) for name, *_ in job.PARAMETERS}
    gradients = {name: values.grad[1].numpy() for name, values in parameters.items()}
    return losses[1].item(), gradients, {name: values[1].detach().numpy() for name, values in parameters.items()}


def with_module(windows, labels):
    cnn = SensorCnn()
    cnn.load(job.initial_weights())
    cnn.eval()
    signs = torch.from_numpy(2 * job.one_hot(labels) - 1)
    loss = squared_hinge(cnn(torch.from_numpy(windows).permute(0, 2, 1)), signs)
    loss.backward()
    torch.optim.Adam(cnn.parameters(), job.LEARNING_RATE, (job.BETA_1, job.BETA_2), job.EPSILON).step()

    def in_keras_layouts(of):
        layouts = {"conv1.kernel": (2, 1, 0), "conv2.kernel": (2, 1, 0), "dense1.kernel": (1, 0), "dense2.kernel": (1, 0)}
        arrays = {}
        for name, shape, *_ in job.PARAMETERS:
            values = of(cnn.get_parameter(name.replace("kernel", "weight"))).numpy()
            arrays[name] = values.transpose(layouts[name]) if name in layouts else values
        rows = arrays["dense1.kernel"].reshape(64, 14, 120).transpose(1, 0, 2).reshape(896, 120)
        return arrays | {"dense1.kernel": rows}

    return loss.item(), in_keras_layouts(lambda p: p.grad), in_keras_layouts(lambda p: p.detach())


def main():
    windows, labels = job.windows_and_labels()
    windows, labels = windows[: job.BATCH], labels[: job.BATCH]
    loss, gradients, after = with_jax(windows, labels)
    for who, (other_loss, other_gradients, other_after) in {
        "the fleet in PyTorch": with_fleet(windows, labels), "the module in PyTorch": with_module(windows, labels),
    }.items():
        assert abs(loss - other_loss) <= TOLERANCE * loss, f"{who}: loss {other_loss}, JAX {loss}"
        worst = worst_step = 0.0
        for name, g in gradients.items():
            largest = np.abs(g).max()
            assert largest > 0, name
            worst = max(worst, np.abs(g - other_gradients[name]).max() / largest)
            is_large = np.abs(g) > LEAST_GRADIENT
            assert is_large.any(), f"{name}: no gradient to compare a step by"
            worst_step = max(worst_step, np.abs(after[name] - other_after[name])[is_large].max())
        print(f"{who}: loss {other_loss:.7f} beside {loss:.7f}, gradients to {worst:.1e}, a step to {worst_step:.1e}")
        assert worst <= TOLERANCE, who
        assert worst_step <= STEP_TOLERANCE, who


if __name__ == "__main__":
    main()
