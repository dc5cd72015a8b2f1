"""Golden values for the trainer: Keras's schedules, early stopping and epoch figures, scikit-learn's metrics.

    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python generate.py

writes callbacks.json and metrics.json beside this file. They are kept in the repository.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import sklearn
from sklearn import metrics

HERE = Path(__file__).parent
VERSIONS = {"keras": keras.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}


def tiny_model(learning_rate):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, use_bias=False)])
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.SquaredHinge(), metrics=["accuracy"])
    return model


def cosine():
    """Learning rates of a run of 12 steps, and of some steps of a run of 2,360."""
    runs = []
    for n_steps, steps in [(12, list(range(12))), (2360, [0, 1, 235, 1179, 1180, 2000, 2359])]:
        schedule = keras.optimizers.schedules.CosineDecay(1e-3, decay_steps=n_steps)
        runs.append({"n_steps": n_steps, "steps": steps, "rates": [float(schedule(step)) for step in steps]})
    return {"learning_rate": 1e-3, "runs": runs}


def plateau():
    """Learning rate during each epoch, given the loss each one ends with."""
    losses = [1.0, 0.9, 0.90005, 0.95, 0.89995, 0.8, 0.85, 0.7999, 0.79985, 0.9, 0.9, 0.9, 0.9, 0.9, 0.7, 0.7, 0.7, 0.7]
    settings = [
        {"factor": 0.1, "patience": 10, "min_delta": 1e-4, "cooldown": 0, "min_lr": 0.0},
        {"factor": 0.5, "patience": 2, "min_delta": 1e-4, "cooldown": 0, "min_lr": 0.0},
        {"factor": 0.5, "patience": 2, "min_delta": 0.0, "cooldown": 3, "min_lr": 2e-4},
        {"factor": 0.25, "patience": 1, "min_delta": 0.05, "cooldown": 1, "min_lr": 1e-5},
        {"factor": 0.5, "patience": 0, "min_delta": 1e-4, "cooldown": 0, "min_lr": 0.0},
    ]
    runs = []
    for setting in settings:
        model = tiny_model(1e-3)
        callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", mode="min", **setting)
        callback.set_model(model)
        callback.on_train_begin()
        rates = []
        for epoch, loss in enumerate(losses):
            logs = {"loss": loss}
            callback.on_epoch_end(epoch, logs)
            rates.append(logs["learning_rate"])
        runs.append({**setting, "rates": rates})
    default = keras.callbacks.ReduceLROnPlateau()
    names = ["factor", "patience", "cooldown", "min_lr"]
    # Keras keeps min_delta with the sign of the comparison.
    defaults = {**{name: getattr(default, name) for name in names}, "min_delta": abs(default.min_delta)}
    return {"learning_rate": 1e-3, "losses": losses, "runs": runs, "defaults": defaults}


def early_stopping():
    """Epochs (from 1) that are trained and whose weights remain, given the loss each one ends with."""
    runs = []
    for losses in [
        [1.0, 0.9, 0.8, 0.85, 0.8, 0.81, 0.82, 0.7, 0.9, 0.9, 0.9, 0.9],
        [0.5, 0.6, 0.7, 0.8, 0.4, 0.3],
        [0.6, 0.5, 0.4, 0.3],
        [0.3, 0.3, 0.3, 0.3],
    ]:
        for patience in [0, 1, 2, 3, 10]:
            model = tiny_model(1e-3)
            callback = keras.callbacks.EarlyStopping(
                monitor="loss", mode="min", patience=patience, restore_best_weights=True
            )
            callback.set_model(model)
            callback.on_train_begin()
            model.stop_training = False
            for epoch, loss in enumerate(losses):
                model.set_weights([np.full((2, 3), epoch + 1.0)])
                callback.on_epoch_end(epoch, {"loss": loss})
                if model.stop_training:
                    break
            callback.on_train_end()
            remains = int(model.get_weights()[0][0, 0])
            runs.append({"losses": losses, "patience": patience, "epochs": epoch + 1, "restored": remains})
    return runs


def epoch_figures():
    """Batches of 4, 4 and 1 windows: what each has alone, and what Keras reports for the epoch. The learning rate is 0,
    so that a batch has the same loss in both."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(9, 2)).astype("float32")
    labels = rng.integers(0, 3, 9)
    y = keras.utils.to_categorical(labels, 3)
    model = tiny_model(0.0)
    model.set_weights([rng.normal(size=(2, 3))])
    parts = [slice(0, 4), slice(4, 8), slice(8, 9)]
    batches = []
    for part in parts:
        loss, accuracy = model.evaluate(x[part], y[part], batch_size=9, verbose=0)
        n_windows = part.stop - part.start
        batches.append({"windows": n_windows, "loss": loss, "correct": round(accuracy * n_windows)})
    history = model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0).history
    return {"batches": batches, "loss": history["loss"][0], "accuracy": history["accuracy"][0]}


def judged():
    """Predictions for five classes: class 3 is never predicted, class 4 has no window, and in the second case neither
    occurs."""
    cases = []
    rng = np.random.default_rng(2)
    for absent in [{"labels": [4], "predictions": [3]}, {"labels": [3, 4], "predictions": [3, 4]}]:
        draw = lambda name: rng.choice([c for c in range(5) if c not in absent[name]], 60)
        labels, other = draw("labels"), draw("predictions")
        allowed = np.isin(labels, absent["predictions"], invert=True)
        predictions = np.where((rng.uniform(size=60) < 0.6) & allowed, labels, other)
        every = list(range(5))
        precision, recall, f1, support = metrics.precision_recall_fscore_support(
            labels, predictions, labels=every, zero_division=0
        )
        cases.append(
            {
                "labels": labels.tolist(),
                "predictions": predictions.tolist(),
                "accuracy": metrics.accuracy_score(labels, predictions),
                # Over the classes that have windows, as Triax defines it. The default takes those that are predicted too.
                "macro_f1": metrics.f1_score(
                    labels, predictions, labels=np.unique(labels), average="macro", zero_division=0
                ),
                "precision": precision.tolist(),
                "recall": recall.tolist(),
                "f1": f1.tolist(),
                "support": support.tolist(),
                "confusion": metrics.confusion_matrix(labels, predictions, labels=every).tolist(),
            }
        )
    return cases


def write(name, values):
    (HERE / name).write_text(json.dumps({"versions": VERSIONS, **values}) + "\n")


write(
    "callbacks.json",
    {
        "cosine": cosine(),
        "plateau": plateau(),
        "early_stopping": early_stopping(),
        "epoch_figures": epoch_figures(),
    },
)
write("metrics.json", {"cases": judged()})
