"""Triax, Keras and PyTorch beside each other: the same network, leaving one subject out, on the same windows.

    python benches/loso.py synthetic
    python benches/loso.py PATH --activities A,B,C,D,E,M --window 6s --step 6s

Each estimator runs in a process of its own, which is given the same windows, labels and folds. All train the reference network
with squared hinge, Adam and the same batches and epochs, standardise channels by the training windows of a fold, and shuffle
anew in each epoch. It measures

* seconds: from arrays in memory to the last prediction of the last fold, with all compilation, without imports; and the seconds
  of processors that this took, which tell more on a machine with other work;
* memory: the most that the process held at a time, and what it held with its imports and the windows before the first fold;
* macro-F1: over the held-out predictions of all folds together.

Needs triax, and for the peers keras, jax and torch: see benches/peers/requirements.txt in the repository. A peer that is not
installed is left out, and named.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ESTIMATORS = ["triax", "triax-study", "keras-jax", "pytorch", "pytorch-compile"]
FILTERS, KERNEL, STRIDE, POOL, HIDDEN, DROPOUT, LEARNING_RATE = (32, 64), 3, 2, 2, 120, 0.1, 1e-3


def standardised(X, train):
    """`X` (n, window, channels) with mean 0 and deviation 1 of each channel over the windows at `train`."""
    rows = X[train].reshape(-1, X.shape[2])
    mean, scale = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    return ((X - mean) / np.where(scale == 0, 1, scale)).astype(np.float32)


class Triax:
    """The scikit-learn estimator."""

    def __init__(self, window, channels, classes, epochs, batch_size):
        import triax

        self.classifier = triax.TriaxClassifier(epochs=epochs, batch_size=batch_size)
        self.versions = {"triax": triax.__version__}

    def fit_predict(self, X, y, train, test, seed):
        return self.classifier.set_params(random_state=seed).fit(X[train], y[train]).predict(X[test])


class Keras:
    """Keras on JAX. The model is built and compiled once, and starts from new weights in each fold."""

    def __init__(self, window, channels, classes, epochs, batch_size):
        os.environ["KERAS_BACKEND"] = "jax"
        import jax
        import keras

        self.keras, self.epochs, self.batch_size, self.n_classes = keras, epochs, batch_size, classes
        layers = keras.layers
        self.model = keras.Sequential(
            [
                layers.Input((window, channels)),
                layers.Conv1D(FILTERS[0], KERNEL, strides=STRIDE, activation="relu"),
                layers.MaxPooling1D(POOL),
                layers.Conv1D(FILTERS[1], KERNEL, strides=STRIDE, activation="relu"),
                layers.Dropout(DROPOUT),
                layers.Flatten(),
                layers.Dense(HIDDEN, activation="relu"),
                layers.Dense(classes),
            ]
        )
        self.model.compile(keras.optimizers.Adam(LEARNING_RATE), "squared_hinge", jit_compile=True)
        self.model.optimizer.build(self.model.trainable_variables)
        self.state = [np.array(variable) for variable in self.model.optimizer.variables]
        self.versions = {"keras": keras.__version__, "jax": jax.__version__}

    def fit_predict(self, X, y, train, test, seed):
        self.keras.utils.set_random_seed(seed)
        initial = self.keras.initializers.GlorotUniform(seed)
        for variable in self.model.trainable_variables:
            is_bias = len(variable.shape) == 1
            variable.assign(np.zeros(variable.shape) if is_bias else initial(variable.shape))
        for variable, value in zip(self.model.optimizer.variables, self.state):
            variable.assign(value)
        X = standardised(X, train)
        targets = np.eye(self.n_classes, dtype=np.float32)[y[train]]
        self.model.fit(X[train], targets, batch_size=self.batch_size, epochs=self.epochs, shuffle=True, verbose=0)
        return self.model.predict(X[test], batch_size=1024, verbose=0).argmax(axis=1)


class PyTorch:
    """PyTorch, eager or compiled: data in its layout, one gather for each batch, Adam in one fused call."""

    def __init__(self, window, channels, classes, epochs, batch_size, compiled=False):
        import torch
        from torch import nn

        self.torch, self.epochs, self.batch_size, self.n_classes = torch, epochs, batch_size, classes
        positions = ((window - KERNEL) // STRIDE + 1) // POOL
        positions = (positions - KERNEL) // STRIDE + 1
        self.network = nn.Sequential(
            nn.Conv1d(channels, FILTERS[0], KERNEL, stride=STRIDE),
            nn.ReLU(),
            nn.MaxPool1d(POOL),
            nn.Conv1d(FILTERS[0], FILTERS[1], KERNEL, stride=STRIDE),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(positions * FILTERS[1], HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, classes),
        )
        self.loss = torch.compile(self._loss, dynamic=False) if compiled else self._loss
        self.threads = None
        self.versions = {"torch": torch.__version__}

    def _loss(self, X, signs):
        return (1 - signs * self.network(X)).clamp_min(0).square().mean()

    def _epoch(self, X, signs, adam):
        for batch in self.torch.randperm(len(X)).split(self.batch_size):
            adam.zero_grad(set_to_none=True)
            self.loss(X[batch], signs[batch]).backward()
            adam.step()

    def _choose_threads(self, X, signs):
        """Takes the number of threads that is faster for a few batches."""
        torch, few = self.torch, 20 * self.batch_size
        seconds = {}
        for n in sorted({1, os.cpu_count() or 1}):
            torch.set_num_threads(n)
            adam = torch.optim.Adam(self.network.parameters(), fused=True)
            self._epoch(X[: 2 * self.batch_size], signs[: 2 * self.batch_size], adam)
            started = time.perf_counter()
            self._epoch(X[:few], signs[:few], adam)
            seconds[n] = time.perf_counter() - started
        self.threads = min(seconds, key=seconds.get)
        torch.set_num_threads(self.threads)

    def fit_predict(self, X, y, train, test, seed):
        torch = self.torch
        X = torch.from_numpy(standardised(X, train)).permute(0, 2, 1).contiguous()
        labels = torch.from_numpy(y[train].astype(np.int64))
        signs = 2 * torch.nn.functional.one_hot(labels, self.n_classes).float() - 1
        X_train = X[torch.from_numpy(train)]
        self.network.train()
        if self.threads is None:
            self._choose_threads(X_train, signs)
        torch.manual_seed(seed)
        for parameter in self.network.parameters():
            if parameter.dim() == 1:
                torch.nn.init.zeros_(parameter)
            else:
                torch.nn.init.xavier_uniform_(parameter)
        adam = torch.optim.Adam(self.network.parameters(), LEARNING_RATE, eps=1e-7, fused=True)
        for _ in range(self.epochs):
            self._epoch(X_train, signs, adam)
        self.network.eval()
        with torch.no_grad():
            return self.network(X[torch.from_numpy(test)]).argmax(1).numpy()


def megabytes_at_most():
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def run(name, path, epochs, batch_size):
    """Runs one estimator over the folds of the windows in `path`, and returns its figures."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import LeaveOneGroupOut

    with np.load(path) as arrays:
        X, y, groups = arrays["X"], arrays["y"], arrays["groups"]
    n_classes = int(y.max()) + 1
    if name == "triax-study":
        return run_study(X, y, groups, epochs, batch_size)
    makers = {"triax": Triax, "keras-jax": Keras, "pytorch": PyTorch}
    sizes = (*X.shape[1:], n_classes, epochs, batch_size)
    estimator = PyTorch(*sizes, compiled=True) if name == "pytorch-compile" else makers[name](*sizes)
    before, predicted = megabytes_at_most(), np.empty_like(y)
    started, worked = time.perf_counter(), time.process_time()
    for train, test in LeaveOneGroupOut().split(X, y, groups):
        predicted[test] = estimator.fit_predict(X, y, train, test, seed=0)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "megabytes": megabytes_at_most(),
        "megabytes_before": before,
        "macro_f1": f1_score(y, predicted, average="macro"),
        "versions": estimator.versions,
    }


