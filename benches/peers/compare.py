"""Runs Triax and its peers in turn, several times over, checks that all did the same job, and prints how they compare.

Every peer runs in its own process, alone on the machine; a round runs each once, and the rounds follow one another, so that
a machine that throttles does so for all. Raw results go to benches/runs/ as dated files.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

import job

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from machine import ROOT, commit, load_average, machine  # noqa: E402, of all comparisons

TRIAX = "Triax"
# Options of `triax bench`.
OURS = {
    TRIAX: ["--engine", "fused"],
    "Triax, a fleet of 8, each model": ["--engine", "fused", "--fleets", "8"],
    "Triax, Burn engine": ["--engine", "burn"],
}
PEERS = {
    "JAX, jit and scan": ["jax_scan.py"],
    "JAX, vmap over 8 models, each model": ["jax_scan.py", "--mode", "fleet"],
    "PyTorch, eager": ["pytorch.py", "--mode", "eager"],
    "PyTorch, torch.compile": ["pytorch.py", "--mode", "compile"],
    "Keras on TensorFlow, plain fit": ["keras_fit.py", "--mode", "fit"],
    "Keras on TensorFlow, steps_per_execution=236": ["keras_fit.py", "--mode", "tuned"],
}
FIRST_LOSS_TOLERANCE = 1e-5


def output_of(command, **options):
    """What `command` prints; ends the comparison if it fails. Its warnings are shown only then."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{done.stderr}\n{' '.join(map(str, command))} failed with exit code {done.returncode}")
    return done.stdout


def build_triax():
    """The binary, built now."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--package", "triax"], cwd=ROOT, check=True)
    metadata = output_of(["cargo", "metadata", "--no-deps", "--locked", "--format-version", "1"], cwd=ROOT)
    name = "triax.exe" if os.name == "nt" else "triax"
    return pathlib.Path(json.loads(metadata)["target_directory"]) / "release" / name


def run_triax(binary, options, n_epochs):
    """`triax bench` on the CPU, as a peer reports."""
    command = [binary, "bench", "--json", "--device", "cpu", "--batch-sizes", str(job.BATCH), *options]
    report = json.loads(output_of([*command, "--epochs", "1", "--repeats", str(n_epochs)]))
    row = report["rows"][-1]
    return {
        "epochs": [seconds / row["models"] for seconds in row["seconds_per_epoch"]["all"]],
        "first_loss": row["checked"]["first_loss"],
        "last_loss": row["last_loss"],
        "last_accuracy": row["last_accuracy"],
        "n_parameters": report["job"]["parameters"],
        "data_sha256": report["job"]["data_sha256"],
        "versions": {"triax": report["version"]},
        "settings": {"threads": row["device"]["threads"], "models": row["models"]},
        "sgemm_gflops": report["sgemm_gflops"],
        "peak_bytes": row["peak_bytes"],
    }


def run_peer(arguments, n_epochs):
    """A peer's report: the last line it prints."""
    command = [sys.executable, "-B", HERE / arguments[0], *arguments[1:], "--epochs", str(n_epochs)]
    return json.loads(output_of(command).splitlines()[-1])


def check(name, report, reference, data_sha256):
    """Ends the comparison if `report` is of another job than that of `reference`, Triax's first report."""
    problems = []
    if report["n_parameters"] != reference["n_parameters"]:
        problems.append(f"{report['n_parameters']} parameters, not {reference['n_parameters']}")
    if report.get("data_sha256", data_sha256) != data_sha256:
        problems.append("other windows or labels")
    first, expected = report["first_loss"], reference["first_loss"]
    if not abs(first - expected) <= FIRST_LOSS_TOLERANCE * expected:
        problems.append(f"a first loss of {first}, not {expected}")
    if not report["last_loss"] < first:
        problems.append(f"a loss that did not fall: {first} to {report['last_loss']}")
    if problems:
        sys.exit(f"{name} did another job: {'; '.join(problems)}")


