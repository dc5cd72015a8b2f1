"""Leaves one person out after the other, for Triax and for recipes that papers on activity recognition use, on the same
windows; judges each person, and compares the recipes over people.

What is trained is kept in a scratch folder, one for each set of windows and recipes, so that the same call goes on where it
was interrupted. Results go to benches/runs/ as dated files.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tomllib

import numpy as np

import judging
import ours
import peers

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from machine import commit, load_average, machine  # noqa: E402, of all comparisons

# What decides on a result of another recipe, beside the windows.
RECIPES = ("features.py", "judging.py", "networks.py", "peers.py", "requirements.txt")
# Triax's rows by their names in `--peers`: their names in tables, and their settings.
OURS = {
    "triax": ("Triax, default", {}),
    "triax-subject": ("Triax, `--preset subject`", {"preset": "subject"}),
}


def options():
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="benches/strangers/run", description=__doc__)
    names = [*OURS, *peers.PEERS]
    parser.add_argument("--data", default="synthetic", help="recordings, as `triax study` takes them (default: the built-in set)")
    parser.add_argument("--activities", help="those to keep, separated by commas")
    parser.add_argument("--rate", type=float, help="resample to so many samples a second")
    parser.add_argument("--window", default="6s", help="length of a window (default 6s)")
    parser.add_argument("--step", default="3s", help="from one window to the next (default 3s)")
    parser.add_argument("--rounds", type=int, default=1, help="trainings of each for each person, with other seeds (default 1)")
    everyone = ",".join(names)
    parser.add_argument("--peers", default=everyone, help=f"who takes part, separated by commas (default: {everyone})")
    parser.add_argument("--config", type=pathlib.Path, action="append", default=[], metavar="FILE.toml",
                        help="another row of Triax, with the [settings] of a study file; can be repeated")
    parser.add_argument("--study", action="append", default=[], metavar="NAME=DIR",
                        help="another row, with the people of a finished study, or of a `triax tune --nested`; can be repeated")
    parser.add_argument("--epochs", type=int, help="epochs of all networks instead of their own: for a trial")
    parser.add_argument("--scratch", type=pathlib.Path, help="folder of what is trained (default: ~/.cache/triax-strangers)")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "runs", help="folder of the results")
    args = parser.parse_args()
    args.peers = [name for name in args.peers.split(",") if name]
    if unknown := [name for name in args.peers if name not in names]:
        parser.error(f"--peers: {', '.join(unknown)} is none of {', '.join(names)}")
    args.study = [tuple(one.split("=", 1)) for one in args.study]
    if any(len(one) != 2 for one in args.study):
        parser.error("--study: write NAME=DIR")
    if args.rounds < 1 or (args.epochs is not None and args.epochs < 1):
        parser.error("rounds and epochs must be at least 1")
    return args


def data_settings(args):
    """The settings of the recordings, as Triax takes them."""
    settings = {"data": args.data, "rate": args.rate, "activities": args.activities and args.activities.split(",")}
    return {name: value for name, value in settings.items() if value is not None}


def settings_of(path):
    """The settings in a study file; recordings are those of the command line.

    Raises
    ------
    ValueError
        If it is no study file of one setting.
    """
    try:
        file = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"{path}: {problem}") from None
    if "settings" not in file:
        raise ValueError(f"{path} has no [settings]")
    if "vary" in file:
        raise ValueError(f"{path} varies settings, and the best would be chosen by those who judge it: leave [vary] out")
    return file["settings"]


def cut(args):
    """The windows that Triax trains on, as arrays."""
    import triax

    settings = data_settings(args)
    recordings = triax.read(settings.pop("data"), **settings)
    X, y, people = recordings.windows(args.window, args.step)
    if len(np.unique(people)) < 2:
        sys.exit(f"{args.data} tells {len(np.unique(people))} people apart: leaving one out takes two or more")
    if recordings.rate_hz is None:
        sys.exit(f"{args.data} does not tell its rate, which features need: give `--rate`")
    return {"X": X, "y": y, "people": people, "rate_hz": np.float64(recordings.rate_hz)}


def scratch_folder(args, arrays):
    """The folder of what is trained on these windows, with the windows in it."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    for name in RECIPES:
        digest.update((HERE / name).read_bytes())
    digest.update(repr(args.epochs).encode())
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "triax-strangers"
    folder = (args.scratch or cache) / digest.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "windows.npz").exists():
        np.savez(folder / "partial.npz", **arrays)
        (folder / "partial.npz").replace(folder / "windows.npz")
    return folder


