"""Triax's rows: studies that leave one person out, through the Python package, which trains as `triax study` does.

`python ours.py FOLDER SETTINGS` trains a study, or goes on with it. SETTINGS is JSON.
"""

import argparse
import csv
import json
import pathlib

from peers import timed, write


def run(folder, settings, rounds):
    """Trains what is missing of the study in `folder`."""
    import triax

    is_new = not folder.exists()
    conduct = {"folds": "loso", "seeds": rounds, "baselines": False, "out": folder}
    _, times = timed(lambda: triax.study(settings.pop("data"), **conduct, **settings))
    # A study that was interrupted does not know the seconds of processors that its first part took.
    record = processor_record(folder)
    if not record.exists():
        write(record, {"processor_seconds": times["processor_seconds"] if is_new else None})


def processor_record(folder):
    """The file beside the study in `folder` with the seconds of processors that it took."""
    return folder.with_name(f"{folder.name}.processor.json")


def read(folder):
    """The macro-F1 of each person and the seconds of all trainings, of a study with one setting that left one person out, or of
    a nested search, by which each person was judged in turn.

    Raises
    ------
    ValueError
        If `folder` holds neither.
    """
    if (folder / "tune.json").exists():
        return read_search(folder)
    if not (folder / "summary.json").exists():
        raise ValueError(f"{folder} holds no finished study: summary.json is missing there")
    summary = json.loads((folder / "summary.json").read_text())
    networks = [one for one in summary["competitors"] if one["kind"] == "network"]
    if len(networks) != 1:
        raise ValueError(f"{folder} compares {len(networks)} settings, and the best is chosen by those who judge it: take one")
    if summary["folds"] != "loso":
        raise ValueError(f"the folds of {folder} are {summary['folds']}: make the study with `--folds loso`")
    record = processor_record(folder)
    return {
        "people": {one["subject"]: one["macro_f1"] for one in networks[0]["subjects"]},
        "seconds": seconds_of(folder),
        "processor_seconds": json.loads(record.read_text())["processor_seconds"] if record.exists() else None,
        "n_windows": summary["n_windows"],
        "window": summary["window"],
        "step": summary["step"],
    }


def read_search(folder):
    """The macro-F1 of each person by what the search without them has chosen, and the seconds of all trainings of these
    searches. Each has chosen its own windows.

    Raises
    ------
    ValueError
        If the search has not ended, or is not nested.
    """
    if not (folder / "summary.json").exists():
        raise ValueError(f"{folder} holds no finished search: summary.json is missing there")
    summary = json.loads((folder / "summary.json").read_text())
    if not summary["searches"]:
        raise ValueError(f"{folder} holds a search that only {len(summary['held_out'])} people judge: make it with `--nested`")
    return {
        "people": {one["subject"]: one["macro_f1"] for one in summary["judged"][0]["people"]},
        "seconds": seconds_of(folder / "nested"),
        "processor_seconds": None,
        "n_windows": None,
        "window": None,
        "step": None,
    }


def seconds_of(folder):
    """The seconds of all trainings in the studies in and below `folder`."""
    seconds = 0.0
    for path in folder.rglob("timings.csv"):
        with path.open(newline="") as file:
            seconds += sum(float(row["seconds"]) for row in csv.DictReader(file))
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("settings", type=json.loads)
    parser.add_argument("--rounds", type=int, required=True)
    args = parser.parse_args()
    run(args.folder, args.settings, args.rounds)


if __name__ == "__main__":
    main()
