"""Files that h5py and Keras write, and that the readers of this crate are tested with.

    python -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python generate.py

writes, with little in each,

    default.h5.gz    every form of a group, an attribute and a data set, as h5py writes them by default
    latest.h5.gz     the same with `libver="latest"`
    tracked.h5.gz    the same with `track_order=True`

    functional.keras.gz, functional.h5.gz          the model `functional` of ../tests/keras/models.py
    windows.f32.gz, functional.answers.f32.gz      windows, and what it answers

They are compressed, because HDF5 reserves space: 50 KB of which 4 are not zero.
"""

import gzip
import io
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests/keras"))

import models


def numbers(*shape):
    """0, ¼, ½, … less 3, in the order of rows: exact in every type of floating point."""
    return (np.arange(np.prod(shape), dtype=np.float64) / 4 - 3).reshape(shape)


def write_forms(name, **options):
    """Every form of group, attribute and data set."""
    track = options.pop("track_order", False)
    memory = io.BytesIO()
    with h5py.File(memory, "w", track_order=track, **options) as file:
        file.attrs["text"] = "Größe"
        file.attrs["bytes"] = np.bytes_(b"fixed")
        file.attrs["texts"] = ["a", "beta", "γ"]
        file.attrs["fixed texts"] = np.array([b"conv1d", b"dense"])
        file.attrs["empty"] = ""
        file.attrs["none"] = np.array([], dtype=np.float64)
        file.attrs["numbers"] = [1.0, 2.0]
        many = file.create_group("many", track_order=track)
        for i in range(70):
            many.create_dataset(f"member {i}", data=np.float32(i), track_order=track)
            if i < 12:
                many.attrs[f"attribute {i}"] = f"value {i}"
        file.create_group("a/b/c")
        file["a/link"] = h5py.SoftLink("/many")
        values = file.create_group("values")
        values["float32"] = numbers(2, 3, 4).astype(np.float32)
        values["float64"] = numbers(5)
        values["float16"] = numbers(5).astype(np.float16)
        values["big-endian"] = numbers(5).astype(">f4")
        values["integers"] = np.arange(5)
        values["scalar"] = np.float32(2.5)
        values["nothing"] = np.zeros((0, 3), np.float32)
        values["too large"] = np.array([1e300])
        values.create_dataset("one chunk", data=numbers(4, 6).astype(np.float32), chunks=(4, 6), compression="gzip")
        values.create_dataset(
            "chunks", data=numbers(5, 7, 3), chunks=(2, 3, 2), compression="gzip", shuffle=True, fletcher32=True
        )
        values.create_dataset("lzf", data=np.zeros((4, 64), np.float32), chunks=(2, 64), compression="lzf")
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space, kind = h5py.h5s.create_simple((3,)), h5py.h5t.IEEE_F32LE
        dataset = h5py.h5d.create(values.id, b"compact", kind, space, dcpl=compact)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, numbers(3).astype(np.float32))
    (HERE / name).write_bytes(gzip.compress(memory.getvalue(), mtime=0))


def write_model():
    with tempfile.TemporaryDirectory() as folder:
        models.make(Path(folder), [models.functional])
        for name in ["functional.keras", "functional.h5", "windows.f32", "functional.answers.f32"]:
            (HERE / f"{name}.gz").write_bytes(gzip.compress((Path(folder) / name).read_bytes(), mtime=0))


if __name__ == "__main__":
    write_model()
    write_forms("default.h5.gz")
    write_forms("latest.h5.gz", libver="latest")
    write_forms("tracked.h5.gz", track_order=True)
