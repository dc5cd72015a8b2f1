"""Tests of the comparison that need only the Python package of Triax, scikit-learn and pytest:
`pytest benches/strangers/test_compare.py`."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import features  # noqa: E402
import judging  # noqa: E402
import ours  # noqa: E402

ARGUMENTS = ["--data", "synthetic", "--rate", "20", "--step", "24s", "--epochs", "1"]

# A study that takes a second.
QUICK = {"folds": "loso", "seeds": 1, "epochs": 1, "device": "cpu"}


def run(folder, *arguments):
    """The finished process of `compare.py` with a scratch folder in `folder`."""
    command = [sys.executable, "-B", HERE / "compare.py", *ARGUMENTS, "--scratch", folder / "scratch", "--out", folder / "out"]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A folder with the results of a first run, and its JSON."""
    folder = tmp_path_factory.mktemp("strangers")
    done = run(folder, "--peers", "triax,logistic")
    assert done.returncode == 0, done.stderr
    (result,) = (folder / "out").glob("*-strangers.json")
    return folder, json.loads(result.read_text())


def test_features_are_what_they_are_called():
    rng = np.random.default_rng(0)
    swings = np.sin(np.arange(50)[None, :, None] * rng.uniform(0.1, 2.5, (4, 1, 3)))
    windows = (swings + rng.normal(size=(4, 50, 3))).astype(np.float32)
    found = features.features_of(windows, 20.0)
    for window, row in zip(windows.astype(np.float64), found, strict=True):
        r = np.corrcoef(window.T)
        wanted = [r[0, 1], r[0, 2], r[1, 2]]
        for x in (*window.T, np.linalg.norm(window, axis=1)):
            energy = abs(np.fft.rfft(x - x.mean())[1:]) ** 2
            hz = np.fft.rfftfreq(50, 1 / 20.0)[1:]
            share = energy / energy.sum()
            wanted += [x.mean(), x.std(), x.min(), x.max(), np.median(x), stats.iqr(x), np.sqrt((x**2).mean())]
            wanted += [abs(np.diff(x)).mean(), (np.diff(x > x.mean()) != 0).mean() * 49 / 50, stats.skew(x), stats.kurtosis(x)]
            wanted += [share[(hz >= low) & (hz < high)].sum() for low, high in ((0, 0.7), (0.7, 2), (2, 4), (4, 99))]
            wanted += [hz[energy.argmax()], stats.entropy(share) / np.log(len(share))]
        np.testing.assert_allclose(row, wanted, rtol=1e-9, atol=1e-9)


def test_features_of_windows_at_rest_are_finite():
    assert np.isfinite(features.features_of(np.full((2, 16, 3), 9.81, dtype=np.float32), 20.0)).all()


def test_a_class_without_windows_is_no_part_of_macro_f1():
    assert judging.macro_f1([0, 0, 1, 1], [0, 2, 1, 1]) == pytest.approx((2 / 3 + 1) / 2)


def test_people_are_compared_in_pairs():
    one, other = {"a": 0.9, "b": 0.8, "c": 0.7}, {"c": 0.6, "b": 0.7, "a": 0.8}
    found = judging.compared(one, other)
    assert found["mean"] == pytest.approx(0.1) and found["n"] == 3 and found["p"] == 0.25
    assert judging.compared(one, one)["p"] == 1.0


def test_an_interval_takes_two_people():
    assert "low" not in judging.estimate([0.5])
    found = judging.estimate([0.2, 0.8, 0.5, 0.6])
    assert 0.2 <= found["low"] < found["mean"] < found["high"] <= 0.8


def test_p_values_are_corrected_by_holm():
    assert judging.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert judging.holm([0.6, 0.7]) == [1.0, 1.0]


def test_the_same_people_judge_everyone(compared):
    _, result = compared
    rows = {row["name"]: row for row in result["rows"]}
    assert set(rows) == {"Triax, default", "logistic regression on features"}
    peer, triax = rows["logistic regression on features"], rows["Triax, default"]
    assert len(peer["people"]) == 20 and peer["people"].keys() == triax["people"].keys()
    assert triax["n_windows"] == result["job"]["windows"]
    difference = np.mean([peer["people"][one] - triax["people"][one] for one in peer["people"]])
    assert peer["against_best"]["mean"] == pytest.approx(difference) and "against_best" not in triax
    assert peer["processor_seconds"] > 0 and triax["processor_seconds"] > 0


