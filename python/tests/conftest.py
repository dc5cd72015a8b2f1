"""Windows that the tests share: those of the built-in set."""

import warnings

import pytest

import triax


@pytest.fixture(scope="session")
def windows():
    """Windows (n, 120, 3) of six activities by twenty people: few of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", triax.TriaxNote)
        X, y, groups = triax.read("synthetic").windows(step=600)
    return X, y, groups


@pytest.fixture
def small():
    """Parameters of a classifier that trains in a moment."""
    return {"convs": ["8:5:2:2"], "hidden": [], "learning_rate": 0.01, "epochs": 5}
