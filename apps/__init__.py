"""Command-line apps, one module each: `python -m apps.train_pix2pix --help`."""

from keras_gen.cli.start import begin

begin(__name__)