def summary(name, reports, triax_median):
    """One row of the table."""
    seconds = [second for report in reports for second in report["epochs"]]
    median = statistics.median(seconds)
    return {
        "name": name,
        "median": median,
        "fastest": min(seconds),
        "slowest": max(seconds),
        "n": len(seconds),
        "ratio": median / triax_median,
        "peak_bytes": max(report["peak_bytes"] or 0 for report in reports) or None,
        "last_loss": statistics.median(report["last_loss"] for report in reports),
        "versions": reports[-1]["versions"],
    }


def table(rows):
    """The rows as Markdown, fastest first."""
    lines = [
        "| who | s/epoch, median | fastest to slowest | time against Triax | peak memory |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda row: row["median"]):
        versions = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        memory = f"{row['peak_bytes'] / 2**20:,.0f} MiB" if row["peak_bytes"] else "n/a"
        lines.append(
            f"| {row['name']} ({versions}) | {row['median']:.3f} | {row['fastest']:.3f} to {row['slowest']:.3f} "
            f"| {row['ratio']:.2f} × | {memory} |"
        )
    return "\n".join(lines)


def page(result):
    """The dated file for a reader."""
    on, load = result["machine"], result["load_average"]["before"]
    return f"""# Triax and its peers, {result['started']}

The reference job on the CPU: {job.N_WINDOWS:,} windows of {job.WINDOW}×{job.CHANNELS}, batches of {job.BATCH}, squared
hinge, Adam, dropout {job.DROPOUT}, shuffled, with loss and accuracy of the epoch. Each row is the median of its timed
epochs; warm-up and compilation are left out.

{table(result['rows'])}

* Command: `{result['command']}`
* Commit: {result['commit']}
* Machine: {on['cpu']}, {on['logical_cpus']} logical CPUs, {on['system']}, Python {on['python']}
* Load average before the first run: {'not told by the system' if load is None else f'{load:.2f}'}
"""


def main():
    parser = argparse.ArgumentParser(prog="benches/peers/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="times that each is run (default 5)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs timed in each run (default 4)")
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "runs", help="folder of the results")
    args = parser.parse_args()
    if args.rounds < 1 or args.epochs < 1:
        parser.error("rounds and epochs must be at least 1")

    binary = build_triax()
    data_sha256 = job.digest(*job.windows_and_labels())
    started = datetime.datetime.now(datetime.timezone.utc)
    load_before = load_average()
    runners = {name: lambda options=options: run_triax(binary, options, args.epochs) for name, options in OURS.items()}
    runners |= {name: lambda arguments=arguments: run_peer(arguments, args.epochs) for name, arguments in PEERS.items()}
    reports = {name: [] for name in runners}
    for number in range(args.rounds):
        for name, runner in runners.items():
            report = runner()
            reports[name].append(report)
            check(name, report, reports[TRIAX][0], data_sha256)
            seconds = statistics.median(report["epochs"])
            print(f"round {number + 1}/{args.rounds}  {name}: {seconds:.3f} s/epoch", file=sys.stderr)

    triax_median = statistics.median(second for report in reports[TRIAX] for second in report["epochs"])
    rows = [summary(name, runs, triax_median) for name, runs in reports.items()]
    result = {
        "started": started.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "load_average": {"before": load_before, "after": load_average()},
        "command": f"benches/peers/run --rounds {args.rounds} --epochs {args.epochs}",
        "job": {"windows": job.N_WINDOWS, "batch": job.BATCH, "data_sha256": data_sha256},
        "rows": rows,
        "reports": reports,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    stem = args.out / f"{started:%Y-%m-%d-%H%M}-peers"
    stem.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    stem.with_suffix(".md").write_text(page(result))
    print(table(rows))
    print(f"\n{stem}.json\n{stem}.md")


if __name__ == "__main__":
    main()
