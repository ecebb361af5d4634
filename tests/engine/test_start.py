"""Starting points of runs: networks of other runs, of other families, in part; and frozen parts."""

import dataclasses
import re
from typing import ClassVar

import keras
import numpy as np
import pytest

from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import CONFIG_FILE, RunConfig, Setup
from keras_gen.engine.start import freeze, start_from
from keras_gen.errors import UserError
from keras_gen.models.beta_tcvae import BetaTCVAE
from keras_gen.models.vae import VAE, Config

TINY = Config(architecture="dense", latent_dim=3, hidden_units=(6, 4), image_size=6, channels=1)


class FromVAE(BetaTCVAE):
    """A model of another family that shares the encoder of a VAE; its decoder is initialised."""

    family = "from_vae"
    starts_from: ClassVar = {"vae": ("encoder",)}


def beta_tcvae(kind=FromVAE):
    return kind(kind.Config(**{f.name: getattr(TINY, f.name) for f in dataclasses.fields(TINY) if f.name in SHARED}))


SHARED = {"architecture", "latent_dim", "hidden_units", "image_size", "channels"}


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    """A model and its run folder."""
    folder = tmp_path_factory.mktemp("runs") / "vae"
    keras.utils.set_random_seed(1)
    model = VAE(TINY)
    Checkpoints(folder / "checkpoints", model.state(), keep=1).save(Progress(7))
    (folder / CONFIG_FILE).write_text(Setup("vae", "tiny", TINY, ImagesConfig(), RunConfig()).to_json())
    return model, folder


def equal(model, other, name):
    """Path -> whether a variable of a network is the same in two models, for all variables except biases."""
    states = ({k: v for k, v in m.state().items() if k.startswith(f"network/{name}/")} for m in (model, other))
    one, two = states
    return {
        k: k in two and one[k].shape == two[k].shape and np.array_equal(one[k].numpy(), two[k].numpy())
        for k in one
        if "bias" not in k  # 0 in both
    }


def test_a_run_of_the_same_family_gives_all_of_its_networks(vae):
    source, folder = vae
    model = VAE(TINY)
    model.compile(model.make_optimizers(1e-3), ema_decay=0.5)
    assert start_from(model, folder) == f"Loaded encoder, decoder from {folder} (vae, step 7)."
    assert all((equal(source, model, "encoder") | equal(source, model, "decoder")).values())
    for average, network in ((model.averages[n], model.networks[n]) for n in ("encoder", "decoder")):
        for one, other in zip(average.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_run_of_another_family_gives_what_that_one_takes(vae):
    source, folder = vae
    model = beta_tcvae()
    assert start_from(model, folder) == f"Loaded encoder from {folder} (vae, step 7)."
    assert all(equal(source, model, "encoder").values())
    assert not any(equal(source, model, "decoder").values())


def test_another_family_is_refused(vae, tmp_path):
    _, folder = vae
    model = beta_tcvae(BetaTCVAE)
    with pytest.raises(UserError, match=r"a run of vae; accepted is a run of beta_tcvae\."):
        start_from(model, folder)
    (tmp_path / CONFIG_FILE).write_text(Setup("gan", "tiny", TINY, ImagesConfig(), RunConfig()).to_json())
    with pytest.raises(UserError, match=r"a run of gan; accepted is a run of from_vae or vae \(encoder\)\."):
        start_from(beta_tcvae(), tmp_path)


def test_a_part_is_taken_by_its_path(vae):
    source, folder = vae
    model = VAE(TINY)
    said = start_from(model, folder, ("decoder", "encoder/dense_*"))
    assert said == f"Loaded encoder (4 of 8 variables), decoder from {folder} (vae, step 7)."
    taken = equal(source, model, "encoder")
    assert {path.split("/")[2] for path, same in taken.items() if same} == {"dense_0", "dense_1"}
    assert all(equal(source, model, "decoder").values())
    with pytest.raises(UserError, match=r"--take got prior; accepted are decoder, encoder and parts of them, such as"):
        start_from(model, folder, ("prior",))


def test_a_network_grows(vae):
    """With more units in the first layer, everything after the second layer still fits."""
    source, folder = vae
    model = VAE(dataclasses.replace(TINY, hidden_units=(9, 4)))
    sentence = "where encoder/dense_0/kernel is 36x6 and not 36x9; accepted are runs with the same networks"
    with pytest.raises(UserError, match=re.escape(sentence)):
        start_from(model, folder)
    assert start_from(model, folder, fitting=True).startswith("Loaded encoder (5 of 8 variables), decoder (3 of 6 ")
    taken = equal(source, model, "encoder")
    assert {path.split("/")[2] for path, same in taken.items() if same} == {"mean", "log_variance"}


def test_a_run_that_has_no_checkpoint_is_refused(vae, tmp_path):
    (tmp_path / CONFIG_FILE).write_text(Setup("vae", "tiny", TINY, ImagesConfig(), RunConfig()).to_json())
    with pytest.raises(UserError, match=r"--start-from got .* holds no newest checkpoint"):
        start_from(VAE(TINY), tmp_path)


def test_what_is_frozen_does_not_move():
    keras.utils.set_random_seed(2)
    model = VAE(TINY)
    freeze(model, ("encoder/dense_*", "decoder"))
    model.compile(model.make_optimizers(0.1), ema_decay=0.5)
    before = {name: v.numpy() for name, v in model.state().items()}
    images = np.random.default_rng(0).uniform(-1, 1, (4, 6, 6, 1)).astype(np.float32)
    model.train_step((images, np.zeros(4, np.int32)))
    moved = {
        name.split("/")[2]
        for name, v in model.state().items()
        if "network/" in name and (v != before[name]).numpy().any()
    }
    assert moved == {"mean", "log_variance"}
    assert not [name for name in before if name.startswith("optimizer/") and "dense" in name]
    for pattern, told in (
        ("prior", "encoder, decoder and layers of them, such as encoder/"),
        ("encoder/dense", "accepted"),
    ):
        with pytest.raises(UserError, match=f"--freeze got {pattern}; .*{told}"):
            freeze(model, (pattern,))
    with pytest.raises(UserError, match="--freeze got encoder decoder, which leaves the vae nothing to train"):
        freeze(model, ("encoder", "decoder"))
