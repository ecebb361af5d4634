"""Runnable modules, one per job: `python -m apps.train_pix2pix --help`."""

import os

# TensorFlow prints its start-up notes from C++ before Python could silence them; errors are kept.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
