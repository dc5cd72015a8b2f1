"""What the peers on a GPU share: their arguments, their protocol of measuring, and how they report."""

import argparse
import json
import statistics
import sys
import time

import job

MODELS = [1, 8, 64, 512, 1020]


def arguments(description, modes):
    """The arguments common to these peers."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu is to try the script (default cuda)")
    parser.add_argument("--mode", choices=modes, action="append", help=f"what to measure (default {', '.join(modes)})")
    parser.add_argument(
        "--models", type=lambda text: [int(number) for number in text.split(",")], default=MODELS, metavar="N,N..",
        help=f"models trained at once, where a mode can (default {','.join(map(str, MODELS))})",
    )
    parser.add_argument("--steps", type=int, default=job.N_WINDOWS // job.BATCH, help="steps of an epoch (default all)")
    parser.add_argument("--epochs", type=int, default=5, help="epochs timed (default 5)")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds of training before the clock (default 1)")
    args = parser.parse_args()
    args.mode = args.mode or modes
    if not 1 <= args.steps <= job.N_WINDOWS // job.BATCH or args.epochs < 1 or min(args.models) < 1:
        parser.error(f"steps are 1 to {job.N_WINDOWS // job.BATCH}; epochs and models at least 1")
    return args


def skip(why):
    """Says that nothing is measured, and ends the script without an error."""
    print(f"skipped: {why}")
    sys.exit(0)


def measure(name, n_models, training, args, **facts):
    """Prints what `training` takes, as a line of JSON.

    `training()` starts from the initial weights, and returns a function that trains an epoch and returns its mean loss, that
    of the first model, when the device is done. One training is the warm-up: it compiles, and brings a card to its full clock.
    A second one, from the initial weights again, is timed. Its last loss is thus that of the same epoch for everyone.
    """
    # The second training may compile again, so it is warm only after an epoch of its own.
    epoch = training()
    epoch()
    started = time.perf_counter()
    while time.perf_counter() - started < args.warm_up:
        epoch()
    epoch = training()
    losses = [epoch()]
    seconds, last_loss = job.timed(epoch, args.epochs)
    microseconds = [1e6 * second / args.steps for second in seconds]
    report(name, n_models, microseconds, losses[0], last_loss, args, **facts)


def report(name, n_models, microseconds, first_loss, last_loss, args, **facts):
    """Prints a result as a line of JSON."""
    result = {
        "name": name, "models": n_models, "device": args.device, "microseconds_a_step": statistics.median(microseconds),
        "all": microseconds, "steps": args.steps, "epochs": args.epochs, "loss_of_first_epoch": first_loss,
        "loss_of_last_epoch": last_loss,
    }
    print(json.dumps(result | facts), flush=True)
