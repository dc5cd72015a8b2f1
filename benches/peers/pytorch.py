"""PyTorch on the CPU, mode `eager` or `compile`.

Written for speed within what PyTorch offers: data in its own layout, one gather for each batch, nothing read back inside an
epoch, Adam in one fused call, and the number of threads that a trial in the warm-up finds faster.
"""

import os

import torch
from torch import nn

import job


class SensorCnn(nn.Module):
    """The reference network, channels first as PyTorch wants them."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(job.CHANNELS, 32, 3, stride=2)
        self.conv2 = nn.Conv1d(32, 64, 3, stride=2)
        self.dense1 = nn.Linear(896, 120)
        self.dense2 = nn.Linear(120, job.CLASSES)

    def forward(self, x):
        x = nn.functional.max_pool1d(self.conv1(x).relu(), 2)
        x = self.conv2(x).relu()
        x = nn.functional.dropout(x, job.DROPOUT, self.training)
        return self.dense2(self.dense1(x.flatten(1)).relu())

    def load(self, weights):
        """Takes weights in Keras's layouts."""
        weights = {name: torch.from_numpy(values) for name, values in weights.items()}
        # Keras flattens (position, channel), PyTorch (channel, position).
        rows = weights["dense1.kernel"].reshape(14, 64, 120).permute(1, 0, 2).reshape(896, 120)
        state = {
            "conv1.weight": weights["conv1.kernel"].permute(2, 1, 0),
            "conv2.weight": weights["conv2.kernel"].permute(2, 1, 0),
            "dense1.weight": rows.T,
            "dense2.weight": weights["dense2.kernel"].T,
        }
        state |= {f"{layer}.bias": weights[f"{layer}.bias"] for layer in ("conv1", "conv2", "dense1", "dense2")}
        self.load_state_dict({name: values.contiguous() for name, values in state.items()})


def squared_hinge(scores, signs):
    """Mean over classes and batch; `signs` are ±1."""
    return (1 - signs * scores).clamp_min(0).square().mean()


class Training:
    """Everything that lasts from one epoch to the next."""

    def __init__(self, mode):
        windows, labels = job.windows_and_labels()
        self.windows = torch.from_numpy(windows).permute(0, 2, 1).contiguous()
        self.signs = torch.from_numpy(2 * job.one_hot(labels) - 1)
        self.labels = torch.from_numpy(labels.astype("int64"))
        self.cnn = SensorCnn()
        self.cnn.load(job.initial_weights())
        self.cnn.eval()
        with torch.no_grad():
            self.first_loss = squared_hinge(self.cnn(self.windows[: job.BATCH]), self.signs[: job.BATCH]).item()
        self.cnn.train()
        self.adam = torch.optim.Adam(
            self.cnn.parameters(), job.LEARNING_RATE, (job.BETA_1, job.BETA_2), job.EPSILON, fused=True
        )
        self.loss_and_hits = torch.compile(self._loss_and_hits, dynamic=False) if mode == "compile" else self._loss_and_hits

    def _loss_and_hits(self, batch):
        scores = self.cnn(self.windows[batch])
        hits = (scores.detach().argmax(1) == self.labels[batch]).sum()
        return squared_hinge(scores, self.signs[batch]), hits

    def epoch(self):
        """One epoch; its mean loss and accuracy."""
        total_loss, total_hits = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        order = torch.randperm(job.N_WINDOWS)
        for batch in order.split(job.BATCH):
            self.adam.zero_grad(set_to_none=True)
            loss, hits = self.loss_and_hits(batch)
            loss.backward()
            self.adam.step()
            total_loss += loss.detach() * len(batch)
            total_hits += hits
        return total_loss.item() / job.N_WINDOWS, total_hits.item() / job.N_WINDOWS


def run(mode, n_epochs):
    training = Training(mode)
    training.epoch()
    trials = {}
    for n_threads in sorted({1, max(1, (os.cpu_count() or 1) // 2), torch.get_num_threads()}):
        torch.set_num_threads(n_threads)
        training.epoch()
        (trials[n_threads],), _ = job.timed(training.epoch, 1)
    n_threads = min(trials, key=trials.get)
    torch.set_num_threads(n_threads)
    training.epoch()
    seconds, (loss, accuracy) = job.timed(training.epoch, n_epochs)
    return {
        "epochs": seconds,
        "first_loss": training.first_loss,
        "last_loss": loss,
        "last_accuracy": accuracy,
        "n_parameters": sum(p.numel() for p in training.cnn.parameters()),
        "versions": {"torch": torch.__version__},
        "settings": {"threads": n_threads, "adam": "fused"},
    }


if __name__ == "__main__":
    job.main(run)
