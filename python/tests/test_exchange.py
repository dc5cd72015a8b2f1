"""Networks as files for other places, and from them."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import triax

pytestmark = pytest.mark.filterwarnings("ignore::triax.TriaxNote")


@pytest.fixture(scope="module")
def classifier(windows):
    X, y, _ = windows
    parameters = {"convs": ["8:5:2:2"], "hidden": [], "learning_rate": 0.01, "epochs": 5}
    return triax.TriaxClassifier(**parameters, channels=["x", "y", "z"], rate_hz=20).fit(X, y)


@pytest.mark.parametrize("to", triax.EXPORT_FORMATS)
def test_every_format_gives_the_same_classes(windows, classifier, tmp_path, to):
    X, y, _ = windows
    exported = triax.export(classifier, to=to, out=tmp_path / "file", data=(X, y))
    assert exported.path == tmp_path / "file" and exported.path.stat().st_size > 1000
    assert exported.n_windows == len(X)
    before, after = exported.accuracy
    assert before == pytest.approx(classifier.score(X, y)) and abs(before - after) < 0.02
    assert exported.macro_f1[0] > 0.4 and abs(exported.macro_f1[0] - exported.macro_f1[1]) < 0.02
    if to.endswith("int8"):
        assert exported.same_class > 0.9 and exported.largest_difference > 0
    else:
        assert exported.same_class > 0.99
        assert exported.largest_difference <= 1e-4 * max(exported.largest_score, 1)


def test_a_header_has_a_prefix_golden_windows_and_a_price(windows, classifier, tmp_path):
    X, y, _ = windows
    exported = triax.export(
        classifier, to="c", out=tmp_path / "gait.h", prefix="gait", golden=tmp_path / "golden", data=(X, y), scores="softmax"
    )
    header = exported.path.read_text(encoding="utf-8")
    assert "gait_" in header and "triax_" not in header
    spec = classifier.window_shape_[0] * 3 * 4
    assert exported.flash_bytes > 4 * 100 and exported.ram_bytes > spec and exported.multiply_adds > 1000
    inputs, outputs = (np.load(tmp_path / "golden" / f"{name}.npy") for name in ("inputs", "outputs"))
    assert inputs.shape[1:] == (120, 3) and outputs.shape == (len(inputs), 6)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)
    assert (classifier.classes_[outputs.argmax(axis=1)] == classifier.predict(inputs)).all()
    assert (tmp_path / "golden" / "golden.h").read_text(encoding="utf-8").count("gait") > 1
    page = triax.export(classifier, to="html", out=tmp_path / "page.html", data=windows)
    assert page.flash_bytes is page.ram_bytes is page.multiply_adds is None
    with pytest.raises(ValueError, match="prefix|identifier|name"):
        triax.export(classifier, to="c", out=tmp_path / "bad.h", prefix="1 gait", data=(X, y))
    assert not (tmp_path / "bad.h").exists()


def test_a_weight_file_makes_the_round_trip(windows, classifier, tmp_path):
    X, _, _ = windows
    triax.export(classifier, to="safetensors", out=tmp_path / "network.safetensors")
    again = triax.load(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(again.scores(X), classifier.decision_function(X))
    checked = triax.export(again, to="safetensors", out=tmp_path / "again.safetensors")
    assert checked.n_windows > 0 and checked.accuracy is None, "made-up windows have no classes"
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "network.safetensors").read_bytes()


@pytest.mark.parametrize("to", ["keras", "onnx"])
def test_files_of_other_programs_make_the_round_trip(windows, classifier, tmp_path, to):
    X, y, _ = windows
    file = triax.export(classifier, to=to, out=tmp_path / f"network.{to}").path
    imported = triax.import_network(file)
    assert list(imported.classes_) == list(classifier.classes_)
    assert (imported.channels, imported.rate_hz, imported.loss) == (["x", "y", "z"], 20.0, "squared_hinge")
    np.testing.assert_allclose(imported.scores(X), classifier.decision_function(X), rtol=1e-5, atol=1e-5)
    imported.save(tmp_path / "imported.safetensors")
    np.testing.assert_array_equal(triax.load(tmp_path / "imported.safetensors").scores(X), imported.scores(X))
    named = triax.import_network(file, classes="abcdef", channels=("u", "v", "w"), rate=50, loss="hinge")
    assert "".join(named.classes_) == "abcdef"
    assert (named.channels, named.rate_hz, named.loss) == (["u", "v", "w"], 50.0, "hinge")

    parameters = {**classifier.get_params(), "init_weights": file, "learning_rate": 1e-9, "epochs": 1}
    goes_on = triax.TriaxClassifier(**parameters).fit(X, y)
    np.testing.assert_allclose(goes_on.decision_function(X), classifier.decision_function(X), atol=1e-3)


def test_what_cannot_be_imported_is_refused_in_words(classifier, tmp_path):
    file = triax.export(classifier, to="keras", out=tmp_path / "network.keras").path
    for arguments, sentence in [
        ({"classes": ["a", "b"]}, "2 class names are given"),
        ({"loss": "mse"}, "loss: `mse`|loss: .*mse"),
        ({"mean": [0, 0, 0], "deviation": [1, 1, 1]}, "leave `mean` and `deviation` out"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            triax.import_network(file, **arguments)
    with pytest.raises(FileNotFoundError):
        triax.import_network(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("no network")
    with pytest.raises(ValueError, match="text.keras"):
        triax.import_network(tmp_path / "text.keras")


def test_a_network_of_a_study_is_named(windows, tmp_path):
    X, y, groups = windows
    study = triax.study(
        X, y, groups, folds="group-2", seeds=1, baselines=False, convs=["8:5:2:2"], hidden=[], epochs=1, device="cpu"
    )
    with pytest.raises(ValueError, match="name one with `member`") as refused:
        triax.export(study.path, to="c", out=tmp_path / "model.h")
    assert "--" not in str(refused.value)
    one = triax.export(study.predictor(), to="c", out=tmp_path / "model.h", member="1:0")
    assert "fold" in one.judged and one.accuracy is not None
    several = triax.export(study.path, to="onnx", out=tmp_path / "model.onnx")
    assert several.same_class > 0.99


def test_made_up_windows_are_told_and_errors_are_those_of_the_library(windows, small, tmp_path):
    X, y, _ = windows
    classifier = triax.TriaxClassifier(**small)
    with pytest.raises(NotFittedError):
        triax.export(classifier, to="html", out=tmp_path / "page.html")
    classifier.fit(X, y)
    with pytest.warns(triax.TriaxNote, match="made-up windows. Name some with `data`") as told:
        triax.export(classifier, to="html", out=tmp_path / "page.html")
    assert all(warning.filename == __file__ for warning in told), "the line of the user is named"
    with pytest.raises(ValueError, match="name recordings with `data`"):
        triax.export(classifier, to="c-int8", out=tmp_path / "model.h")
    with pytest.raises(ValueError, match="`papyrus` is none of"):
        triax.export(classifier, to="papyrus", out=tmp_path / "page")
    with pytest.raises(ValueError, match="softmax"):
        triax.export(classifier, to="html", out=tmp_path / "page", scores="probabilities")
    with pytest.raises(ValueError, match="data has 1 parts"):
        triax.export(classifier, to="html", out=tmp_path / "page", data=[X])
    with pytest.raises(ValueError, match="colums"):
        triax.export(classifier, to="html", out=tmp_path / "page", data=(X, y), colums="x")
    with pytest.raises(FileNotFoundError):
        triax.export(classifier, to="html", out=tmp_path / "nowhere" / "page.html")
    with pytest.raises(FileNotFoundError):
        triax.export(tmp_path / "nothing", to="html", out=tmp_path / "page.html")