def run_study(X, y, groups, epochs, batch_size):
    """All folds in one call, as a fleet."""
    import triax

    before, started, worked = megabytes_at_most(), time.perf_counter(), time.process_time()
    study = triax.study(
        X, y, groups, folds="loso", seeds=1, baselines=False, epochs=epochs, batch_size=batch_size, device="cpu"
    )
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - worked,
        "megabytes": megabytes_at_most(),
        "megabytes_before": before,
        "macro_f1": study.best["pooled_macro_f1"],
        "versions": {"triax": triax.__version__},
    }


def compare(arguments):
    """Runs every estimator in a process of its own, round after round, and prints the medians."""
    import triax

    names = None if arguments.activities is None else arguments.activities.split(",")
    X, y, groups = triax.read(arguments.data, activities=names).windows(arguments.window, arguments.step)
    y = np.unique(y, return_inverse=True)[1]
    print(f"{len(X)} windows {X.shape[1:]}, {len(np.unique(groups))} folds, {arguments.epochs} epochs, batches of {arguments.batch_size}")
    found = {name: [] for name in arguments.only.split(",")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "windows.npz"
        np.savez(path, X=X, y=y, groups=groups)
        for _ in range(arguments.rounds):
            for name in found:
                command = [sys.executable, __file__, "--run", name, "--epochs", str(arguments.epochs)]
                command += ["--batch-size", str(arguments.batch_size), str(path)]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    why = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]
                    print(f"{name} is left out: {why}", file=sys.stderr)
                    continue
                found[name].append(json.loads(done.stdout.splitlines()[-1]) | {"load": os.getloadavg()[0]})
                print(json.dumps({"estimator": name} | found[name][-1]), flush=True)
    print(f"\n| estimator | seconds | times Triax | seconds of processors | MB at most | MB before | macro-F1 |\n|---|---|---|---|---|---|---|")
    median = {name: {key: np.median([run[key] for run in runs]) for key in runs[0] if key != "versions"} for name, runs in found.items() if runs}
    for name, figures in sorted(median.items(), key=lambda item: item[1]["seconds"]):
        ratio = figures["seconds"] / median["triax"]["seconds"] if "triax" in median else float("nan")
        print(
            f"| {name} | {figures['seconds']:.1f} | {ratio:.2f} | {figures['cpu_seconds']:.1f} "
            f"| {figures['megabytes']:.0f} | {figures['megabytes_before']:.0f} | {figures['macro_f1']:.3f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="recordings, or `synthetic`")
    parser.add_argument("--activities", help="those to keep, separated by commas")
    parser.add_argument("--window", default="6s")
    parser.add_argument("--step", default="3s")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default=",".join(ESTIMATORS), help="estimators, separated by commas")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run(arguments.run, arguments.data, arguments.epochs, arguments.batch_size)))
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
