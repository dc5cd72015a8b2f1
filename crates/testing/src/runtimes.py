"""Runs the networks of a folder: N.network on N.windows into N.scores, as networks.json lists them."""
import json
import pathlib
import sys

import numpy as np

folder = pathlib.Path(sys.argv[1])


def onnx(path, windows):
    import onnx
    import onnxruntime

    onnx.checker.check_model(onnx.load(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    try:
        return session.run(None, {port.name: windows})[0]
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        # Networks of others may hold a batch of 1, or channels first.
        rows = windows if port.shape[1] == windows.shape[1] else windows.transpose(0, 2, 1)
        if isinstance(port.shape[0], int):
            return np.concatenate([session.run(None, {port.name: row[None]})[0] for row in rows])
        return session.run(None, {port.name: rows})[0]


def litert(path, windows):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, windows.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, windows)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def micro(path, windows):
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 20)
    scores = []
    for window in windows:
        interpreter.set_input(window[None], 0)
        interpreter.invoke()
        scores.append(interpreter.get_output(0)[0])
    return np.array(scores)


for number, entry in enumerate(json.loads((folder / "networks.json").read_text())):
    try:
        windows = np.fromfile(folder / f"{number}.windows", "<f4").reshape(-1, entry["window"], entry["channels"])
        scores = globals()[entry["runtime"]](folder / f"{number}.network", windows)
        assert scores.dtype == np.float32 and len(scores) == len(windows), (scores.dtype, scores.shape)
        scores.astype("<f4").tofile(folder / f"{number}.scores")
    except Exception as error:
        sys.exit(f"network {number}, {entry}: {error}")
