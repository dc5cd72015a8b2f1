"""Networks as files for other places."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import triax

pytestmark = pytest.mark.filterwarnings("ignore::triax.TriaxNote")


def test_a_classifier_becomes_a_page_and_a_weight_file(windows, small, tmp_path):
    X, y, _ = windows
    classifier = triax.TriaxClassifier(**small, channels=["x", "y", "z"], rate_hz=20).fit(X, y)
    found = triax.export(classifier, to="html", out=tmp_path / "page.html", data=(X, y))
    assert found["n_windows"] == len(X) and found["same_class"] > 0.99
    assert found["largest_difference"] <= 1e-4 * max(found["largest_score"], 1)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

    triax.export(classifier, to="safetensors", out=tmp_path / "network.safetensors")
    again = triax.load(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(again.scores(X), classifier.decision_function(X))
    assert triax.export(again, to="safetensors", out=tmp_path / "again.safetensors")["n_windows"] > 0
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "network.safetensors").read_bytes()


def test_made_up_windows_are_told_and_errors_are_those_of_the_library(windows, small, tmp_path):
    X, y, _ = windows
    classifier = triax.TriaxClassifier(**small)
    with pytest.raises(NotFittedError):
        triax.export(classifier, to="html", out=tmp_path / "page.html")
    classifier.fit(X, y)
    with pytest.warns(triax.TriaxNote, match="made-up windows"):
        triax.export(classifier, to="html", out=tmp_path / "page.html")
    with pytest.raises(ValueError, match="`papyrus` is none of"):
        triax.export(classifier, to="papyrus", out=tmp_path / "page")
    with pytest.raises(ValueError, match="softmax"):
        triax.export(classifier, to="html", out=tmp_path / "page", scores="probabilities")
    with pytest.raises(FileNotFoundError):
        triax.export(classifier, to="html", out=tmp_path / "nowhere" / "page.html")
    with pytest.raises(FileNotFoundError):
        triax.export(tmp_path / "nothing", to="html", out=tmp_path / "page.html")