def test_windows_folds_and_measure_are_those_of_a_study(compared, tmp_path):
    """Taking everything for the most frequent class of the others gives each person the figure that a study gives."""
    import triax

    study = triax.study("synthetic", rate=20, window="6s", step="24s", out=tmp_path / "study", **QUICK)
    own = next(one for one in study.summary["competitors"] if one["name"].startswith("majority"))
    (windows,) = (compared[0] / "scratch").glob("*/windows.npz")
    with np.load(windows) as file:
        y, people = np.unique(file["y"], return_inverse=True)[1], file["people"]
    assert len(own["subjects"]) == 20
    for one in own["subjects"]:
        is_held_out = people == one["subject"]
        most = np.bincount(y[~is_held_out]).argmax()
        figure = judging.macro_f1(y[is_held_out], np.full(is_held_out.sum(), most))
        assert (one["n_windows"], one["macro_f1"]) == (is_held_out.sum(), pytest.approx(figure))


def test_what_is_trained_is_not_trained_again(compared):
    folder, _ = compared
    (one,) = (folder / "scratch").glob("*/logistic/round-0-person-3.json")
    one.unlink()
    done = run(folder, "--peers", "triax,logistic")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("logistic, round")][0].startswith("logistic, round 1: s04")
    assert done.stderr.count("logistic, round") == 1 and one.exists()


def test_a_finished_study_is_a_row(compared):
    folder, _ = compared
    (summary,) = (folder / "scratch").glob("*/study-*/summary.json")
    done = run(folder, "--peers", "", "--study", f"tuned={summary.parent}")
    assert done.returncode == 0, done.stderr
    assert "| tuned (" in done.stdout


def test_a_study_of_other_people_is_refused(compared, tmp_path):
    import triax

    X, y, people = triax.read("synthetic", rate=20).windows("6s", "24s")
    people = np.where(people == "s01", "stranger", people)
    triax.study(X, y, people, out=tmp_path / "study", **QUICK)
    done = run(compared[0], "--peers", "logistic", "--study", f"other={tmp_path / 'study'}")
    assert done.returncode != 0 and "who is judged: s01, stranger" in done.stderr


def test_the_best_of_several_settings_is_refused(tmp_path):
    import triax

    triax.study("synthetic", rate=20, step="24s", vary={"dropout": [0.1, 0.5]}, out=tmp_path / "study", **QUICK)
    done = run(tmp_path, "--study", f"best={tmp_path / 'study'}")
    assert done.returncode != 0 and "compares 2 settings" in done.stderr


def test_a_folder_without_a_study_is_named(tmp_path):
    done = run(tmp_path, "--study", f"tuned={tmp_path / 'nothing'}")
    assert done.returncode != 0 and "holds no finished study" in done.stderr and "Traceback" not in done.stderr


def test_a_nested_search_is_read(tmp_path):
    judged = [{"name": name, "people": [{"subject": "p1", "macro_f1": f1}]} for name, f1 in [("chosen", 0.75), ("reference", 0.5)]]
    summary = {"searches": [{"name": "nested/1"}], "held_out": [], "judged": judged}
    (tmp_path / "tune.json").write_text("{}")
    with pytest.raises(ValueError, match="no finished search"):
        ours.read(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    for part in ["nested/1/generation-1", "nested/1/judgement", "search/generation-1"]:
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "timings.csv").write_text("setting,seconds\na,1.5\nb,2\n")
    row = ours.read(tmp_path)
    assert row["people"] == {"p1": 0.75}
    assert row["seconds"] == 7.0, "of the searches that leave people out"
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"searches": [], "held_out": ["p1"]}))
    with pytest.raises(ValueError, match="--nested"):
        ours.read(tmp_path)


def test_an_unknown_peer_is_named(tmp_path):
    done = run(tmp_path, "--peers", "oracle")
    assert done.returncode == 2 and "oracle is none of" in done.stderr


def test_settings_of_a_file_are_a_row(compared, tmp_path):
    (tmp_path / "wide.toml").write_text('folds = "loso"\n[settings]\ndata = "elsewhere"\nhidden = [16]\nwindow = "3s"\n')
    done = run(compared[0], "--peers", "", "--config", tmp_path / "wide.toml")
    assert done.returncode == 0, done.stderr
    assert "| Triax, wide (" in done.stdout and "wide cuts windows of 60 samples" in done.stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [("seeds = 1", "has no [settings]"), ("[settings]\n[vary]\nseed = [0, 1]", "varies settings"), ("[settings", "wrong.toml")],
)
def test_a_file_that_is_no_setting_is_refused(tmp_path, text, problem):
    (tmp_path / "wrong.toml").write_text(text)
    done = run(tmp_path, "--config", tmp_path / "wrong.toml")
    assert done.returncode != 0 and problem in done.stderr and "Traceback" not in done.stderr
