"""Studies and audits of arrays and of recordings."""

import builtins
from contextlib import contextmanager

import numpy as np
import pytest

import triax

pytestmark = pytest.mark.filterwarnings("ignore::triax.TriaxNote")
SMALL = {"hidden": [], "learning_rate": 0.01, "epochs": 5, "seeds": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def made(windows, tmp_path_factory):
    X, y, groups = windows
    out = tmp_path_factory.mktemp("studies") / "first"
    vary = {"loss": ["hinge", "squared_hinge"], "convs": [["8:5:2:2"]]}
    return triax.study(X, y, groups, vary=vary, folds="group-4", out=out, channels=["x", "y", "z"], **SMALL)


def test_results_are_a_frame(made):
    pandas = pytest.importorskip("pandas")
    results = made.results
    assert isinstance(results, pandas.DataFrame) and len(results) == 8
    assert set(results.loss) == {"hinge", "squared_hinge"} and results.macro_f1.between(0, 1).all()
    assert len(made.history) == 8 * 5 and set(made.subjects.columns) >= {"training", "subject", "macro_f1"}
    assert made.best["name"] in set(results.setting) and made.best["kind"] == "network"
    assert {one["kind"] for one in made.summary["competitors"]} == {"network", "baseline"}


def test_results_are_arrays_without_pandas(made, monkeypatch):
    pytest.importorskip("pandas")
    frame, real = made.results, builtins.__import__
    refuse = lambda name, *rest: (_ for _ in ()).throw(ImportError(name)) if name == "pandas" else real(name, *rest)
    monkeypatch.setattr(builtins, "__import__", refuse)
    arrays = made.results
    assert isinstance(arrays, dict) and list(arrays) == list(frame.columns)
    np.testing.assert_array_equal(arrays["training"], np.arange(8))
    np.testing.assert_allclose(arrays["macro_f1"], frame.macro_f1)
    assert list(arrays["setting"]) == list(frame.setting)


def test_the_report_is_that_of_the_command(made, tmp_path):
    html = made.report()
    assert html == (made.path / "report.html").read_text(encoding="utf-8") and "loss=squared_hinge" in html
    assert made.report(tmp_path / "copy.html").read_text(encoding="utf-8") == html


def test_the_same_call_goes_on_and_another_is_refused(windows, made):
    X, y, groups = windows
    before = (made.path / "trainings" / "00000.safetensors").stat().st_mtime_ns
    vary = {"loss": ["hinge", "squared_hinge"], "convs": ["8:5:2:2"]}
    again = triax.study(X, y, groups, vary=vary, folds="group-4", out=made.path, channels=["x", "y", "z"], **SMALL)
    assert again.summary == made.summary
    assert (made.path / "trainings" / "00000.safetensors").stat().st_mtime_ns == before, "nothing was trained again"
    with pytest.raises(ValueError, match="holds other windows"):
        triax.study(X[:-1], y[:-1], groups[:-1], out=made.path, channels=["x", "y", "z"], **SMALL)
    with pytest.raises(OSError, match="it holds another study"):
        triax.study(X, y, groups, folds="group-3", out=made.path, channels=["x", "y", "z"], **SMALL)


def test_its_networks_predict_together(windows, made):
    X, y, _ = windows
    predictor = made.predictor()
    assert predictor.n_networks == 4 and predictor.channels == ["x", "y", "z"]
    assert (predictor.predict(X) == y).mean() > 0.4
    assert (triax.load(made.path, setting=made.best["name"]).scores(X) == predictor.scores(X)).all()
    with pytest.raises(ValueError, match="a weight file holds one"):
        predictor.save(made.path / "no.safetensors")
    with pytest.raises(ValueError, match="has no setting `other`"):
        triax.load(made.path, setting="other")
    with pytest.raises(ValueError, match="leave `weights` best out"):
        triax.load(made.path, weights="best")


def test_a_study_that_was_stopped_is_no_result_and_goes_on(windows, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    @contextmanager
    def stopping(verbose, what):
        def show(steps, n_steps, epoch):
            raise Stopped

        yield show

    X, y, groups = windows
    call = {"folds": "group-2", "baselines": False, "convs": ["8:5:2:2"], "out": tmp_path / "stopped"} | SMALL
    with monkeypatch.context() as patched:
        patched.setattr("triax._studies.progress", stopping)
        with pytest.raises(Stopped):
            triax.study(X, y, groups, **call | {"epochs": 5000})
    with pytest.raises(ValueError, match="go on with triax study --resume"):
        triax.load(call["out"])
    with pytest.raises(OSError, match="it holds another study"):
        triax.study(X, y, groups, **call)


def test_a_study_without_a_folder_leaves_none_behind(windows):
    X, y, groups = windows
    study = triax.study(X, y, groups, folds="group-2", baselines=False, convs=["8:5:2:2"], **SMALL)
    path = study.path
    assert path.exists() and len(study.report()) > 1000
    del study
    assert not path.exists()


def test_it_refuses_in_words(windows):
    X, y, groups = windows
    with pytest.raises(ValueError, match="the setting `window` cannot vary"):
        triax.study(X, y, groups, vary={"window": [60]}, **SMALL)
    with pytest.raises(ValueError, match="write a list"):
        triax.study(X, y, groups, vary={"loss": "hinge"}, **SMALL)
    with pytest.raises(ValueError, match="y is missing"):
        triax.study(X, **SMALL)
    with pytest.raises(ValueError, match="leave y and groups out"):
        triax.study("synthetic", y, **SMALL)
    with pytest.raises(ValueError, match="NaN"):
        triax.study(np.full_like(X, np.nan), y, groups, **SMALL)
    with pytest.raises(ValueError, match="folds"):
        triax.study(X, y, groups, folds="loco", **SMALL)


def test_audits(windows, made):
    X, y, groups = windows
    sound = triax.audit(X, y, groups, folds="loso")
    assert not sound.leaks and "leave one subject out" in str(sound) and sound.findings
    doubled = triax.audit(np.concatenate([X, X]), np.concatenate([y, y]), folds="random-2")
    assert doubled.leaks and "leaks" in repr(doubled)
    of_study = triax.audit(made.path)
    assert not of_study.leaks and of_study.facts["n_folds"] == 4
    assert not triax.audit("synthetic", step=600).leaks
