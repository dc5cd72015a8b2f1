"""The recipes of others, each trained on all people but one, in turn.

`python peers.py NAME WINDOWS FOLDER` leaves a file of each round and person in FOLDER, and does not repeat those that are
there already.
"""

import argparse
import json
import os
import pathlib
import sys
import time

import numpy as np

import judging


class Logistic:
    """Logistic regression on classical features, standardised over the training people."""

    def prepare(self, windows, rate_hz):
        from features import features_of

        return features_of(windows, rate_hz)

    def predict(self, train, labels, test, n_classes, seed):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, labels).predict(test)


class RandomForest(Logistic):
    """A random forest of 500 trees on the same features (Breiman, "Random forests", Machine Learning 45, 2001)."""

    def predict(self, train, labels, test, n_classes, seed):
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(500, n_jobs=-1, random_state=seed).fit(train, labels).predict(test)


class MiniRocket:
    """MiniRocket with a ridge classifier (Dempster, Schmidt and Webb, "MiniRocket: a very fast (almost) deterministic
    transform for time series classification", KDD 2021), in the form and with the settings of aeon."""

    def prepare(self, windows, rate_hz):
        return np.ascontiguousarray(windows.transpose(0, 2, 1))

    def predict(self, train, labels, test, n_classes, seed):
        import numba
        from aeon.classification.convolution_based import MiniRocketClassifier

        # All processors that this process may use: aeon's own count is of those of the machine, which numba can refuse.
        threads = numba.config.NUMBA_NUM_THREADS
        return MiniRocketClassifier(n_jobs=threads, random_state=seed).fit(train, labels).predict(test)


def cnn(epochs):
    from networks import Cnn

    return Cnn(epochs)


def deep_conv_lstm(epochs):
    from networks import DeepConvLstm

    return DeepConvLstm(epochs)


# Each by its name in `--peers`: its name in tables, its packages, and what makes it, given epochs that replace its own.
PEERS = {
    "logistic": ("logistic regression on features", ["scikit-learn"], lambda epochs: Logistic()),
    "random-forest": ("random forest on features", ["scikit-learn"], lambda epochs: RandomForest()),
    "minirocket": ("MiniRocket with ridge", ["aeon", "scikit-learn"], lambda epochs: MiniRocket()),
    "cnn": ("plain CNN", ["keras", "jax"], cnn),
    "deepconvlstm": ("DeepConvLSTM", ["keras", "jax"], deep_conv_lstm),
}


def load(path):
    """Windows, classes as numbers, people and rate of the file that `compare.py` writes."""
    with np.load(path) as file:
        return file["X"], np.unique(file["y"], return_inverse=True)[1], file["people"], float(file["rate_hz"])


def write(path, record):
    """Writes `record` whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record) + "\n")
    partial.replace(path)


def timed(function):
    """What `function` returns, with wall seconds and the seconds of processors that it took."""
    started, worked = time.perf_counter(), time.process_time()
    result = function()
    return result, {"seconds": time.perf_counter() - started, "processor_seconds": time.process_time() - worked}


def run(name, windows, folder, rounds, epochs):
    """Trains what is missing in `folder`."""
    X, y, people, rate_hz = load(windows)
    n_classes, everyone = int(y.max()) + 1, np.unique(people)
    wanted = [(number, person) for number in range(rounds) for person in everyone]
    path_of = lambda number, at: folder / f"round-{number}-person-{at}.json"  # noqa: E731
    missing = [one for one in wanted if not path_of(one[0], np.searchsorted(everyone, one[1])).exists()]
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    peer = PEERS[name][2](epochs)
    inputs, times = timed(lambda: peer.prepare(X, rate_hz))
    if not (folder / "prepare.json").exists():
        write(folder / "prepare.json", times)
    for number, person in missing:
        train = people != person
        # As in a study, nobody is judged by what no one else does.
        test = ~train & np.isin(y, y[train])
        predicted, times = timed(lambda: peer.predict(inputs[train], y[train], inputs[test], n_classes, number))
        score = judging.macro_f1(y[test], predicted)
        record = {"round": number, "person": str(person), "n_windows": int(test.sum()), "macro_f1": score} | times
        write(path_of(number, np.searchsorted(everyone, person)), record)
        print(f"{name}, round {number + 1}: {person} {score:.3f}, {times['seconds']:.1f} s", file=sys.stderr, flush=True)


def read(folder, rounds):
    """The macro-F1 of each person, averaged over rounds, and the seconds of all trainings."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("round-*-person-*.json"))]
    records = [record for record in records if record["round"] < rounds]
    scores = {}
    for record in records:
        scores.setdefault(record["person"], []).append(record["macro_f1"])
    prepared = json.loads((folder / "prepare.json").read_text())
    total = lambda what: prepared[what] + sum(record[what] for record in records)  # noqa: E731
    return {
        "people": {person: float(np.mean(of)) for person, of in scores.items()},
        "seconds": total("seconds"),
        "processor_seconds": total("processor_seconds"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("windows", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run(args.name, args.windows, args.folder, args.rounds, args.epochs)


if __name__ == "__main__":
    main()
