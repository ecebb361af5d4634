"""Tiny runs that the tests of the apps share."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from PIL import Image

from apps import train_pix2pix
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import CONFIG_FILE, RunConfig, Setup
from keras_gen.export.exporter import export
from keras_gen.models.pix2pix import Config, Pix2Pix


class TinyRun(NamedTuple):
    folder: Path
    data: Path


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> TinyRun:
    """A pix2pix run at 32x32 RGB, trained for four steps by its app on a folder of side-by-side pairs."""
    root = tmp_path_factory.mktemp("tiny")
    generator = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 3)):
        (root / "pairs" / part).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(generator.integers(0, 256, (4, 8, 3), np.uint8))
            coarse.resize((64, 32)).save(root / "pairs" / part / f"{number}.png")
    flags = {"preset": "tiny", "filters": 4, "discriminator-filters": 4, "levels": 3, "epochs": 2}
    flags |= {"steps-per-epoch": 2, "data": root / "pairs", "out": root / "run"}
    assert train_pix2pix.main([f"--{name}={value}" for name, value in flags.items()]) == 0
    return TinyRun(root / "run", root / "pairs")


@pytest.fixture(scope="session")
def label_run(tmp_path_factory) -> Path:
    """A run folder of an untrained pix2pix from 5 label ids to grey images, with its exports."""
    keras.utils.set_random_seed(0)
    config = Config(
        image_size=32,
        filters=4,
        discriminator_filters=4,
        levels=3,
        patch=16,
        source_channels=5,
        target_channels=1,
        num_classes=5,
    )
    model = Pix2Pix(config)
    folder = tmp_path_factory.mktemp("labels") / "run"
    folder.mkdir()
    setup = Setup("pix2pix", "tiny", config, PairsConfig(num_classes=5, image_size=32), RunConfig(out=folder))
    (folder / CONFIG_FILE).write_text(setup.to_json())
    Checkpoints(folder / "checkpoints", model.state(), keep=1).save(Progress(1))
    export(model.serving(), folder, [(np.full((1, 32, 32, 5), -1, np.float32),)])
    return folder
