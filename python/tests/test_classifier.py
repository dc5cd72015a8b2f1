"""What the classifier promises beyond scikit-learn's contract."""

import re

import numpy as np
import pytest

import triax
from triax import SETTINGS, TriaxClassifier


@pytest.mark.parametrize("window", range(1, 31))
def test_short_windows_and_few_rows(window):
    random = np.random.default_rng(window)
    X, y = random.normal(size=(10, window, 3)), np.arange(10) % 2
    classifier = TriaxClassifier(epochs=1).fit(X, y)
    assert classifier.predict(X).shape == (10,)
    assert bool(classifier.adapted_) == (window < 13), "the reference network needs 13 samples"
    assert all(f"for windows of {window} samples" in sentence for sentence in classifier.adapted_)


def test_the_longest_kernel_that_fits_is_kept():
    X, y = np.random.default_rng(0).normal(size=(10, 2, 1)), np.arange(10) % 2
    first, second = TriaxClassifier(epochs=1).fit(X, y).adapted_
    assert first == "block 1: 32:2:2 instead of 32:3:2:2, for windows of 2 samples"
    assert second == "block 2: 64:1:2 instead of 64:3:2, for windows of 2 samples"
    X = np.random.default_rng(0).normal(size=(10, 5, 1))
    (only,) = TriaxClassifier(epochs=1, convs=[(4, 3, 1, 8)]).fit(X, y).adapted_
    assert only == "block 1: 4:3:1:3 instead of 4:3:1:8, for windows of 5 samples"
    with pytest.raises(ValueError, match="stride"):
        TriaxClassifier(convs=[(4, 3, 0)]).fit(X, y)


def test_the_same_seed_gives_the_same_bits(windows, small):
    X, y, _ = windows
    weights = [TriaxClassifier(**small, random_state=seed).fit(X, y).weights_ for seed in (7, 7, 8)]
    assert weights[0] == weights[1] != weights[2]
    drawn = [TriaxClassifier(**small, random_state=np.random.RandomState(seed)).fit(X, y).weights_ for seed in (7, 7)]
    assert drawn[0] == drawn[1] != weights[0]
    free = TriaxClassifier(**small, random_state=None)
    assert free.fit(X, y).weights_ != free.fit(X, y).weights_


def test_two_dimensions_are_samples_of_channels(windows, small):
    X, y, _ = windows
    wide = X.reshape(len(X), -1)
    deep = TriaxClassifier(**small).fit(X, y)
    flat = TriaxClassifier(**small, channels=3).fit(wide, y)
    np.testing.assert_array_equal(flat.decision_function(wide), deep.decision_function(X))
    assert flat.window_shape_ == (120, 3) and TriaxClassifier(**small).fit(wide, y).window_shape_ == (360, 1)
    with pytest.raises(ValueError, match="360 features are no samples of 7 channels"):
        TriaxClassifier(channels=7).fit(wide, y)
    with pytest.raises(ValueError, match="windows of 3 channels"):
        TriaxClassifier(channels=["x", "y"]).fit(X, y)


def test_derived_channels_are_computed_from_the_windows_that_are_given(windows, small):
    X, y, _ = windows
    derived = TriaxClassifier(**small, derive=["norm", "vertical", "horizontal"], rate_hz=20.0).fit(X, y)
    assert derived.window_shape_ == (120, 3)
    # Another way to wear the sensor, turned and mirrored.
    turned = X[:, :, [2, 0, 1]] * np.array([1, -1, 1], np.float32)
    np.testing.assert_allclose(derived.decision_function(turned), derived.decision_function(X), rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="the rate of the data is unknown"):
        TriaxClassifier(**small, derive=["linear"]).fit(X, y)


def test_weight_zero_leaves_a_window_out(windows, small):
    X, y, _ = windows
    weights = np.tile([0.0, 1.0, 1.0], len(y))[: len(y)]
    weighted = TriaxClassifier(**small, normalize="window").fit(X, y, sample_weight=weights)
    removed = TriaxClassifier(**small, normalize="window").fit(X[weights > 0], y[weights > 0])
    np.testing.assert_array_equal(weighted.decision_function(X), removed.decision_function(X))


def test_weights_weigh(windows, small):
    X, y, _ = windows
    plain = TriaxClassifier(**small).fit(X, y)
    assert TriaxClassifier(**small).fit(X, y, sample_weight=np.ones(len(y))).weights_ == plain.weights_
    heavy = TriaxClassifier(**small).fit(X, y, sample_weight=np.where(y == "sitting", 50.0, 1.0))
    assert (heavy.predict(X) == "sitting").sum() > (plain.predict(X) == "sitting").sum()
    with pytest.raises(ValueError, match="[Nn]egative"):
        TriaxClassifier(**small).fit(X, y, sample_weight=-np.ones(len(y)))


