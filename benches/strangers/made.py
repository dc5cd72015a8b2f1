"""Makes recordings of people who do not exist: three axes of acceleration and three of rotation, of six activities, with a
sensor that sits as it should (`fixed`) or is turned anyhow (`free`). Used to see whether what helps on real recordings
helps on others too; what it gives on these says nothing of people.

`python made.py fixed|free OUT.csv --people 12 --rate 50 --seed 1`
"""

import argparse
import csv

import numpy as np

# Steps a second, and strength of movement along and of turning about each axis (up, forward, sideways), in m/s² and rad/s.
ACTIVITIES = {
    "sit": (0.25, (0.05, 0.08, 0.05), (0.02, 0.02, 0.02)),
    "stand": (0.4, (0.08, 0.10, 0.08), (0.03, 0.03, 0.03)),
    "walk": (1.8, (2.2, 1.3, 0.8), (0.5, 0.9, 0.4)),
    "upstairs": (1.5, (2.0, 1.6, 1.0), (0.6, 1.2, 0.5)),
    "jog": (2.6, (6.0, 3.0, 1.6), (1.0, 1.8, 0.7)),
    "brush": (3.5, (0.8, 1.8, 0.6), (1.0, 0.5, 1.4)),
}
# Where up points to in a body that does this, before a person's own posture.
UP = {"sit": (0.3, 0.9, 0.1), "brush": (0.6, -0.2, 0.7)}
GRAVITY = 9.81
SECONDS = 60


def turn(rng, largest):
    """A rotation (3, 3) about a random axis by up to `largest` radians."""
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = rng.uniform(0, largest)
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * across @ across


def anyhow(rng):
    """A rotation (3, 3), all equally likely."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def recording(rng, activity, person, rate):
    """One recording (n, 6) as the body moves, in its own axes."""
    step, along, about = ACTIVITIES[activity]
    t = np.arange(SECONDS * rate) / rate
    pace = step * person["pace"] * np.exp(rng.normal(scale=0.05))
    wander = np.cumsum(rng.normal(scale=0.15, size=len(t))) / np.sqrt(rate)
    phase = 2 * np.pi * pace * t + wander
    channels = []
    for n, strength in enumerate([*along, *about]):
        wave = sum(person["shape"][n, k] * np.sin((k + 1) * phase + person["shift"][n, k]) for k in range(3))
        channels.append(strength * person["force"] * wave)
    up = np.array(UP.get(activity, (1.0, 0.0, 0.0)))
    still = person["posture"] @ (GRAVITY * up / np.linalg.norm(up))
    channels = np.stack(channels, axis=1)
    channels[:, :3] += still
    return channels + rng.normal(scale=[0.15] * 3 + [0.05] * 3, size=channels.shape)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mounting", choices=["fixed", "free"])
    parser.add_argument("out")
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--rate", type=int, default=50, help="samples a second (default 50)")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with open(args.out, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["subject", "activity", "timestamp_s", "ax", "ay", "az", "gx", "gy", "gz"])
        for number in range(args.people):
            person = {
                "pace": np.exp(rng.normal(scale=0.15)),
                "force": np.exp(rng.normal(scale=0.35)),
                "shape": np.abs(rng.normal(scale=[1.0, 0.6, 0.4], size=(6, 3))),
                "shift": rng.uniform(0, 2 * np.pi, size=(6, 3)),
                "posture": turn(rng, 0.7),
            }
            sensor = turn(rng, 0.2) if args.mounting == "fixed" else anyhow(rng)
            for activity in ACTIVITIES:
                moved = recording(rng, activity, person, args.rate)
                turned = np.hstack([moved[:, :3] @ sensor.T, moved[:, 3:] @ sensor.T])
                for n, values in enumerate(turned):
                    rows.writerow([f"made {number + 1}", activity, f"{n / args.rate:.3f}", *(f"{v:.4f}" for v in values)])


if __name__ == "__main__":
    main()
