"""Golden values from Keras: what the f64 reference and every engine are held to.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python generate.py

writes, with the versions that made them,

    ../../losses/golden/losses.json   values and gradients of the four losses
    optimizers.json                   several updates of each optimizer
    networks.json                     activations, scores and gradients of whole networks for one batch
    family.json                       the same, and a few training steps, of networks with all that the family has beyond
                                      the reference network: padding, activations, pools, dilation
    trajectory.json                   20 training steps of the reference network, and one epoch of `fit`

Weights, windows and labels are not stored: they follow from `hash32`, which Rust repeats bit for bit. Everything is
computed at float64, so that an f64 twin can be held to about 1e-13; the trajectory also at float32, as users run it.
Hyperparameters are the float32 nearest to the usual decimal, because that is what a training plan holds.
A second run on the same machine writes the same bytes.
"""

import json
import os
import platform
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
LOSSES = ["hinge", "squared_hinge", "categorical_hinge", "categorical_crossentropy"]

# ---------------------------------------------------------------------------------------------------- reproducible data

# Streams of `hash32`. Parameter tensor k of a network draws from PARAMETERS + k.
WINDOWS, LABELS, SAMPLE_WEIGHTS, SCORES, GRADIENTS, PARAMETERS = 1, 2, 3, 4, 5, 100


def hash32(stream, n):
    """Hash of the numbers 0..n in a stream, as uint32: lowbias32 of `n·0x9E3779B9 + stream·0x85EBCA6B`."""
    mask = np.uint64(0xFFFFFFFF)
    x = (np.arange(n, dtype=np.uint64) * np.uint64(0x9E3779B9) + np.uint64(stream * 0x85EBCA6B)) & mask
    x ^= x >> np.uint64(16)
    x = (x * np.uint64(0x21F0AAAD)) & mask
    x ^= x >> np.uint64(15)
    x = (x * np.uint64(0x735A2D97)) & mask
    x ^= x >> np.uint64(15)
    return x


def signed(stream, n):
    """The top 16 bits of `hash32` in [-1, 1), exact in float32."""
    return (hash32(stream, n) >> np.uint64(16)).astype(np.float64) / 32768.0 - 1.0


def labels_of(n_windows, classes):
    return (hash32(LABELS, n_windows) % np.uint64(classes)).astype(np.int64)


def windows_of(labels, window, channels):
    """Noise of ±½ around an offset that depends on label and channel: something that can be learnt."""
    noise = signed(WINDOWS, len(labels) * window * channels).reshape(len(labels), window, channels) / 2
    offset = (np.outer(labels, np.arange(1, channels + 1)) % 5 - 2) / 8
    return noise + offset[:, None, :]


def sample_weights_of(n):
    """Multiples of ¼ from ¼ to 2."""
    return ((hash32(SAMPLE_WEIGHTS, n) % np.uint64(8)).astype(np.float64) + 1) / 4


def scale_of(shape):
    """The largest power of two within Keras's `glorot_uniform`; 1/16 for a bias."""
    if len(shape) == 1:
        return 0.0625
    receptive = int(np.prod(shape[:-2]))
    limit = np.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
    return float(2.0 ** np.floor(np.log2(limit)))


def set_parameters(model):
    tensors = [tuple(w.shape) for w in model.weights]
    model.set_weights(
        [scale_of(s) * signed(PARAMETERS + k, int(np.prod(s))).reshape(s) for k, s in enumerate(tensors)]
    )


# ------------------------------------------------------------------------------------------------------------- networks

REFERENCE = {
    "window": 120,
    "channels": 3,
    "convs": [
        {"filters": 32, "kernel": 3, "stride": 2, "pool": 2},
        {"filters": 64, "kernel": 3, "stride": 2},
    ],
    "dropout": 0.0,
    "hidden": [120],
    "classes": 6,
}


def gelu(x):
    """Keras's default form at float64. TensorFlow's own rounds the √2 in it to float32, whatever the type of x."""
    value = 0.5 * x * (1 + keras.ops.erf(x * np.sqrt(0.5)))
    assert np.allclose(value, keras.activations.gelu(x), rtol=1e-6, atol=1e-7)
    return value


