"""Inputs of a run: other runs, which are copied, and files of frozen networks, whose hashes are stored."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_gen import models
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import CONFIG_FILE, RunConfig, Setup, from_plain, read_config
from keras_gen.engine.run import Run
from keras_gen.engine.run_inputs import require_same_files
from keras_gen.errors import UserError
from keras_gen.flags import RunFolder
from keras_gen.models.autoencoder import Autoencoder
from keras_gen.models.vae import VAE

TINY = VAE.Config(architecture="dense", latent_dim=2, hidden_units=(4,), image_size=8, channels=1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)


class OfLatents(Autoencoder):
    """An autoencoder that uses the latent vectors of another run, and has a frozen network with a file."""

    family = "of_latents"

    @dataclasses.dataclass(frozen=True)
    class Config(Autoencoder.Config):
        latents_of: RunFolder = None
        file: Path | None = None

    def make_networks(self, config):
        super().make_networks(config)
        source, _ = models.load(config.latents_of)
        self.latents = self.add_frozen("latents", source.inference("encoder"))
        image = keras.Input((8, 8, 1))
        self.mean = self.add_frozen("mean", keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)))

    def frozen_files(self):
        return {"mean": self.config.file}


@pytest.fixture
def vae(tmp_path):
    folder = tmp_path / "vae"
    model = VAE(TINY)
    Checkpoints(folder / "checkpoints", model.state(), keep=1).save(Progress(7))
    (folder / CONFIG_FILE).write_text(Setup("vae", "tiny", TINY, ImagesConfig(), RunConfig()).to_json())
    return model, folder


def test_a_run_has_copies_of_what_it_is_made_of(vae, tmp_path):
    """After deleting the original and moving the run, it loads and resumes, unless the file of a frozen network
    changed."""
    source, folder = vae
    file = tmp_path / "mean.npz"
    file.write_bytes(b"weights")
    model = OfLatents.Config(
        architecture="dense", latent_dim=2, hidden_units=(4,), image_size=8, channels=1, latents_of=folder, file=file
    )
    run = RunConfig(out=tmp_path / "run", epochs=1, steps_per_epoch=1, batch_size=4, previews=2)
    setup = Setup("of_latents", "tiny", model, ImagesConfig(data="digits"), run)

    def train(setup):
        with Run(setup) as running:
            data = setup.data.open(0)
            with running.scope():
                made = OfLatents(running.complete_model(data))
                running.compile(made, data)
            running.fit(made, data)
        return made

    expected = source.encode(IMAGES)[0].numpy()
    trained = train(setup)
    np.testing.assert_array_equal(trained.latents(IMAGES)[0], expected)
    trained.save(tmp_path / "saved")
    shutil.rmtree(folder)
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    content = read_config(moved)
    config = from_plain(OfLatents.Config, content["model"], moved / CONFIG_FILE)
    assert config.latents_of == moved / "inputs" / "latents_of"
    np.testing.assert_array_equal(OfLatents(config).latents(IMAGES)[0], expected)
    saved = read_config(tmp_path / "saved")
    assert saved["frozen"] == content["frozen"]
    of_saved = from_plain(OfLatents.Config, saved["model"], tmp_path / "saved" / CONFIG_FILE)
    np.testing.assert_array_equal(OfLatents(of_saved).latents(IMAGES)[0], expected)
    copied, steps = models.load(config.latents_of)
    assert steps == 7
    np.testing.assert_array_equal(copied.encode(IMAGES)[0], expected)

    again = dataclasses.replace(run, out=moved, resume=moved, epochs=2)
    setup = dataclasses.replace(setup, model=config, run=again)
    file.write_bytes(b"other weights")
    with pytest.raises(UserError, match=r"has the SHA-256 \w{12}, but .*moved was trained with \w{12} as its mean"):
        train(setup)
    file.write_bytes(b"weights")
    np.testing.assert_array_equal(train(setup).latents(IMAGES)[0], expected)
    assert read_config(moved)["frozen"] == content["frozen"]
    with pytest.raises(UserError, match="--overwrite would delete"):
        Run(
            dataclasses.replace(
                setup,
                model=dataclasses.replace(config, latents_of=moved),
                run=dataclasses.replace(run, out=moved, overwrite=True),
            )
        )


def test_a_file_that_is_not_the_recorded_one_is_refused(tmp_path):
    file = tmp_path / "vgg.npz"
    file.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of no bytes, FIPS 180-4
    require_same_files({"vgg": {"file": "elsewhere.npz", "sha256": empty}}, {"vgg": file}, tmp_path)
    with pytest.raises(UserError, match="was trained with another file as its vgg"):
        require_same_files({}, {"vgg": file}, tmp_path)
