"""The Keras recipes, on JAX. Windows are standardised by the mean and deviation of each channel over the training people."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402


class Shuffled(keras.utils.PyDataset):
    """Batches in an order that is drawn for each epoch. With arrays, `fit` draws once more when it compiles."""

    def __init__(self, windows, labels, batch_size, seed):
        super().__init__()
        self.windows, self.labels, self.batch_size = windows, labels, batch_size
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, idx):
        batch = self.order[idx * self.batch_size : (idx + 1) * self.batch_size]
        return self.windows[batch], self.labels[batch]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.labels))


class Network:
    """A recipe: layers, optimizer, batch and epochs. The network is built once, and each fold starts from new weights."""

    batch_size: int
    epochs: int

    def __init__(self, epochs=None):
        self.epochs = epochs or self.epochs
        self.network = None

    def layers(self, window, channels):
        """The layers before the last one, which has a unit a class."""
        raise NotImplementedError

    def optimizer(self):
        raise NotImplementedError

    def prepare(self, windows, rate_hz):
        return windows

    def predict(self, train, labels, test, n_classes, seed):
        mean, deviation = train.mean(axis=(0, 1), dtype=np.float64), train.std(axis=(0, 1), dtype=np.float64)
        standard = lambda windows: ((windows - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)  # noqa: E731
        self.start(train.shape[1:], n_classes, seed)
        self.network.fit(Shuffled(standard(train), labels, self.batch_size, seed), epochs=self.epochs, shuffle=False, verbose=0)
        return self.network.predict(standard(test), batch_size=1024, verbose=0).argmax(axis=1)

    def start(self, shape, n_classes, seed):
        """New weights and a new optimizer, without compiling what is compiled already."""
        build = lambda: keras.Sequential(  # noqa: E731
            [layers.Input(shape), *self.layers(*shape), layers.Dense(n_classes, activation="softmax")]
        )
        if self.network is None:
            self.network = build()
            self.network.compile(self.optimizer(), "sparse_categorical_crossentropy", jit_compile=True)
            self.network.optimizer.build(self.network.trainable_variables)
            self.fresh = [keras.ops.convert_to_numpy(variable) for variable in self.network.optimizer.variables]
        keras.utils.set_random_seed(seed)
        # Among the variables are the states of dropout's random numbers.
        for variable, value in zip(self.network.variables, build().variables, strict=True):
            variable.assign(value)
        for variable, value in zip(self.network.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)


class Cnn(Network):
    """A plain CNN of the common form, which is no single paper's: three blocks of convolution (64 filters of 5 samples),
    pooling and dropout, a dense layer of 128 units, dropout of 0.5, Adam."""

    batch_size, epochs = 64, 30

    def layers(self, window, channels):
        blocks = [
            layer
            for _ in range(3)
            for layer in (
                layers.Conv1D(64, 5, padding="same", activation="relu"),
                layers.MaxPooling1D(2, padding="same"),
                layers.Dropout(0.2),
            )
        ]
        return [*blocks, layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5)]

    def optimizer(self):
        return keras.optimizers.Adam(1e-3)


class DeepConvLstm(Network):
    """DeepConvLSTM (Ordóñez and Roggen, "Deep convolutional and LSTM recurrent neural networks for multimodal wearable
    activity recognition", Sensors 16, 2016): four convolutions over time of each channel, 64 filters of 5 samples, two LSTM
    layers of 128 units, dropout of 0.5 before each layer that is not a convolution, RMSprop."""

    batch_size, epochs = 100, 30

    def layers(self, window, channels):
        if window < 17:
            raise ValueError(f"a window of {window} samples is too short for four convolutions of 5: take 17 or more")
        convolutions = [layers.Conv2D(64, (5, 1), activation="relu") for _ in range(4)]
        return [
            layers.Reshape((window, channels, 1)),
            *convolutions,
            layers.Reshape((window - 16, channels * 64)),
            layers.Dropout(0.5),
            layers.LSTM(128, return_sequences=True),
            layers.Dropout(0.5),
            layers.LSTM(128),
            layers.Dropout(0.5),
        ]

    def optimizer(self):
        return keras.optimizers.RMSprop(1e-3, rho=0.9)
