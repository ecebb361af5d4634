"""Scripts that print the tables in the documents: `python -m benchmarks.train_step --help`."""

import contextlib
import sys

if "tensorflow" not in sys.modules:
    # PyTorch's optimizers import Triton if it is installed. Importing Triton 3.8 after TensorFlow 2.21 causes a
    # segmentation fault, because both contain LLVM; importing it before TensorFlow works.
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401

from keras_gen.cli.start import import_tensorflow

import_tensorflow()  # without its log messages
