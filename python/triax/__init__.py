"""Small convolutional networks on windows of motion sensors, and how well they do on people they have never seen.

=====================  ==========================================================================================
`TriaxClassifier`      a scikit-learn classifier
`read`                 recordings in the formats that the command line reads, and their windows as arrays
`study`                a grid of settings, compared over people that no network has trained on
`audit`                what leaks from training into validation
`load`                 the networks of a run, of a study or of a weight file, to predict with
`export`               a trained network as a file for other places: a web page, a phone, a controller
`import_network`       a network that Keras or PyTorch has trained (``.keras``, ``.h5``, ``.onnx``)
=====================  ==========================================================================================

Windows are arrays (n, window, channels): `window` samples of each of the `channels` of a sensor, in the sensor's units.
"""

from triax._classifier import TriaxClassifier
from triax._exchange import EXPORT_FORMATS, Exported, export, import_network
from triax._notices import TriaxNote, TriaxWarning
from triax._predictor import Predictor, load
from triax._recordings import Recording, Recordings, Windows, read
from triax._settings import SETTINGS, Setting
from triax._studies import Audit, Study, audit, study
from triax._triax import __version__

__all__ = [
    "EXPORT_FORMATS",
    "SETTINGS",
    "Audit",
    "Exported",
    "Predictor",
    "Recording",
    "Recordings",
    "Setting",
    "Study",
    "TriaxClassifier",
    "TriaxNote",
    "TriaxWarning",
    "Windows",
    "__version__",
    "audit",
    "export",
    "import_network",
    "load",
    "read",
    "study",
]
