"""The classifier keeps scikit-learn's contract, and works in its tools."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, GroupKFold, LeaveOneGroupOut, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import triax
from triax import TriaxClassifier

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a window of weight 2 is not that window twice: minibatches, and the order that they are drawn in, are others"
    )
}


@parametrize_with_checks(
    # Ten epochs of ten steps are too few for the checks' little sets.
    [TriaxClassifier(epochs=30), TriaxClassifier(epochs=30, loss="categorical_crossentropy")],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
)
def test_contract(estimator, check):
    check(estimator)


def test_leave_one_group_out(windows, small):
    X, y, groups = windows
    scores = cross_val_score(TriaxClassifier(**small), X, y, groups=groups, cv=LeaveOneGroupOut())
    assert len(scores) == len(set(groups)) == 20
    assert scores.mean() > 0.3, "more than by chance, which is 0.17"


def test_pipeline_and_grid(windows, small):
    X, y, groups = windows
    pipeline = make_pipeline(FunctionTransformer(np.negative), TriaxClassifier(**small))
    grid = GridSearchCV(pipeline, {"triaxclassifier__loss": ["hinge", "squared_hinge"]}, cv=GroupKFold(2), n_jobs=2)
    grid.fit(X, y, groups=groups)
    assert grid.best_params_["triaxclassifier__loss"] in ("hinge", "squared_hinge")
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()
    assert "triaxclassifier" in pipeline._repr_html_()


def test_weights_and_groups_are_routed(windows, small):
    import sklearn

    X, y, groups = windows
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = TriaxClassifier(**small, valid_fraction=0.3).set_fit_request(groups=True, sample_weight=True)
        classifier.set_score_request(sample_weight=True)
        weights = np.ones(len(y))
        scores = cross_val_score(classifier, X, y, cv=GroupKFold(2), params={"groups": groups, "sample_weight": weights})
    assert np.isfinite(scores).all()


def test_hinge_scores_are_calibrated_and_not_called_probabilities(windows, small):
    X, y, _ = windows
    margins = TriaxClassifier(**small).fit(X, y)
    assert not hasattr(margins, "predict_proba")
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'") as raised:
        margins.predict_proba(X)
    assert "CalibratedClassifierCV" in str(raised.value.__cause__)
    calibrated = CalibratedClassifierCV(TriaxClassifier(**small), cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_probabilities_are_the_softmax_of_the_scores(windows, small):
    X, y, _ = windows
    classifier = TriaxClassifier(**small, loss="categorical_crossentropy").fit(X, y)
    scores, probabilities = classifier.decision_function(X).astype(float), classifier.predict_proba(X)
    np.testing.assert_allclose(probabilities, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True))
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(X)).all()
    assert classifier.temperature_ == 1, "no window was held out"
    assert cross_val_predict(clone(classifier), X, y, cv=2, method="predict_proba").shape == (len(X), 6)


def test_probabilities_are_calibrated_by_windows_held_out(windows, small, tmp_path):
    X, y, groups = windows
    classifier = TriaxClassifier(**small, loss="categorical_crossentropy", valid_fraction=0.3).fit(X, y, groups)
    assert 0 < classifier.temperature_ != 1
    scores, probabilities = classifier.decision_function(X) / classifier.temperature_, classifier.predict_proba(X)
    np.testing.assert_allclose(probabilities, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), rtol=1e-4)
    classifier.save(tmp_path / "gait.safetensors")
    loaded = triax.load(tmp_path / "gait.safetensors")
    assert loaded.temperature == classifier.temperature_
    np.testing.assert_array_equal(loaded.predict_proba(X), probabilities)


def test_two_classes_have_one_score(windows, small):
    X, y, _ = windows
    y = np.isin(y, ["walking", "jogging"])
    classifier = TriaxClassifier(**small).fit(X, y)
    scores = classifier.decision_function(X)
    assert scores.shape == (len(X),)
    np.testing.assert_array_equal(classifier.predict(X), scores > 0)


def test_pickles_predict_the_same(windows, small):
    X, y, _ = windows
    classifier = TriaxClassifier(**small).fit(X, y)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.decision_function(X), classifier.decision_function(X))
    assert again.get_params() == classifier.get_params()
    unfitted = pickle.loads(pickle.dumps(TriaxClassifier(**small)))
    assert unfitted.get_params() == TriaxClassifier(**small).get_params()


def test_optuna(windows, small):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    X, y, groups = windows

    def objective(trial):
        classifier = TriaxClassifier(
            convs=trial.suggest_categorical("convs", ["8:5:2:2", "8:3:2:2,8:3:2"]),
            hidden=[],
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            epochs=1,
        )
        return cross_val_score(classifier, X, y, groups=groups, cv=GroupKFold(2)).mean()

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(0))
    study.optimize(objective, n_trials=3)
    assert 0 < study.best_value <= 1
