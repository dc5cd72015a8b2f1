"""A scikit-learn classifier."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from triax import _triax
from triax._curves import curves
from triax._notices import warn
from triax._predictor import PROBABILISTIC, finite, softmax
from triax._progress import progress
from triax._settings import SETTINGS, as_json

MOST_SEED = 2**64


def _has_probabilities(estimator: TriaxClassifier) -> bool:
    if estimator.loss == PROBABILISTIC:
        return True
    raise AttributeError(
        f"the scores of a hinge loss are no probabilities: take loss={PROBABILISTIC!r}, or wrap the classifier in "
        "sklearn.calibration.CalibratedClassifierCV"
    )


class TriaxClassifier(ClassifierMixin, BaseEstimator):
    """A small convolutional network that classifies windows of motion sensors.

    The parameters down to `device` are settings of the command line, with the same names and meanings. None stands for the
    default of the setting, which is given below, or for that of the `preset`.

    Parameters
    ----------
    preset : {"reference", "subject"}, optional
        Defaults for other settings. ``"subject"`` is for people whom the network has never seen: it turns windows and their
        axes at random, and trains for 40 epochs. By default ``"reference"``.
    loss : {"squared_hinge", "hinge", "categorical_hinge", "categorical_crossentropy"}, optional
        Loss, as Keras defines it. By default ``"squared_hinge"``. Only ``"categorical_crossentropy"`` gives probabilities.
    convs : list of str or of tuple, optional
        One to four convolution blocks: filters, kernel and stride in samples; then, where wanted, a dilation (``"d2"``), a pool
        (``2``, ``"3/2"``, ``"avg2"``), ``"same"`` padding and an activation (``"relu"``, ``"elu"``, ``"gelu"``, ``"tanh"``, ``"linear"``,
        ``"leaky_relu=0.3"``). By default ``["32:3:2:2", "64:3:2"]``, which ``[(32, 3, 2, 2), (64, 3, 2)]`` says too. For windows
        that are too short for them, kernels and pools are shortened; see `adapted_`.
    global_pool : {"none", "max", "average"}, optional
        A pool over all positions that the convolutions leave, before the dense layers. By default there is none.
    hidden : list of int or of str, optional
        Units of each hidden dense layer, each with an activation that is no ReLU where wanted (``"60:tanh"``); an empty list
        for none. By default ``[120]``.
    dropout : float, optional
        Probability that a feature is dropped before the dense layers, in training. By default 0.1.
    class_weights : "balanced", dict or list of float, optional
        Weight of each class in the loss: ``n / (classes * n of the class)``, or numbers by class (others weigh 1), or in the
        order of `classes_`. By default all weigh 1.
    label_smoothing : float, optional
        Part of each label that goes to all classes alike, in training with ``"categorical_crossentropy"``. By default 0.
    optimizer : {"adam", "adamw", "sgd", "rmsprop"}, optional
        Optimizer in Keras's form, with its defaults. By default ``"adam"``.
    learning_rate : float, optional
        Learning rate at the start. By default 0.001.
    lr_schedule : {"constant", "cosine", "plateau"}, optional
        ``"cosine"`` falls to 0 over the training; ``"plateau"`` falls when the validation loss no longer does. By default
        ``"constant"``.
    momentum : float, optional
        Momentum of sgd and rmsprop. By default 0.
    weight_decay : float, optional
        Decoupled weight decay of adamw. By default 0.004.
    clip_norm : float, optional
        Upper bound of the gradient's norm over all parameters. By default there is none.
    epochs : int, optional
        Passes over the training windows. By default 10.
    batch_size : int, optional
        Windows a step. By default 32.
    early_stopping : int, optional
        Stop when the validation loss (without `valid_fraction`, the training loss) has not improved for this many epochs, and
        keep the best weights. By default all epochs are trained.
    average_last : int, optional
        End with the mean of the weights at the ends of this many last epochs.
    sampling : {"shuffle", "balanced"}, optional
        ``"shuffle"`` visits every window once an epoch, ``"balanced"`` each class equally often. By default ``"shuffle"``.
    init_weights : path, optional
        Start from the weights of this file instead of drawing them: a weight file, or one that `import_network` reads.
    no_shuffle : bool, optional
        Keep the training windows in the order of the data. By default False.
    rotate : float, optional
        Augmentation: turn the axes of each window's sensors about a random axis, by up to this angle in degrees. By default 0.
    permute_channels : bool, optional
        Augmentation: put the three axes of the sensors in a random order. By default False.
    flip_axes : bool, optional
        Augmentation: turn each axis of the sensors around at random. By default False.
    scale_windows : float, optional
        Augmentation: deviation of a random factor of each window around 1. By default 0.
    shift : int, optional
        Augmentation: shift each window in time by up to so many samples, repeating its ends. By default 0.
    time_warp : float, optional
        Augmentation: change the speed within each window by up to this share. By default 0.
    mix : float, optional
        Augmentation: blend each window and its label with another of its batch, by up to this share. By default 0.
    jitter : float, optional
        Augmentation: deviation of the noise on each value, in deviations of its channel. By default 0.
    derive : list of str, optional
        Channels that the network reads instead of the axes, of each three axes of a sensor: ``"raw"`` (the axes),
        ``"gravity"``, ``"linear"``, ``"jerk"``, ``"norm"``, ``"vertical"``, ``"horizontal"``. Those that need gravity need
        `rate_hz`. By default the axes. The network keeps it: windows to predict are given as the sensor gave them.
    normalize : {"standard", "window", "gravity", "none"}, optional
        ``"standard"`` takes mean and deviation of each channel from the training windows; ``"window"`` from each window
        itself; ``"gravity"`` turns each window upright before ``"standard"``. By default ``"standard"``. The network keeps it:
        windows to predict are given as the sensor gave them.
    device : str
        ``"cpu"``, ``"gpu"``, ``"gpu:N"``, or ``"auto"``: takes a few steps on each real GPU and on the CPU, and then the
        fastest. By default the CPU, where one small network trains as fast as it can be read: `study` trains many at once, for
        which a GPU is made.
    channels : int or list of str, optional
        Number of channels of a sample, or their names. A 2-D `X` (n, features) is taken for (n, features / channels, channels):
        all channels of the first sample, then all of the second. By default a 2-D `X` has one channel.
    rate_hz : float, optional
        Samples a second, for the weight file that `save` writes.
    valid_fraction : float
        Part of the windows that are not trained on, but followed by `early_stopping`, ``lr_schedule="plateau"`` and the curves:
        whole groups where `fit` is given `groups`. 0 trains on all windows.
    random_state : int, RandomState or None
        Seed of the initial weights, the order, dropout, augmentation and the windows of `valid_fraction`. The same int gives
        the same bits on the same device. None draws another seed in each `fit`.
    verbose : int
        1 shows a progress bar, if tqdm is installed.

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
        The classes.
    n_features_in_ : int
        Size of the second axis of `X`.
    window_shape_ : tuple of int
        Samples of a window and number of channels.
    history_ : dict of ndarray
        Figures of each epoch: ``epoch``, ``loss``, ``accuracy``, ``learning_rate``, ``seconds``, and with `valid_fraction`
        ``val_loss``, ``val_accuracy`` and ``val_macro_f1``.
    n_iter_ : int
        Epochs trained.
    adapted_ : list of str
        What was changed in `convs` because windows are short; a sentence for each block, and none where all fits.
    device_ : str
        The device that has trained.
    temperature_ : float
        What scores are divided by to give probabilities.
    weights_ : bytes
        The weight file of the network, in safetensors format.

    Notes
    -----
    *Scores.* `decision_function` gives the scores of the last layer. Those of ``loss="categorical_crossentropy"`` are logits,
    and `predict_proba` is the softmax of them divided by `temperature_`. With `valid_fraction` this is fitted to the windows held
    out of training, so that probabilities are right as often as they say; without it, it is 1. Scores of a hinge loss are margins: to call their softmax a probability would be a
    claim without ground, so there is no `predict_proba` then, as in scikit-learn's own classifiers with a hinge loss.
    `sklearn.calibration.CalibratedClassifierCV` learns probabilities from `decision_function`.

    *Weights of windows.* `sample_weight` multiplies each window's share of the loss, as in Keras. Windows of weight 0 are left
    out before anything else. A window of weight 2 is not the same as that window twice: minibatches are drawn otherwise.

    Examples
    --------
    >>> import triax
    >>> from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
    >>> X, y, groups = triax.read("synthetic").windows(step=240)
    >>> classifier = triax.TriaxClassifier(epochs=2)
    >>> scores = cross_val_score(classifier, X, y, groups=groups, cv=LeaveOneGroupOut())
    >>> len(scores) == len(set(groups))
    True
    """

    def __init__(
        self,
        *,
        preset=None,
        loss=None,
        convs=None,
        global_pool=None,
        hidden=None,
        dropout=None,
        class_weights=None,
        label_smoothing=None,
        optimizer=None,
        learning_rate=None,
        lr_schedule=None,
        momentum=None,
        weight_decay=None,
        clip_norm=None,
        epochs=None,
        batch_size=None,
        early_stopping=None,
        average_last=None,
        sampling=None,
        init_weights=None,
        no_shuffle=None,
        rotate=None,
        permute_channels=None,
        flip_axes=None,
        scale_windows=None,
        shift=None,
        time_warp=None,
        mix=None,
        jitter=None,
        derive=None,
        normalize=None,
        device="cpu",
        channels=None,
        rate_hz=None,
        valid_fraction=0.0,
        random_state=0,
        verbose=0,
    ):
        self.preset = preset
        self.loss = loss
        self.convs = convs
        self.global_pool = global_pool
        self.hidden = hidden
        self.dropout = dropout
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.average_last = average_last
        self.sampling = sampling
        self.init_weights = init_weights
        self.no_shuffle = no_shuffle
        self.rotate = rotate
        self.permute_channels = permute_channels
        self.flip_axes = flip_axes
        self.scale_windows = scale_windows
        self.shift = shift
        self.time_warp = time_warp
        self.mix = mix
        self.jitter = jitter
        self.derive = derive
        self.normalize = normalize
        self.device = device
        self.channels = channels
        self.rate_hz = rate_hz
        self.valid_fraction = valid_fraction
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> TriaxClassifier:
        """Train a network.

        The GIL is released meanwhile, and Ctrl-C stops the training. The values of a contiguous array of float32 are copied
        once, into memory that nobody else writes to.

        Parameters
        ----------
        X : array-like, (n, window, channels) or (n, features)
            Windows in the sensor's units; see `channels` for a 2-D array.
        y : array-like, (n,)
            Class of each.
        groups : array-like, (n,), optional
            Subject of each: `valid_fraction` holds whole subjects out, and the temperature of probabilities is fitted across
            them. Otherwise they are not used.
        sample_weight : array-like, (n,), optional
            Weight of each in the loss, at least 0.

        Returns
        -------
        TriaxClassifier
            This classifier.

        Raises
        ------
        ValueError
            If settings, windows or labels are invalid, or do not fit together.
        """
        X, y = validate_data(self, X, y, dtype=np.float32, order="C", allow_nd=True)
        check_classification_targets(y)
        y = column_or_1d(y)
        check_consistent_length(X, y, groups)
        windows = self._windows(X)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, X, dtype=np.float32, ensure_non_negative=True)
        counted = np.arange(len(y)) if weights is None else np.flatnonzero(weights)
        self.classes_, labels = np.unique(y[counted], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} tells classes apart, and there is 1 class: every sample is of class {self.classes_[0]!r}"
            )
        all_labels = np.zeros(len(y), dtype=np.uint32)
        all_labels[counted] = labels
        seed = self._seed()
        groups = None if groups is None else column_or_1d(groups)
        subjects = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.uint32)
        train, valid = self._split(counted, groups, seed)
        with progress(self.verbose, type(self).__name__) as show:
            fitted = _triax.fit(
                as_json(self._settings(seed)),
                windows,
                all_labels,
                weights,
                subjects,
                self._channel_names(windows.shape[2]),
                [str(label) for label in self.classes_],
                None if self.rate_hz is None else float(self.rate_hz),
                train.astype(np.uint32),
                valid.astype(np.uint32),
                show,
            )
        warn(fitted.notices)
        self.window_shape_ = windows.shape[1:]
        self.history_ = {name: np.asarray([epoch[name] for epoch in fitted.history]) for name in fitted.history[0]}
        self.n_iter_ = len(fitted.history)
        self.adapted_ = fitted.adapted
        self.device_ = fitted.device
        self.weights_ = fitted.weights
        self._open()
        self.temperature_ = self._predictor.temperature
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the scores of windows.

        Parameters
        ----------
        X : array-like, (n, window, channels) or (n, features)
            Windows as in `fit`. A contiguous array of float32 is read where it lies.

        Returns
        -------
        ndarray of float32, (n, n_classes), or (n,) for two classes
            For two classes, the score of the second class less that of the first.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class (n,) of each window: that of the largest score. `X` as in `decision_function`."""
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]

    @available_if(_has_probabilities)
    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (n, n_classes) of each class: the softmax of scores by `temperature_`. `X` as in
        `decision_function`.

        Only with ``loss="categorical_crossentropy"``; see the notes of the class.
        """
        return softmax(self._scores(X), self.temperature_)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network into a weight file (``.safetensors``), which `triax.load` and the command line read."""
        check_is_fitted(self)
        _triax.write(os.fspath(path), self.weights_)

    def _scores(self, X: ArrayLike) -> NDArray[np.float32]:
        check_is_fitted(self)
        windows = self._windows(validate_data(self, X, dtype=np.float32, order="C", allow_nd=True, reset=False))
        return finite(self._predictor.scores(windows))

    def _windows(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `X` as windows (n, window, channels), without a copy."""
        names = self.channels
        n_channels = 1 if names is None else names if isinstance(names, (int, np.integer)) else len(names)
        if n_channels < 1:
            raise ValueError(f"`channels` is {names!r}; a window has at least one channel")
        if X.ndim == 2:
            if X.shape[1] % n_channels:
                raise ValueError(f"{X.shape[1]} features are no samples of {n_channels} channels each")
            return X.reshape(len(X), -1, n_channels)
        if X.ndim != 3:
            raise ValueError(f"Found array with dim {X.ndim}; X is (n, window, channels) or (n, features)")
        if names is not None and X.shape[2] != n_channels:
            raise ValueError(f"windows of {X.shape[2]} channels, where `channels` is {names!r}")
        return X

    def _channel_names(self, n_channels: int) -> list[str]:
        if self.channels is None or isinstance(self.channels, (int, np.integer)):
            return [str(channel) for channel in range(n_channels)]
        return [str(name) for name in self.channels]

    def _seed(self) -> int:
        if isinstance(self.random_state, (int, np.integer)) and 0 <= self.random_state < MOST_SEED:
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _split(self, counted: NDArray[Any], groups: NDArray[Any] | None, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the indices of the windows to train on, and of those to follow."""
        if not self.valid_fraction:
            return counted, counted[:0]
        of_groups = groups is not None
        splitter = (GroupShuffleSplit if of_groups else ShuffleSplit)(
            n_splits=1, test_size=self.valid_fraction, random_state=seed % 2**32
        )
        train, valid = next(splitter.split(counted, groups=groups[counted] if of_groups else None))
        return counted[np.sort(train)], counted[np.sort(valid)]

    def _settings(self, seed: int) -> dict[str, Any]:
        """Return the settings of the command line."""
        own = {"channels", "valid_fraction"}
        settings = {name: value for name, value in self.get_params().items() if name in SETTINGS and name not in own}
        weights = self.class_weights
        if isinstance(weights, dict):
            unknown = [label for label in weights if label not in self.classes_]
            if unknown:
                raise ValueError(f"class_weights names {unknown[0]!r}, and the classes are {list(self.classes_)}")
            settings["class_weights"] = [float(weights.get(label, 1)) for label in self.classes_.tolist()]
        return {**settings, "seed": seed}

    def _open(self) -> None:
        # At once, since predictions must leave the attributes as they are.
        self._predictor = _triax.Predictor.from_bytes(self.weights_, self.device or SETTINGS["device"].default)

    def __getstate__(self):
        state = dict(super().__getstate__())
        state.pop("_predictor", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "weights_" in self.__dict__:
            self._open()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _html_repr(self) -> str:
        html = super()._html_repr()
        return html + curves(self.history_) if hasattr(self, "history_") else html
