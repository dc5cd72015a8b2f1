"""The reference network and an epoch of its training in JAX: one compiled program, with `lax.scan` over its steps.

A convolution is written as a matrix product over its taps: XLA's own convolution is slower on a CPU inside a loop.
"""

import jax
import jax.numpy as jnp

import job


def conv(x, kernel, bias):
    """Valid convolution with stride 2 over (batch, position, channel), kernel (3, in, out), and ReLU."""
    n = (x.shape[1] - 3) // 2 + 1
    taps = jnp.concatenate([x[:, tap : tap + 2 * n - 1 : 2] for tap in range(3)], axis=2)
    return jax.nn.relu(taps @ kernel.reshape(-1, kernel.shape[2]) + bias)


def forward(p, x, dropout_key=None):
    """Scores (batch, classes); with dropout where a key is given."""
    x = conv(x, p["conv1.kernel"], p["conv1.bias"])
    x = x[:, : x.shape[1] // 2 * 2].reshape(x.shape[0], -1, 2, x.shape[2]).max(2)
    x = conv(x, p["conv2.kernel"], p["conv2.bias"]).reshape(x.shape[0], -1)
    if dropout_key is not None:
        x = jnp.where(jax.random.bernoulli(dropout_key, 1 - job.DROPOUT, x.shape), x / (1 - job.DROPOUT), 0)
    x = jax.nn.relu(x @ p["dense1.kernel"] + p["dense1.bias"])
    return x @ p["dense2.kernel"] + p["dense2.bias"]


def loss_and_hits(p, x, labels, dropout_key=None):
    """Squared hinge, mean over classes and batch, and how many labels have the largest score."""
    scores = forward(p, x, dropout_key)
    signs = 2 * jax.nn.one_hot(labels, job.CLASSES) - 1
    loss = jnp.square(jnp.maximum(1 - signs * scores, 0)).mean()
    return loss, (scores.argmax(1) == labels).sum()


def adam(p, m, v, g, t):
    """Keras's form."""
    rate = job.LEARNING_RATE * jnp.sqrt(1 - job.BETA_2**t) / (1 - job.BETA_1**t)
    m = jax.tree.map(lambda m, g: m + (g - m) * (1 - job.BETA_1), m, g)
    v = jax.tree.map(lambda v, g: v + (g * g - v) * (1 - job.BETA_2), v, g)
    p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + job.EPSILON), p, m, v)
    return p, m, v


def train_epoch(state, key, windows, labels, n_steps=job.N_WINDOWS // job.BATCH):
    """The state after an epoch, or its first `n_steps` steps, with mean loss and accuracy."""
    order_key, dropout_key = jax.random.split(key)
    order = jax.random.permutation(order_key, job.N_WINDOWS)[: n_steps * job.BATCH].reshape(-1, job.BATCH)
    keys = jax.random.split(dropout_key, len(order))

    def step(state, batch_and_key):
        p, m, v, t = state
        batch, key = batch_and_key
        (loss, hits), g = jax.value_and_grad(loss_and_hits, has_aux=True)(p, windows[batch], labels[batch], key)
        p, m, v = adam(p, m, v, g, t + 1)
        return (p, m, v, t + 1), (loss, hits)

    state, (losses, hits) = jax.lax.scan(step, state, (order, keys))
    return state, (losses.mean(), hits.sum() / order.size)
