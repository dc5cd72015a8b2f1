"""Makes pytorch-*.onnx and their scores: networks as PyTorch exports them. Made with torch 2.15.0 and onnxscript.

Run in this folder: python pytorch.py
"""
import json
import pathlib

import onnx
import torch
from torch import nn
from torch.nn import functional as F

WINDOW, CHANNELS, CLASSES = 26, 3, 3
torch.manual_seed(0)


def filled(module):
    """`module` for inference, with statistics and biases that matter."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return module.eval()


# Channels first; batch normalisation before and after activations; a flatten that goes channel by channel.
chain = filled(nn.Sequential(
    nn.BatchNorm1d(CHANNELS),
    nn.Conv1d(CHANNELS, 4, 3, stride=2), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2),
    nn.Conv1d(4, 5, 3, padding="same"), nn.ELU(), nn.BatchNorm1d(5), nn.AvgPool1d(2), nn.Dropout(0.2),
    nn.Flatten(), nn.Linear(15, 7), nn.BatchNorm1d(7), nn.GELU(), nn.Linear(7, CLASSES),
))


class Functions(nn.Module):
    """Channels last, transposed inside; a pool before the activation; a view of a computed size; a softmax."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(CHANNELS, 4, 5), nn.Conv1d(4, 6, 3, bias=False)
        self.hidden, self.scores = nn.Linear(6 * 9, 6), nn.Linear(6, CLASSES)

    def forward(self, x):
        x = (x - torch.tensor([0.5, -1.0, 2.0])) / torch.tensor([2.0, 0.5, 3.0])
        x = F.leaky_relu(F.max_pool1d(self.first(x.transpose(1, 2)), 2), 0.1)
        x = torch.tanh(self.second(x))
        x = torch.tanh(self.hidden(x.view(x.size(0), -1)))
        return torch.softmax(self.scores(x), 1)


class Global(nn.Module):
    """A global pool instead of a flatten."""

    def __init__(self, pool):
        super().__init__()
        self.conv, self.pool, self.scores = nn.Conv1d(CHANNELS, 4, 3), pool, nn.Linear(4, CLASSES)

    def forward(self, x):
        return self.scores(self.pool(F.relu(self.conv(x))).squeeze(-1))


networks = {
    "chain": (chain, True),
    "functions": (filled(Functions()), False),
    "mean": (filled(Global(nn.AdaptiveAvgPool1d(1))), True),
    "maximum": (filled(Global(nn.AdaptiveMaxPool1d(1))), True),
}
for name, (network, channels_first) in networks.items():
    windows = 2 * torch.randn(3, WINDOW, CHANNELS)
    given = windows.transpose(1, 2) if channels_first else windows
    with torch.no_grad():
        scores = network(given)
    for exporter, settings in [
        ("script", {"dynamo": False, "dynamic_axes": {"x": {0: "n"}}}),
        ("dynamo", {"dynamo": True, "external_data": False, "dynamic_shapes": ({0: torch.export.Dim("n")},)}),
    ]:
        path = pathlib.Path(f"pytorch-{name}-{exporter}.onnx")
        torch.onnx.export(network, (given,), path, input_names=["x"], **settings)
        # Without the paths of this machine.
        file = onnx.load(path)
        for part in [file, file.graph, *file.graph.node, *file.graph.input, *file.graph.output, *file.graph.value_info]:
            del part.metadata_props[:]
            part.doc_string = ""
        onnx.save(file, path)
    golden = {"windows": windows.flatten().tolist(), "scores": scores.flatten().tolist()}
    pathlib.Path(f"pytorch-{name}.json").write_text(json.dumps(golden) + "\n")
