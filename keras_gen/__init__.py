"""keras_gen: generative image models for TensorFlow and Keras 3.

The package needs the TensorFlow backend of Keras, whatever `~/.keras/keras.json` says; a `KERAS_BACKEND` that asks
for another one is refused here, before anything is built on it.

On CPUs TensorFlow computes by oneDNN, which of itself it does only on those with AVX512-VNNI; set
TF_ENABLE_ONEDNN_OPTS=0 to leave it off (docs/performance.md).
"""

import os
import sys

__version__ = "0.1.0"

# Read by TensorFlow when it first computes. Of AVX2 too, oneDNN makes more than its own kernels do.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "keras" in sys.modules:  # imported before us: then it is keras.json or an earlier value that counted
    _backend = sys.modules["keras"].config.backend()
if _backend != "tensorflow":
    raise ImportError(
        f"keras_gen runs on the TensorFlow backend of Keras, and KERAS_BACKEND asks for {_backend!r}: "
        "set KERAS_BACKEND=tensorflow (or unset it) before Keras is imported."
    )
