"""Scripts that print the tables the documents quote: `python -m benchmarks.train_step --help`."""

import apps  # noqa: F401  (keeps TensorFlow's notes off the screen)