def build_of_triax():
    """The digest of the compiled package: what another build has trained is trained anew."""
    from triax import _triax

    return hashlib.sha256(pathlib.Path(_triax.__file__).read_bytes()).hexdigest()


def in_process(script, *arguments):
    """Runs a script of this folder in a process of its own; ends the comparison if it fails."""
    done = subprocess.run([sys.executable, "-B", HERE / script, *map(str, arguments)])
    if done.returncode != 0:
        sys.exit(f"{script} {arguments[0]} failed with exit code {done.returncode}; the same call goes on from there")


def row_of_triax(args, folder, name, settings):
    """Trains and reads a study of Triax with these settings."""
    trial = {"epochs": args.epochs} if args.epochs else {}
    settings = {"window": args.window, "step": args.step, "device": "cpu"} | settings | data_settings(args) | trial
    key = hashlib.sha256(json.dumps([settings, args.rounds, build_of_triax()], sort_keys=True).encode()).hexdigest()[:16]
    study = folder / f"study-{key}"
    print(f"{name}: {study}", file=sys.stderr)
    in_process("ours.py", study, json.dumps(settings), "--rounds", args.rounds)
    # Results do not tell where this machine has the recordings.
    told = settings | {"data": pathlib.Path(args.data).name}
    return ours.read(study) | {"name": name, "is_triax": True, "settings": told, "packages": ["triax"]}


def row_of_peer(args, folder, name):
    """Trains and reads a recipe of others."""
    title, packages, _ = peers.PEERS[name]
    epochs = ["--epochs", args.epochs] if args.epochs else []
    in_process("peers.py", name, folder / "windows.npz", folder / name, "--rounds", args.rounds, *epochs)
    return peers.read(folder / name, args.rounds) | {"name": title, "is_triax": False, "packages": packages}


def command():
    """The command line, with the names of absolute paths instead of the places where this machine has them."""
    words = []
    for argument in sys.argv[1:]:
        before, sign, value = argument.rpartition("=")
        words.append(before + sign + (pathlib.Path(value).name if os.path.isabs(value) else value))
    return shlex.join(["benches/strangers/run", *words])


def check_people(rows, everyone):
    """Ends the comparison if a row judges others than `everyone`: paired tests need the same people."""
    for row in rows:
        others = everyone ^ set(row["people"])
        if others:
            sys.exit(f"{row['name']} and the windows differ in who is judged: {', '.join(sorted(others))}")


def judge(rows):
    """Adds to each row its estimate, and how it stands to the best of Triax, where Triax takes part."""
    for row in rows:
        row["macro_f1"] = judging.estimate(list(row["people"].values()))
        row["versions"] = {name: importlib.metadata.version(name) for name in row["packages"]}
    best = max((row for row in rows if row["is_triax"]), key=lambda row: row["macro_f1"]["mean"], default=None)
    if best is None:
        return
    others = [row for row in rows if row is not best]
    for row in others:
        row["against_best"] = judging.compared(row["people"], best["people"])
    for row, p in zip(others, judging.holm([row["against_best"]["p"] for row in others])):
        row["against_best"]["p_holm"] = p


