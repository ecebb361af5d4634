"""keras_gen: generative image models for TensorFlow and Keras 3.

    import keras_gen

    data = keras_gen.data.pairs("facades", image_size=128)
    model = keras_gen.Pix2Pix(image_size=128)
    model.compile(learning_rate=2e-4)
    model.fit(data, epochs=10)
    model.save("folder")
    model = keras_gen.load("folder")

`dir(keras_gen)` lists the families, one class each; `keras_gen.data` has the data sets, `keras_gen.callbacks` previews
and the health of GANs for `fit`. Nothing imports TensorFlow before it is used.

The package needs the TensorFlow backend of Keras, whatever `~/.keras/keras.json` says; a `KERAS_BACKEND` that asks
for another one is refused here, before anything is built on it.

On CPUs TensorFlow computes by oneDNN, which of itself it does only on those with AVX512-VNNI; set
TF_ENABLE_ONEDNN_OPTS=0 to leave it off (docs/performance.md).
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the names that `__getattr__` gives, for type checkers and editors
    from keras_gen import callbacks as callbacks
    from keras_gen import data as data
    from keras_gen import models as models
    from keras_gen.engine.model import GenerativeModel
    from keras_gen.models.acgan import ACGAN as ACGAN
    from keras_gen.models.autoencoder import Autoencoder as Autoencoder
    from keras_gen.models.began import BEGAN as BEGAN
    from keras_gen.models.beta_tcvae import BetaTCVAE as BetaTCVAE
    from keras_gen.models.cgan import CGAN as CGAN
    from keras_gen.models.cvae import CVAE as CVAE
    from keras_gen.models.dcgan import DCGAN as DCGAN
    from keras_gen.models.ebgan import EBGAN as EBGAN
    from keras_gen.models.factor_vae import FactorVAE as FactorVAE
    from keras_gen.models.gan import GAN as GAN
    from keras_gen.models.infogan import InfoGAN as InfoGAN
    from keras_gen.models.lsgan import LSGAN as LSGAN
    from keras_gen.models.pix2pix import Pix2Pix as Pix2Pix
    from keras_gen.models.recurrent_autoencoder import RecurrentAutoencoder as RecurrentAutoencoder
    from keras_gen.models.restoration import Restoration as Restoration
    from keras_gen.models.saliency import Saliency as Saliency
    from keras_gen.models.sgan import SGAN as SGAN
    from keras_gen.models.sngan import SNGAN as SNGAN
    from keras_gen.models.sparse_autoencoder import SparseAutoencoder as SparseAutoencoder
    from keras_gen.models.vae import VAE as VAE
    from keras_gen.models.vq_vae import VQVAE as VQVAE
    from keras_gen.models.wgan import WGAN as WGAN
    from keras_gen.models.wgan_gp import WGANGP as WGANGP

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

logging.getLogger(__name__).addHandler(logging.NullHandler())

_MODULES = ("callbacks", "data", "models")


def load(folder: str | Path, checkpoint: str = "newest", **fields: Any) -> GenerativeModel:
    """A model that `save` or a training run wrote.

    Args:
        folder: which `model.save` was given, or of a run.
        checkpoint: of a run, "newest" or "best" by validation.
        fields: fields of the family's `Config` to set otherwise, such as `noise_at_test`.

    Returns:
        The model with its weights, and averaged copies if there are, not compiled; `model.step` is the number of steps
        that it was trained.

    Raises:
        keras_gen.errors.UserError: if the folder holds no model, or one that cannot be read.

    Examples:
        >>> model = keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
        >>> model.save(folder / "vae")
        >>> again = keras_gen.load(folder / "vae")
        >>> images = np.zeros((3, 8, 8, 1), np.float32)
        >>> np.array_equal(model(images), again(images))
        True
    """
    from keras_gen import models

    return models.load(Path(folder), checkpoint, **fields)[0]


def _modules_of_families() -> dict[str, Path]:
    """Name of a class in lower case -> its module: the two differ by underscores alone."""
    files = (Path(__file__).parent / "models").glob("[!_]*.py")
    return {file.stem.replace("_", ""): file for file in files}


if not TYPE_CHECKING:  # or there would be every name

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        file = None if name.startswith("_") else _modules_of_families().get(name.lower())
        found = getattr(importlib.import_module(f"{__name__}.models.{file.stem}"), name, None) if file else None
        if found is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return found


def __dir__() -> list[str]:
    classes = (
        re.search(rf"^class ({name})\b", file.read_text(encoding="utf-8"), re.IGNORECASE | re.MULTILINE)
        for name, file in _modules_of_families().items()
    )
    return sorted({"__version__", "load", *_MODULES, *(found[1] for found in classes if found)})
