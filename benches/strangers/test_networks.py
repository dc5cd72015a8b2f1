"""Tests of the Keras recipes, in the environment of `run`, with pytest: `pytest benches/strangers/test_networks.py`."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import networks  # noqa: E402
import peers  # noqa: E402


def swings(n):
    """Windows (n, 40, 3) of two classes, which differ in how fast they swing, and their classes."""
    rng = np.random.default_rng(0)
    classes = np.arange(n) % 2
    time = np.arange(40)[None, :, None]
    windows = np.sin(time * np.where(classes, 0.9, 0.3)[:, None, None] + rng.uniform(0, 6, (n, 1, 3)))
    return windows.astype(np.float32), classes


def test_a_fold_depends_on_its_seed_alone():
    """Neither on the folds before it, so that a run that goes on gives the same figures."""
    windows, classes = swings(96)
    network = networks.Cnn(epochs=2)
    weights = []
    for seed in (0, 1, 0):
        network.predict(windows, classes, windows, 2, seed)
        weights.append(network.network.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], weights[1])


def test_recipes_learn():
    windows, classes = swings(256)
    for recipe in (networks.Cnn(epochs=5), networks.DeepConvLstm(epochs=15)):
        predicted = recipe.predict(windows, classes, windows, 2, 0)
        assert (predicted == classes).mean() > 0.95, type(recipe).__name__


def test_parameters_of_deepconvlstm_are_those_of_its_paper():
    """Counted by hand for 113 channels and 18 classes, without the last layer: convolutions and two LSTM layers."""
    network = networks.DeepConvLstm()
    network.start((24, 113), 18, 0)
    convolutions = (5 + 1) * 64 + 3 * (5 * 64 + 1) * 64
    lstm = 4 * 128 * (113 * 64 + 128 + 1) + 4 * 128 * (128 + 128 + 1)
    assert network.network.count_params() == convolutions + lstm + (128 + 1) * 18


def test_a_network_is_a_peer(tmp_path):
    windows, classes = swings(32)
    people = np.where(np.arange(32) < 16, "a", "b")
    np.savez(tmp_path / "windows.npz", X=windows, y=np.where(classes, "fast", "slow"), people=people, rate_hz=20.0)
    peers.run("cnn", tmp_path / "windows.npz", tmp_path / "cnn", rounds=1, epochs=1)
    found = peers.read(tmp_path / "cnn", rounds=1)
    assert found["people"].keys() == {"a", "b"} and found["processor_seconds"] > 0