def table(rows):
    """The rows as Markdown, the best first."""
    interval = lambda of: f"[{of['low']:.3f}, {of['high']:.3f}]" if "low" in of else "n/a"  # noqa: E731
    seconds = lambda of: "n/a" if of is None else f"{of:,.0f}"  # noqa: E731
    lines = [
        "| who | macro-F1 | 95 % interval | against the best of Triax | p (Holm) | processor s | wall s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda row: -row["macro_f1"]["mean"]):
        versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        against, p = "–", "–"
        if found := row.get("against_best"):
            against, p = f"{found['mean']:+.3f} {interval(found)}", f"{found['p']:.3g} ({found['p_holm']:.3g})"
        lines.append(
            f"| {row['name']} ({versions}) | {row['macro_f1']['mean']:.3f} | {interval(row['macro_f1'])} | {against} | {p} "
            f"| {seconds(row['processor_seconds'])} | {seconds(row['seconds'])} |"
        )
    return "\n".join(lines)


def other_windows(rows, job):
    """A sentence on each row whose windows are cut in another way."""
    for row in rows:
        if row["is_triax"] and row["window"] is None:
            yield f"{row['name']} cuts windows as each of its searches has chosen, from the same recordings"
        elif row["is_triax"] and (row["window"], row["n_windows"]) != (job["window"], job["windows"]):
            how = f"windows of {row['window']} samples every {row['step']}, {row['n_windows']:,} in all"
            yield f"{row['name']} cuts {how}, from the same recordings"


def page(result):
    """The dated file for a reader."""
    on, job, load = result["machine"], result["job"], result["load_average"]["before"]
    notes = "".join(f"* {sentence}.\n" for sentence in other_windows(result["rows"], job))
    return f"""# Triax and other recipes on strangers, {result['started']}

{job['data']}: {job['windows']:,} windows of {job['window']}×{job['channels']} of {job['people']} people, {job['classes']}
classes, {job['rate_hz']:g} Hz. Each person is judged by trainings on all others, {job['rounds']} for each recipe. Macro-F1 is
the mean over people, its interval a bootstrap over people, p Wilcoxon's signed-rank test over people. Seconds are of all
trainings together, compilation included. The best of Triax is chosen by those who judge it.

{table(result['rows'])}

{notes}* Command: `{result['command']}`
* Commit: {result['commit']}
* Machine: {on['cpu']}, {on['logical_cpus']} logical CPUs, {on['system']}, Python {on['python']}
* Load average before the first training: {'not told by the system' if load is None else f'{load:.2f}'}
"""


def main():
    args = options()
    started = datetime.datetime.now(datetime.timezone.utc)
    load_before = load_average()
    try:
        configs = {f"Triax, {path.stem}": settings_of(path) for path in args.config}
        finished = {name: ours.read(pathlib.Path(folder)) for name, folder in args.study}
    except (OSError, ValueError) as problem:
        sys.exit(f"{problem}")

    arrays = cut(args)
    folder = scratch_folder(args, arrays)
    n_people = len(np.unique(arrays["people"]))
    print(f"{len(arrays['X'])} windows {arrays['X'].shape[1:]} of {n_people} people; scratch: {folder}", file=sys.stderr)
    chosen = {OURS[name][0]: OURS[name][1] for name in args.peers if name in OURS} | configs
    rows = [row_of_triax(args, folder, name, settings) for name, settings in chosen.items()]
    rows += [row | {"name": name, "is_triax": True, "packages": ["triax"]} for name, row in finished.items()]
    rows += [row_of_peer(args, folder, name) for name in args.peers if name in peers.PEERS]
    if not rows:
        sys.exit("nobody takes part: name some in --peers, --config or --study")
    check_people(rows, {str(person) for person in arrays["people"]})
    judge(rows)

    result = {
        "started": started.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "load_average": {"before": load_before, "after": load_average()},
        "command": command(),
        "job": {
            "data": pathlib.Path(args.data).name,
            "activities": args.activities,
            "windows": len(arrays["X"]),
            "window": arrays["X"].shape[1],
            "channels": arrays["X"].shape[2],
            "people": n_people,
            "classes": len(np.unique(arrays["y"])),
            "rate_hz": float(arrays["rate_hz"]),
            "step": args.step,
            "rounds": args.rounds,
            "epochs": args.epochs,
        },
        "rows": rows,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    stem = args.out / f"{started:%Y-%m-%d-%H%M}-strangers"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    stem.with_suffix(".md").write_text(page(result))
    print(table(rows))
    for sentence in other_windows(rows, result["job"]):
        print(f"{sentence}.")
    print(f"\n{stem}.json\n{stem}.md")


if __name__ == "__main__":
    main()
