"""keras_gen: generative image models for TensorFlow and Keras 3.

    import keras_gen

    data = keras_gen.data.pairs("facades", image_size=128)
    model = keras_gen.Pix2Pix(image_size=128)
    model.compile(learning_rate=2e-4)
    model.fit(data, epochs=10)
    model.save("folder")
    model = keras_gen.load("folder")

`dir(keras_gen)` lists the families, one class each. `keras_gen.data` contains the data sets, and `keras_gen.callbacks`
the callbacks for previews and for the health of GANs. TensorFlow is only imported when it is needed.

The package needs the TensorFlow backend of Keras and selects it, whatever `~/.keras/keras.json` says. If the
environment variable KERAS_BACKEND names another backend, importing the package raises an ImportError.

The package enables oneDNN on all CPUs; by itself TensorFlow enables it only on CPUs with AVX512-VNNI. Set
TF_ENABLE_ONEDNN_OPTS=0 to disable it (docs/performance.md).
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the names that `__getattr__` provides, for type checkers and editors
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

# TensorFlow reads this at its first operation. With AVX2 too, oneDNN is faster than TensorFlow's own kernels.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "keras" in sys.modules:  # imported already, with the backend of keras.json or of an earlier value
    _backend = sys.modules["keras"].config.backend()
if _backend != "tensorflow":
    raise ImportError(
        f"keras_gen needs the TensorFlow backend of Keras, and the backend is {_backend!r}: set "
        "KERAS_BACKEND=tensorflow, or unset it, before Keras is imported."
    )

logging.getLogger(__name__).addHandler(logging.NullHandler())

_MODULES = ("callbacks", "data", "models")


def load(folder: str | Path, checkpoint: str = "newest", **fields: Any) -> GenerativeModel:
    """Loads a model from a folder that `model.save` or a training run wrote.

    Args:
        folder: the folder.
        checkpoint: for a training run, "newest", or "best" by validation.
        fields: fields of the family's `Config` with new values, such as `noise_at_test`.

    Returns:
        The model with its weights and, if there are any, its averaged copies. It is not compiled. `model.step` is the
        number of training steps.

    Raises:
        keras_gen.errors.UserError: if the folder contains no model, or the model cannot be read.

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
    """Name of a class in lower case -> file of its module, whose name differs only by underscores."""
    files = (Path(__file__).parent / "models").glob("[!_]*.py")
    return {file.stem.replace("_", ""): file for file in files}


if not TYPE_CHECKING:  # otherwise type checkers would accept any name

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
