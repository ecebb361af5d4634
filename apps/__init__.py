"""Runnable modules, one per job: `python -m apps.train_pix2pix --help`."""

import os

from keras_gen.console import quiet

# TensorFlow tells of the machine at import and of its graph optimiser later; what matters arrives as an exception.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with quiet():
    import ai_edge_litert.interpreter  # noqa: F401
    import tensorflow  # noqa: F401
