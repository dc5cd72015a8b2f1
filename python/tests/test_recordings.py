"""Recordings in the formats of the command line."""

import numpy as np
import pytest

import triax


@pytest.fixture
def table(tmp_path):
    """A table of two subjects and two activities, sampled 20 times a second."""
    path = tmp_path / "recordings.csv"
    lines = ["subject,activity,timestamp_ms,x,y,z"]
    for number, (subject, activity) in enumerate((s, a) for s in ("anna", "bert") for a in ("walk", "sit")):
        lines += [f"{subject},{activity},{number * 100_000 + 50 * n},{n % 7},{-n % 5},{n % 3 * 0.5}" for n in range(100)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.filterwarnings("ignore::triax.TriaxNote")
def test_a_table(table):
    recordings = triax.read(table)
    assert len(recordings) == 4 and recordings.subjects == ["anna", "bert"]
    assert recordings.channels == ["x", "y", "z"] and recordings.classes == ["sit", "walk"]
    assert recordings.rate_hz == pytest.approx(20) and recordings.window is None and "anna" not in repr(recordings)
    first = recordings[0]
    assert (first.subject, first.activity, first.part) == ("anna", "walk", None)
    assert first.source.startswith("recordings.csv:2")
    np.testing.assert_array_equal(first.values[:, 0], np.arange(100, dtype=np.float32) % 7)
    np.testing.assert_allclose(first.times[:3] - first.times[0], [0, 0.05, 0.1])
    assert [one.subject for one in recordings[2:]] == ["bert", "bert"] and recordings[-1].activity == "sit"
    with pytest.raises(IndexError):
        recordings[4]


@pytest.mark.filterwarnings("ignore::triax.TriaxNote")
def test_windows(table):
    recordings = triax.read(table, channels=["z", "x"], activities=["walk"])
    X, y, groups = recordings.windows("1s", "50%")
    assert X.shape == (2 * 9, 20, 2) and set(y) == {"walk"} and list(np.unique(groups)) == ["anna", "bert"]
    np.testing.assert_array_equal(X[1, :, 1], np.arange(10, 30, dtype=np.float32) % 7)
    with pytest.raises(ValueError, match="longest has 100"):
        recordings.windows(101)


@pytest.mark.filterwarnings("ignore::triax.TriaxNote")
def test_columns_and_names_are_told_as_a_dict_or_as_on_the_command_line(table):
    expected = triax.read(table).fingerprint
    table.write_text(table.read_text().replace("subject,activity,", "person,deed,").replace(",sit,", ",sat,"))
    for pairs in (lambda told: told, lambda told: [f"{one}={other}" for one, other in told.items()]):
        recordings = triax.read(table, map=pairs({"person": "subject", "deed": "activity"}), rename=pairs({"sat": "sit"}))
        assert recordings.fingerprint == expected and recordings.classes == ["sit", "walk"]
    with pytest.raises(ValueError, match="colour"):
        triax.read(table, map={"person": "colour"})


def test_errors_name_file_line_and_remedy(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        triax.read(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="there is no setting called `chanels`.*`triax.SETTINGS` lists"):
        triax.read(table, chanels=["x"])
    table.write_text(table.read_text().replace("subject,activity,", "subject,deed,"))
    with pytest.raises(ValueError, match=r"recordings\.csv.* with `map`"):
        triax.read(table)


def test_what_was_mended_is_a_warning(table):
    table.write_text(table.read_text().replace("anna,walk,50,1,", "anna,walk,50,,"))
    with pytest.warns(triax.TriaxNote, match=r"row dropped \(1 row, first recordings\.csv:3\)") as told:
        recordings = triax.read(table)
    assert sum(len(one.values) for one in recordings) == 399
    assert all(warning.filename == __file__ for warning in told), "the line of the user is named"
