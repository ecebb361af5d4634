"""A tiny run of pix2pix by its app, in a second or two."""

from apps import train_pix2pix
from keras_gen import models


def train(pairs, out, *flags, export=False):
    """The exit code of training on a folder of pairs."""
    common = ["--preset", "tiny", "--data", str(pairs), "--out", str(out), "--image-size", "16", "--filters", "4"]
    return train_pix2pix.main(
        [
            *common,
            "--levels",
            "3",
            "--val-every",
            "4",
            "--steps-per-epoch",
            "3",
            *flags,
            *["--no-export"] * (not export),
        ]
    )


def weights(folder):
    model, _ = models.load(folder)
    return {name: v.numpy() for name, v in model.state().items() if name.startswith(("network/", "average/"))}
