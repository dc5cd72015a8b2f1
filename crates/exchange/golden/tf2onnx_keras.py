"""Makes keras-*.onnx and their scores: networks of Keras as tf2onnx exports them. Made with Keras 3.15.1 on TensorFlow 2.21.0
and tf2onnx 1.17.0.

Run in this folder: python tf2onnx_keras.py
"""
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

keras.utils.set_random_seed(0)
layers = keras.layers
shape = layers.Input((26, 3))

networks = {
    # Standardisation, batch normalisation after an activation, a softmax.
    "chain": [
        layers.Rescaling([1.0, 0.5, 2.0], offset=[-1.0, -1.0, -6.0]),
        layers.Conv1D(4, 3, strides=2, activation="relu"), layers.MaxPooling1D(2),
        layers.Conv1D(5, 3, activation="elu", bias_initializer="uniform"), layers.BatchNormalization(), layers.Dropout(0.2),
        layers.Flatten(), layers.Dense(7, activation="tanh", bias_initializer="uniform"), layers.Dense(3, activation="softmax"),
    ],
    # Padding, a pool with a stride of its own, global pools.
    "mean": [
        layers.Conv1D(4, 3, strides=2, padding="same", bias_initializer="uniform"), layers.LeakyReLU(0.2),
        layers.AveragePooling1D(3, 2, padding="same"), layers.GlobalAveragePooling1D(), layers.Dense(3),
    ],
    "maximum": [layers.Conv1D(4, 3, activation="tanh"), layers.GlobalMaxPooling1D(), layers.Dense(3)],
}
for name, parts in networks.items():
    network = keras.Sequential([shape, *parts])
    for part in network.layers:
        if isinstance(part, layers.BatchNormalization):
            gamma, beta, mean, variance = part.get_weights()
            random = np.random.default_rng(0)
            part.set_weights([
                gamma + random.uniform(-0.5, 0.5, gamma.shape), beta + random.uniform(-0.5, 0.5, beta.shape),
                mean + random.uniform(-0.5, 0.5, mean.shape), variance + random.uniform(0, 1, variance.shape),
            ])
    signature = (tf.TensorSpec((None, 26, 3), tf.float32, name="x"),)
    function = tf.function(lambda x: network(x), input_signature=signature)
    tf2onnx.convert.from_function(function, input_signature=signature, opset=15, output_path=f"keras-{name}.onnx")
    windows = np.random.default_rng(1).normal(0, 2, (3, 26, 3)).astype("float32")
    golden = {"windows": windows.flatten().tolist(), "scores": np.array(network(windows)).flatten().tolist()}
    pathlib.Path(f"keras-{name}.json").write_text(json.dumps(golden) + "\n")
