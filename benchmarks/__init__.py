"""Scripts that print the tables the documents quote: `python -m benchmarks.train_step --help`."""

import contextlib
import sys

if "tensorflow" not in sys.modules:
    # PyTorch's optimizers import Triton where it is installed, and Triton 3.8 after TensorFlow 2.21 ends in a
    # segmentation fault: both bring an LLVM. Before it, all is well.
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401

from keras_gen.cli.start import import_tensorflow

import_tensorflow()  # without its notes
