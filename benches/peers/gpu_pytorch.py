"""PyTorch on a GPU. Modes `eager`, `compile` and `graph` (CUDA graphs of several steps) train the network of pytorch.py, one
model. Mode `fleet` trains one or more models at once in such graphs, each product batched over the models. Each mode runs in
f32; with the ending `-tf32` matrix products may use TF32."""

import torch

import gpu_job
import job
from pytorch import SensorCnn, squared_hinge

MODES = [mode + ending for mode in ["eager", "compile", "graph", "fleet"] for ending in ["", "-tf32"]]


class Fleet(torch.nn.Module):
    """Several reference networks; parameters, inputs and scores have the model first. A convolution is a product over taps."""

    def __init__(self, n_models):
        super().__init__()
        for name, values in job.initial_weights().items():
            stacked = torch.from_numpy(values).expand(n_models, *values.shape).contiguous()
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(stacked))

    def conv(self, x, kernel, bias):
        """(model, batch, position, channel) to the same, stride 2, with ReLU."""
        n_models, n = x.shape[0], (x.shape[2] - 3) // 2 + 1
        taps = torch.cat([x[:, :, tap : tap + 2 * n - 1 : 2] for tap in range(3)], 3).reshape(n_models, -1, 3 * x.shape[3])
        y = torch.baddbmm(bias.unsqueeze(1), taps, kernel.reshape(n_models, -1, kernel.shape[3])).relu()
        return y.reshape(n_models, -1, n, kernel.shape[3])

    def forward(self, x):
        x = self.conv(x, self.conv1_kernel, self.conv1_bias)
        x = x[:, :, : x.shape[2] // 2 * 2].unflatten(2, (-1, 2)).amax(3)
        x = self.conv(x, self.conv2_kernel, self.conv2_bias).flatten(2)
        x = torch.nn.functional.dropout(x, job.DROPOUT, self.training)
        x = torch.baddbmm(self.dense1_bias.unsqueeze(1), x, self.dense1_kernel).relu()
        return torch.baddbmm(self.dense2_bias.unsqueeze(1), x, self.dense2_kernel)


def fleet_losses(scores, signs):
    """The mean over classes and batch of each model."""
    return (1 - signs * scores).clamp_min(0).square().mean((1, 2))


class Training:
    """A training from the initial weights, as `gpu_job.measure` wants it."""

    # Steps that one CUDA graph holds, if they divide those of an epoch.
    STEPS_A_GRAPH = (4, 3, 2, 1)

    def __init__(self, mode, n_models, data, args):
        self.windows, self.signs, self.args, self.n_models = *data, args, n_models
        self.is_fleet, self.is_graph = mode == "fleet", mode in ("graph", "fleet")
        device = torch.device(args.device)
        if self.is_fleet:
            self.network = Fleet(n_models).to(device)
        else:
            self.network = SensorCnn()
            self.network.load(job.initial_weights())
            self.network.to(device)
        on_card = args.device == "cuda"
        self.adam = torch.optim.Adam(
            self.network.parameters(), job.LEARNING_RATE, (job.BETA_1, job.BETA_2), job.EPSILON, fused=True,
            capturable=self.is_graph and on_card,
        )
        self.loss = torch.compile(self._loss, dynamic=False) if mode == "compile" else self._loss
        self.order = torch.zeros(args.steps, n_models, job.BATCH, dtype=torch.int64, device=device)
        self.n = torch.zeros(1, dtype=torch.int64, device=device)
        self.total = torch.zeros(n_models, device=device)
        self.graph = None
        if self.is_graph:
            self.steps_a_graph = next(n for n in self.STEPS_A_GRAPH if args.steps % n == 0)
            if on_card:
                self._capture()

    def _loss(self, batch):
        """The losses of the models on the windows `batch`, (model, batch)."""
        if self.is_fleet:
            return fleet_losses(self.network(self.windows[batch]), self.signs[batch])
        batch = batch[0]
        # pytorch.py has channels first.
        return squared_hinge(self.network(self.windows[batch].transpose(1, 2)), self.signs[batch]).reshape(1)

    def _step(self):
        self.adam.zero_grad(set_to_none=True)
        losses = self.loss(self.order.index_select(0, self.n)[0])
        # Each model has parameters of its own, so the sum has the gradients of all.
        losses.sum().backward()
        self.adam.step()
        self.total += losses.detach()
        self.n += 1

    def _capture(self):
        before = {name: values.clone() for name, values in self.network.state_dict().items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self.n.zero_()
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        self.adam.zero_grad(set_to_none=True)
        self.n.zero_()
        with torch.cuda.graph(self.graph):
            for _ in range(self.steps_a_graph):
                self._step()
        # The steps of the warm-up are taken back.
        self.network.load_state_dict(before)
        for state in self.adam.state.values():
            for values in state.values():
                values.zero_()

    def epoch(self):
        """Trains an epoch; the mean loss of the first model."""
        windows = len(self.windows)
        draws = torch.rand(self.n_models, windows, device=self.order.device)
        order = draws.argsort(1)[:, : self.args.steps * job.BATCH].reshape(self.n_models, self.args.steps, job.BATCH)
        self.order.copy_(order.transpose(0, 1))
        self.n.zero_()
        self.total.zero_()
        if self.graph:
            for _ in range(self.args.steps // self.steps_a_graph):
                self.graph.replay()
        else:
            for _ in range(self.args.steps):
                self._step()
        return self.total[0].item() / self.args.steps


def data_on(device):
    """Windows (n, position, channel), and ±1 for each class."""
    windows, labels = job.windows_and_labels()
    return torch.from_numpy(windows).to(device), torch.from_numpy(2 * job.one_hot(labels) - 1).to(device)


def main():
    args = gpu_job.arguments(__doc__, MODES)
    if args.device == "cuda" and not torch.cuda.is_available():
        gpu_job.skip(f"PyTorch {torch.__version__} has no CUDA device")
    data = data_on(args.device)
    card = torch.cuda.get_device_name() if args.device == "cuda" else "cpu"
    for mode in args.mode:
        form, _, tf32 = mode.partition("-")
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = bool(tf32)
        for n_models in args.models if form == "fleet" else [1]:
            torch.manual_seed(0)
            # What one training compiled or captured is compiled or captured again: not in an epoch that is timed.
            start = lambda: Training(form, n_models, data, args).epoch
            gpu_job.measure(f"PyTorch, {mode}", n_models, start, args, card=card, versions={"torch": torch.__version__})


if __name__ == "__main__":
    main()