def test_class_weights(windows, small):
    X, y, _ = windows
    X, y = X[20:], y[20:]
    names, counts = np.unique(y, return_counts=True)
    balanced = len(y) / (len(names) * counts)
    fits = [
        TriaxClassifier(**small, class_weights=weights).fit(X, y).decision_function(X)
        for weights in ("balanced", list(balanced), dict(zip(names, balanced)))
    ]
    np.testing.assert_allclose(fits[0], fits[1], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(fits[1], fits[2])
    with pytest.raises(ValueError, match="class_weights names 'flying'"):
        TriaxClassifier(**small, class_weights={"flying": 2}).fit(X, y)


def test_whole_groups_are_held_out_to_be_followed(windows, small):
    X, y, groups = windows
    classifier = TriaxClassifier(**small, valid_fraction=0.25, random_state=3)
    train, valid = classifier._split(np.arange(len(y)), groups, 3)
    assert sorted([*train, *valid]) == list(range(len(y)))
    assert len(set(groups[valid])) == 5 and not set(groups[train]) & set(groups[valid])
    classifier.fit(X, y, groups=groups)
    assert set(classifier.history_) >= {"loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1"}
    assert "val_loss" not in TriaxClassifier(**small).fit(X, y).history_


def test_early_stopping_keeps_the_best_weights(windows, small):
    X, y, groups = windows
    small = {**small, "epochs": 60, "learning_rate": 0.05, "valid_fraction": 0.3}
    stopped = TriaxClassifier(**small, early_stopping=2).fit(X, y, groups=groups)
    best = int(stopped.history_["val_loss"].argmin()) + 1
    assert best < stopped.n_iter_ < 60 and stopped.n_iter_ == best + 2
    upto = TriaxClassifier(**{**small, "epochs": best}).fit(X, y, groups=groups)
    np.testing.assert_array_equal(stopped.decision_function(X), upto.decision_function(X))


def test_blocks_as_texts_and_as_tuples(windows):
    X, y, _ = windows
    forms = [["8:5:2:2", "4:3:1"], [(8, 5, 2, "2"), (4, 3, 1)], "8:5:2:2,4:3:1"]
    fits = [TriaxClassifier(convs=form, hidden=[], epochs=1).fit(X, y).weights_ for form in forms]
    assert fits[0] == fits[1] == fits[2]
    one = [TriaxClassifier(convs=form, hidden=(5, "4"), epochs=1).fit(X, y).weights_ for form in ((8, 5, 2), ["8:5:2"])]
    assert one[0] == one[1]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"loss": "mse"}, "`loss`: `mse` is none of hinge, squared_hinge"),
        ({"epochs": 0}, "`epochs` is 0; it must be at least 1"),
        ({"convs": ["8:3"]}, "convs"),
        ({"optimizer": "adam", "momentum": 0.9}, "`momentum` belongs to the optimizers sgd and rmsprop"),
        ({"device": "tpu"}, "device"),
        ({"normalize": object()}, "of which no setting can be made"),
    ],
)
def test_the_sentences_of_the_library_arrive(windows, parameters, sentence):
    X, y, _ = windows
    with pytest.raises(ValueError, match=re.escape(sentence)):
        TriaxClassifier(**parameters).fit(X, y)


def test_a_missing_file_is_an_error_of_the_system(windows, small, tmp_path):
    X, y, _ = windows
    with pytest.raises(FileNotFoundError, match="cannot start from these weights"):
        TriaxClassifier(**small, init_weights=tmp_path / "none.safetensors").fit(X, y)


def test_every_setting_of_the_network_and_the_training_is_a_parameter():
    # One that is new in the library belongs into `__init__` and the docstring of the class.
    groups = {"Network", "Training", "Augmentation"}
    settings = {name for name, setting in SETTINGS.items() if setting.group in groups} - {"seed"}
    # The estimator is a network. Classical models are scikit-learn's own.
    settings -= {"model", "features", "regularization"}
    parameters = set(TriaxClassifier().get_params())
    assert settings <= parameters
    own = {"channels", "rate_hz", "random_state", "valid_fraction", "verbose"}
    assert parameters - settings - own == {"derive", "normalize", "device"} <= set(SETTINGS)


def test_the_docstring_tells_the_defaults():
    described = dict(re.findall(r"^    (\w+) : .*\n((?:        .*\n)+)", TriaxClassifier.__doc__, flags=re.MULTILINE))
    for name in TriaxClassifier().get_params():
        assert name in described, f"{name} is not described"
        default = SETTINGS[name].default if name in SETTINGS and name not in {"channels", "device", "valid_fraction"} else None
        for value in default if isinstance(default, list) else [default]:
            if value is not None and value != "none" and name != "class_weights":
                told = " ".join(described[name].split())
                assert re.search(rf"By default.*{re.escape(str(value).removesuffix('.0'))}", told), f"{name}: {value} in {told}"


def test_the_curves_are_in_the_html(windows, small):
    X, y, groups = windows
    classifier = TriaxClassifier(**small, valid_fraction=0.3)
    assert "polyline" not in classifier._repr_html_()
    html = classifier.fit(X, y, groups=groups)._repr_html_()
    assert "TriaxClassifier" in html and html.count("<polyline") == 4 and "Loss over 5 epochs" in html
    assert classifier._repr_mimebundle_()["text/html"].count("<polyline") == 4


def test_a_bar_shows_progress(windows, small, capsys):
    pytest.importorskip("tqdm")
    X, y, _ = windows
    TriaxClassifier(**small, verbose=1).fit(X, y)
    steps = 5 * -(-len(X) // 32)
    shown = capsys.readouterr().err
    assert f"{steps}/{steps}" in shown and "epoch=5" in shown and "loss=" in shown
    TriaxClassifier(**small).fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_a_weight_file_is_read_by_load(windows, small, tmp_path):
    X, y, _ = windows
    classifier = TriaxClassifier(**small, channels=["x", "y", "z"], rate_hz=20).fit(X, y)
    classifier.save(tmp_path / "network.safetensors")
    loaded = triax.load(tmp_path / "network.safetensors")
    assert (loaded.channels, loaded.rate_hz, loaded.window, loaded.loss) == (["x", "y", "z"], 20.0, 120, "squared_hinge")
    np.testing.assert_array_equal(loaded.scores(X), classifier.decision_function(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == classifier.weights_
    with pytest.raises(ValueError, match="no probabilities"):
        loaded.predict_proba(X)
    with pytest.raises(ValueError, match="windows of 60 samples in 3 channels, where this network reads 120"):
        loaded.predict(X[:, :60])
    with pytest.raises(ValueError, match="score that is not finite"):
        loaded.predict(np.full_like(X, np.inf))