def activation_of(notation):
    """An activation as a specification writes it: Keras's name, but for `leaky_relu=SLOPE`."""
    name, _, slope = notation.partition("=")
    if name == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=float(slope))
    return gelu if name == "gelu" else keras.activations.get(name)


def pool_of(notation, name):
    """A pool as a specification writes it: `2`, `3/2`, `avg4`, `avg3/2-same`."""
    notation = str(notation)
    padding = "same" if notation.endswith("-same") else "valid"
    notation = notation.removesuffix("-same")
    layer = keras.layers.AveragePooling1D if notation.startswith("avg") else keras.layers.MaxPooling1D
    size, _, stride = notation.removeprefix("avg").partition("/")
    return layer(int(size), strides=int(stride or size), padding=padding, name=name)


GLOBAL_POOLS = {"max": keras.layers.GlobalMaxPooling1D, "average": keras.layers.GlobalAveragePooling1D}


def build(spec):
    """The Keras model of a specification, with its parameters set."""
    x = inputs = keras.Input((spec["window"], spec["channels"]))
    for k, conv in enumerate(spec["convs"], 1):
        x = keras.layers.Conv1D(
            conv["filters"], conv["kernel"], strides=conv["stride"], dilation_rate=conv.get("dilation", 1),
            padding=conv.get("padding", "valid"), activation=activation_of(conv.get("activation", "relu")), name=f"conv{k}",
        )(x)  # fmt: skip
        if "pool" in conv:
            x = pool_of(conv["pool"], f"pool{k}")(x)
    if "global_pool" in spec:
        x = GLOBAL_POOLS[spec["global_pool"]](name="global_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for k, hidden in enumerate(spec["hidden"], 1):
        units, _, activation = str(hidden).partition(":")
        x = keras.layers.Dense(int(units), activation=activation_of(activation or "relu"), name=f"dense{k}")(x)
    x = keras.layers.Dense(spec["classes"], name=f"dense{len(spec['hidden']) + 1}")(x)
    model = keras.Model(inputs, x)
    set_parameters(model)
    return model


def loss_function(name, reduction="sum_over_batch_size", label_smoothing=0.0):
    options = {}
    if name == "categorical_crossentropy":
        options = {"from_logits": True, "label_smoothing": label_smoothing}
    cls = "".join(word.capitalize() for word in name.split("_"))
    return getattr(keras.losses, cls)(reduction=reduction, **options)


def encode(labels, classes, loss):
    """One-hot labels; ±1 for the hinge losses, whose conversion of 0/1 labels would give the same."""
    one_hot = np.eye(classes)[labels]
    return 2 * one_hot - 1 if loss in ("hinge", "squared_hinge") else one_hot


def summary(tensor):
    """Euclidean norm, sum, and 16 evenly spread entries with their indices in the flat tensor."""
    flat = np.asarray(tensor, dtype=np.float64).ravel()
    indices = sorted({k * (flat.size - 1) // 15 for k in range(16)})
    return {
        "norm": float(np.linalg.norm(flat)),
        "sum": float(flat.sum()),
        "entries": [[i, float(flat[i])] for i in indices],
    }


# --------------------------------------------------------------------------------------------------------------- losses


def loss_and_gradients(name, scores, targets, sample_weights, label_smoothing=0.0):
    scores = tf.constant(scores, tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(scores)
        values = loss_function(name, None, label_smoothing)(targets, scores)
        total = tf.reduce_sum(values)
        reduced = loss_function(name, label_smoothing=label_smoothing)(targets, scores, sample_weight=sample_weights)
    return values, tape.gradient(total, scores), reduced, tape.gradient(reduced, scores)


def distance_to_kink(name, scores, labels):
    """How far the nearest non-differentiable point is, in units of a score."""
    y = np.eye(scores.shape[1])[labels]
    if name in ("hinge", "squared_hinge"):
        return np.abs(1 - (2 * y - 1) * scores).min()
    if name == "categorical_hinge":
        others = np.sort((1 - y) * scores, axis=1)
        margin = others[:, -1] - (y * scores).sum(1) + 1
        return min(np.abs(margin).min(), np.diff(others[:, -2:], axis=1).min())
    return np.inf


def write_losses():
    keras.config.set_floatx("float64")
    cases = []
    for name in LOSSES:
        shapes = [(1, 2, 2), (5, 2, 2), (4, 3, 2), (9, 6, 2), (7, 13, 4), (2, 67, 2)]
        for k, (rows, classes, spread) in enumerate(shapes):
            # Odd multiples of 2⁻¹¹: short decimals, exact in float32, never ±1.
            words = (hash32(SCORES + 10 * k, rows * classes) >> np.uint64(20)).astype(np.float64)
            scores = ((words - 2048) * 2 + 1).reshape(rows, classes) / 4096 * spread
            labels = labels_of(rows, classes)
            assert distance_to_kink(name, scores, labels) > 1e-4, (name, rows, classes)
            for sample_weights in [None, sample_weights_of(rows)]:
                targets = encode(labels, classes, name)
                values, d_values, reduced, d_reduced = loss_and_gradients(name, scores, targets, sample_weights)
                # Labels as 0/1 are converted by Keras itself and give the same.
                again = loss_and_gradients(name, scores, np.eye(classes)[labels], sample_weights)
                assert np.array_equal(values, again[0]) and np.array_equal(d_reduced, again[3])
                cases.append({
                    "loss": name, "rows": rows, "classes": classes,
                    "scores": scores.ravel().tolist(), "labels": labels.tolist(),
                    "sample_weights": None if sample_weights is None else sample_weights.tolist(),
                    "values": values.numpy().tolist(), "d_values": d_values.numpy().ravel().tolist(),
                    "reduced": float(reduced), "d_reduced": d_reduced.numpy().ravel().tolist(),
                })  # fmt: skip
    # Scores far from 0: the logarithm of a sum of exponentials must neither overflow nor lose its small terms.
    for name in LOSSES:
        scores = np.array([[1000.5, -1000.5, 0.25], [-80.5, -81.5, -90.25], [0.5, 30.25, 60.5]])
        labels = np.array([1, 2, 2])
        values, d_values, reduced, d_reduced = loss_and_gradients(name, scores, encode(labels, 3, name), None)
        cases.append({
            "loss": name, "rows": 3, "classes": 3, "scores": scores.ravel().tolist(), "labels": labels.tolist(),
            "sample_weights": None, "values": values.numpy().tolist(), "d_values": d_values.numpy().ravel().tolist(),
            "reduced": float(reduced), "d_reduced": d_reduced.numpy().ravel().tolist(),
        })  # fmt: skip
    # At a kink the values must agree; the gradients are what Keras happens to choose, for the record.
    kinks = []
    for name, scores, what in [
        ("hinge", [1.0, -1.0, 0.5], "1 - y·p = 0 for two classes"),
        ("squared_hinge", [1.0, -1.0, 0.5], "1 - y·p = 0 for two classes"),
        ("categorical_hinge", [1.5, 0.5, 0.25], "neg - pos + 1 = 0"),
        ("categorical_hinge", [0.25, 0.5, 0.5], "two equal largest among the others"),
        ("categorical_hinge", [0.25, -0.5, 0.0], "the largest of the others equals the true class's 0"),
        ("categorical_hinge", [0.0, 0.0, 0.0], "all equal"),
    ]:
        values, d_values, _, _ = loss_and_gradients(name, np.array([scores]), encode(np.array([0]), 3, name), None)
        kinks.append({
            "loss": name, "what": what, "scores": scores, "label": 0,
            "value": float(values[0]), "keras_d_scores": d_values.numpy().ravel().tolist(),
        })  # fmt: skip
    smoothed = []
    for rows, classes, spread, smoothing in [(5, 2, 2, 0.1), (9, 6, 2, 0.1), (7, 13, 4, 0.3), (3, 18, 60, 0.9)]:
        scores = spread * signed(SCORES + classes, rows * classes).reshape(rows, classes)
        labels, sample_weights, smoothing = labels_of(rows, classes), sample_weights_of(rows), f32(smoothing)
        values, d_values, reduced, d_reduced = loss_and_gradients(
            "categorical_crossentropy", scores, np.eye(classes)[labels], sample_weights, smoothing
        )
        smoothed.append({
            "loss": "categorical_crossentropy", "label_smoothing": smoothing, "rows": rows, "classes": classes,
            "scores": scores.ravel().tolist(), "labels": labels.tolist(), "sample_weights": sample_weights.tolist(),
            "values": values.numpy().tolist(), "d_values": d_values.numpy().ravel().tolist(),
            "reduced": float(reduced), "d_reduced": d_reduced.numpy().ravel().tolist(),
        })  # fmt: skip
    document = {"cases": cases, "kinks": kinks, "smoothed": smoothed}
    write(HERE.parents[1] / "losses" / "golden" / "losses.json", document)


# ----------------------------------------------------------------------------------------------------------- optimizers


def f32(value):
    return float(np.float32(value))


def keras_optimizer(settings, clip_norm=None, learning_rate=0.001):
    """The Keras optimizer of a training plan's settings."""
    settings = {k: f32(v) if isinstance(v, float) else v for k, v in settings.items()}
    cls = {
        "adam": keras.optimizers.Adam,
        "adam_w": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
        "rms_prop": keras.optimizers.RMSprop,
    }[settings.pop("name")]
    return cls(learning_rate=f32(learning_rate), global_clipnorm=clip_norm, **settings)


ADAM = {"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}


def write_optimizers():
    keras.config.set_floatx("float64")
    adam_w = {**ADAM, "name": "adam_w", "weight_decay": 0.004}
    rms_prop = {"name": "rms_prop", "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7}
    shapes = [5, 3]
    rates = [f32(r) for r in [0.001, 0.001, 0.01, 0.005, 0.002, 0.1]]
    cases = []
    for settings, clip_norm, start in [
        (ADAM, None, 0.0),
        (ADAM, 0.5, 1.0),
        ({**ADAM, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}, None, 1.0),
        (adam_w, None, 1.0),
        ({**adam_w, "weight_decay": 0.1}, 0.5, 1.0),
        ({"name": "sgd", "momentum": 0.0, "nesterov": False}, None, 1.0),
        ({"name": "sgd", "momentum": 0.9, "nesterov": False}, None, 1.0),
        ({"name": "sgd", "momentum": 0.9, "nesterov": True}, 0.5, 1.0),
        (rms_prop, None, 1.0),
        ({**rms_prop, "rho": 0.8, "momentum": 0.5, "epsilon": 1e-3}, 0.5, 1.0),
    ]:
        variables = [keras.Variable(start * signed(PARAMETERS + k, n)) for k, n in enumerate(shapes)]
        optimizer = keras_optimizer(settings, clip_norm)
        initial = [v.numpy().tolist() for v in variables]
        steps = []
        for step, rate in enumerate(rates):
            # Entries from about 2⁻²⁰ to 4, one of them 0, so that ε and clipping both matter.
            gradients = [
                signed(GRADIENTS + 10 * step + k, n) * 2.0 ** (2 - 5 * np.arange(n)) for k, n in enumerate(shapes)
            ]
            gradients[1][2] = 0.0
            optimizer.learning_rate = rate
            optimizer.apply([tf.constant(g) for g in gradients], variables)
            steps.append({
                "learning_rate": rate,
                "gradients": [g.tolist() for g in gradients],
                "after": [v.numpy().tolist() for v in variables],
            })  # fmt: skip
        cases.append({"optimizer": settings, "clip_norm": clip_norm, "initial": initial, "steps": steps})
    write(HERE / "optimizers.json", {"cases": cases})


# ----------------------------------------------------------------------------------------- one batch of a whole network


def write_networks():
    keras.config.set_floatx("float64")
    one_block = {
        "window": 11, "channels": 1, "convs": [{"filters": 5, "kernel": 4, "stride": 3}],
        "dropout": 0.0, "hidden": [], "classes": 2,
    }  # fmt: skip
    pools_that_leave_a_rest = {
        "window": 53, "channels": 2,
        "convs": [
            {"filters": 7, "kernel": 5, "stride": 1, "pool": 3}, {"filters": 3, "kernel": 2, "stride": 3, "pool": 2},
        ],
        "dropout": 0.0, "hidden": [11, 5], "classes": 4,
    }  # fmt: skip
    four_blocks = {
        "window": 97, "channels": 6,
        "convs": [
            {"filters": 8, "kernel": 3, "stride": 1, "pool": 2}, {"filters": 9, "kernel": 3, "stride": 1},
            {"filters": 10, "kernel": 1, "stride": 2}, {"filters": 4, "kernel": 7, "stride": 2, "pool": 4},
        ],
        "dropout": 0.0, "hidden": [13, 7, 5], "classes": 3,
    }  # fmt: skip
    cases = [
        network_case(REFERENCE, "squared_hinge", 32, False),
        network_case(one_block, "categorical_crossentropy", 3, True),
        network_case(pools_that_leave_a_rest, "hinge", 7, False),
        network_case(four_blocks, "categorical_hinge", 5, True),
    ]
    write(HERE / "networks.json", {"cases": cases})


def network_case(spec, loss, batch, weighted):
    """Activations, scores and gradients of the network of `spec` for one batch."""
    model = build(spec)
    labels = labels_of(batch, spec["classes"])
    windows = windows_of(labels, spec["window"], spec["channels"])
    sample_weights = sample_weights_of(batch) if weighted else None
    layers = [layer for layer in model.layers if layer.name[:4] in ("conv", "pool", "glob", "dens")]
    taps = keras.Model(model.inputs, [layer.output for layer in layers])
    with tf.GradientTape() as tape:
        activations = taps([windows])
        value = loss_function(loss)(encode(labels, spec["classes"], loss), activations[-1], sample_weights)
    gradients = tape.gradient(value, model.trainable_variables)
    case = {
        "spec": spec, "loss": loss, "batch": batch, "weighted": weighted,
        "parameters": [{"name": v.path, "shape": list(v.shape), "scale": scale_of(v.shape)} for v in model.weights],
        "activations": [{"name": l.name, **summary(a)} for l, a in zip(layers, activations)],
        "scores": np.asarray(activations[-1]).ravel().tolist(),
        "value": float(value),
        "gradients": [summary(g) for g in gradients],
    }  # fmt: skip
    for parameter in case["parameters"]:
        parameter["name"] = parameter["name"].replace("/", ".")
    return case


def write_family():
    keras.config.set_floatx("float64")
    # Convolutions whose padding is even and odd, with strides; averages that overlap and are padded; all but GELU and tanh.
    averages = {
        "window": 37, "channels": 3,
        "convs": [
            {"filters": 9, "kernel": 4, "stride": 1, "padding": "same", "activation": "elu", "pool": "avg3/2-same"},
            {"filters": 5, "kernel": 5, "stride": 2, "padding": "same", "activation": "leaky_relu=0.25", "pool": "avg2"},
        ],
        "global_pool": "max", "dropout": 0.0, "hidden": ["7:elu", "6:linear", 5], "classes": 4,
    }  # fmt: skip
    # Maxima that overlap, are padded, and leave gaps; a kernel longer than its input.
    maxima = {
        "window": 41, "channels": 2,
        "convs": [
            {"filters": 6, "kernel": 3, "stride": 1, "activation": "gelu", "pool": "3/2"},
            {"filters": 7, "kernel": 25, "stride": 2, "padding": "same", "activation": "tanh", "pool": "4/1-same"},
            {"filters": 5, "kernel": 2, "stride": 1, "padding": "same", "activation": "gelu", "pool": "2/3"},
        ],
        "dropout": 0.0, "hidden": ["8:gelu", "6:tanh"], "classes": 3,
    }  # fmt: skip
    # The network of many a tutorial; its first convolution lies before a plain pool.
    tutorial = {
        "window": 64, "channels": 6,
        "convs": [
            {"filters": 16, "kernel": 5, "stride": 1, "padding": "same", "pool": 2},
            {"filters": 24, "kernel": 5, "stride": 1, "padding": "same"},
        ],
        "global_pool": "average", "dropout": 0.0, "hidden": [], "classes": 5,
    }  # fmt: skip
    # Dilated convolutions with and without padding, whose kernels are odd and even, before pools of both kinds.
    dilated = {
        "window": 45, "channels": 3,
        "convs": [
            {"filters": 6, "kernel": 3, "stride": 1, "dilation": 4, "pool": 2},
            {"filters": 5, "kernel": 2, "stride": 1, "dilation": 3, "padding": "same", "activation": "elu"},
            {"filters": 4, "kernel": 3, "stride": 1, "dilation": 2, "pool": "3/2"},
        ],
        "dropout": 0.0, "hidden": [9], "classes": 4,
    }  # fmt: skip
    cases = []
    for spec, loss, batch, weighted in [
        (averages, "categorical_crossentropy", 7, True),
        (maxima, "squared_hinge", 18, False),
        (tutorial, "categorical_crossentropy", 20, False),
        (dilated, "squared_hinge", 19, True),
    ]:
        losses, weights = trajectory(spec, loss, "float64", 5, batch)
        steps = {"losses": losses, "weights": weights}
        cases.append({**network_case(spec, loss, batch, weighted), "steps": steps})
    write(HERE / "family.json", {"optimizer": ADAM, "learning_rate": f32(0.001), "cases": cases})


# ------------------------------------------------------------------------------------------------- trajectory and epoch


def trajectory(spec, loss, floatx, n_steps, batch):
    """Loss of each step of training with Adam, and the weights after the last one."""
    keras.config.set_floatx(floatx)
    model = build(spec)
    labels = labels_of(n_steps * batch, spec["classes"])
    windows = windows_of(labels, spec["window"], spec["channels"]).astype(floatx)
    targets = encode(labels, spec["classes"], loss).astype(floatx)
    optimizer, function = keras_optimizer(ADAM), loss_function(loss)
    losses = []
    for step in range(n_steps):
        rows = slice(step * batch, (step + 1) * batch)
        with tf.GradientTape() as tape:
            value = function(targets[rows], model(windows[rows], training=True))
        losses.append(float(value))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
    return losses, [summary(w) for w in model.get_weights()]


def epoch(loss, class_weights, label_smoothing):
    """One epoch of `fit` over 100 windows in their order: a last batch of 4."""
    keras.config.set_floatx("float64")
    model = build(REFERENCE)
    labels = labels_of(100, REFERENCE["classes"])
    windows = windows_of(labels, REFERENCE["window"], REFERENCE["channels"])
    model.compile(
        optimizer=keras_optimizer(ADAM), loss=loss_function(loss, label_smoothing=label_smoothing),
        metrics=["categorical_accuracy"], run_eagerly=True,
    )  # fmt: skip
    history = model.fit(
        windows, encode(labels, REFERENCE["classes"], loss), batch_size=32, epochs=1, shuffle=False, verbose=0,
        class_weight=None if class_weights is None else dict(enumerate(class_weights)),
    )  # fmt: skip
    return history.history["loss"][0], history.history["categorical_accuracy"][0]


def write_trajectory():
    n_steps, batch = 20, 32
    trajectories = []
    for loss in LOSSES:
        losses, weights = trajectory(REFERENCE, loss, "float64", n_steps, batch)
        losses_f32, _ = trajectory(REFERENCE, loss, "float32", n_steps, batch)
        trajectories.append({"loss": loss, "losses": losses, "losses_f32": losses_f32, "weights": weights})
    epochs = []
    for loss, class_weights, label_smoothing in [
        ("squared_hinge", None, 0.0),
        ("squared_hinge", [0.5, 1.0, 2.0, 0.25, 1.5, 1.0], 0.0),
        ("categorical_crossentropy", None, 0.0),
        ("categorical_crossentropy", [0.5, 1.0, 2.0, 0.25, 1.5, 1.0], f32(0.1)),
    ]:
        mean, accuracy = epoch(loss, class_weights, label_smoothing)
        epochs.append({
            "loss": loss, "class_weights": class_weights, "label_smoothing": label_smoothing,
            "mean_loss": mean, "accuracy": accuracy,
        })  # fmt: skip
    document = {
        "spec": REFERENCE, "batch": batch, "optimizer": ADAM, "learning_rate": f32(0.001),
        "trajectories": trajectories, "epoch_windows": 100, "epochs": epochs,
    }  # fmt: skip
    write(HERE / "trajectory.json", document)


def write(path, document):
    versions = {
        "keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__,
        "python": platform.python_version(),
    }  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"versions": versions, **document}, separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    write_losses()
    write_optimizers()
    write_networks()
    write_family()
    write_trajectory()
