"""`apps.evaluate`, from the command line to the file of results."""

import dataclasses
import json
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits

from apps import evaluate, generate, train_gan, train_sgan
from apps._data import reopen
from keras_gen import models
from keras_gen.data.builtin.facades import CLASSES, PALETTE, draw_pair
from keras_gen.data.builtin.points import RING
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.noisy import NoisyConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.data.kinds.sequences import SequencesConfig
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import Setup
from keras_gen.metrics.modes import Modes
from keras_gen.models.autoencoder import Autoencoder
from keras_gen.models.autoencoder import Config as AutoencoderConfig
from keras_gen.models.pix2pix import Pix2Pix
from keras_gen.models.recurrent_autoencoder import Config as RecurrentConfig
from keras_gen.models.restoration import Config as RestorationConfig
from keras_gen.models.restoration import Restoration
from keras_gen.models.vae import VAE
from keras_gen.models.vae import Config as VAEConfig
from keras_gen.networks.lpips import load_lpips
from keras_gen.ops import reconstruction

SIZE = 32
SHORT = ["--segmenter-epochs", "60"]
MODEL, RUN, _ = Pix2Pix.presets["tiny"]


def make_run(folder, source_channels=3, **data):
    """A run folder as after training, with the weights of the first step."""
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(MODEL, source_channels=source_channels, num_classes=data.get("num_classes", 0))
    checkpoints = Checkpoints(folder / "checkpoints", Pix2Pix(config).state(), keep=1)
    assert checkpoints.save(Progress(7))
    setup = Setup(
        "pix2pix",
        "tiny",
        config,
        PairsConfig(image_size=MODEL.image_size, **data),
        dataclasses.replace(RUN, out=folder),
    )
    (folder / "config.json").write_text(setup.to_json())
    return folder


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Facades in three forms: coloured label maps, label ids, and photographs as sources."""
    folder = tmp_path_factory.mktemp("pairs")
    for i in range(10):
        labels, photo = draw_pair(SIZE, 0, i)
        save(folder / "colours" / f"{i}.png", np.hstack([PALETTE[labels], photo]))
        save(folder / "ids" / "A" / f"{i}.png", labels)
        save(folder / "ids" / "B" / f"{i}.png", photo)
        save(folder / "photos" / f"{i}.png", np.hstack([photo, 255 - photo]))
    return folder


@pytest.fixture(scope="module")
def run(pairs, tmp_path_factory):
    """A run that has been evaluated once, so its segmenter exists beside it."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "run", data=str(pairs / "colours"), val_every=5)
    assert evaluate.main([str(folder), *SHORT]) == 0
    return folder


def figures(folder):
    return json.loads((folder / "evaluation.json").read_text())


def test_reconstruction_is_that_of_the_drawn_validation_images(run, pairs):
    found = figures(run)
    model, _ = models.load(run)
    images = np.stack([np.asarray(Image.open(pairs / "colours" / f"{i}.png")) for i in (4, 9)]) / np.float32(127.5) - 1
    source, target = images[:, :, :SIZE], images[:, :, SIZE:]
    drawn = model.translate(tf.constant(source))
    assert found["validation_pairs"] == 2
    assert found["checkpoint"] == {"which": "newest", "step": 7}
    for name in ("l1", "psnr", "ssim"):
        values = np.asarray(getattr(reconstruction, name)(drawn, target))
        assert found["reconstruction"][name]["mean"] == pytest.approx(values.mean(), rel=1e-4)
        assert found["reconstruction"][name]["sd"] == pytest.approx(values.std(), rel=1e-2, abs=1e-5)


def test_real_images_are_segmented_better_than_those_of_an_untrained_generator(run):
    score = figures(run)["fcn_score"]
    assert score["real"]["class_accuracy"] > score["majority"]["class_accuracy"] + 0.05
    assert score["real"]["pixel_accuracy"] > score["generated"]["pixel_accuracy"]
    for kind in ("generated", "real", "majority"):
        assert all(0 <= value <= 1 for value in score[kind].values())


def test_a_run_beside_it_is_judged_by_the_same_segmenter(run, capsys):
    (kept,) = run.parent.glob("segmenter-*.npz")
    written = kept.stat().st_mtime_ns
    other = run.with_name("other")
    shutil.copytree(run, other)
    assert evaluate.main([str(other), *SHORT]) == 0
    said = capsys.readouterr().out
    assert kept.stat().st_mtime_ns == written
    assert "training a segmenter" not in said
    assert "not comparable" in " ".join(said.split())  # wrapped
    assert figures(other)["fcn_score"] == figures(run)["fcn_score"]
    protocol = figures(other)["fcn_score"]["protocol"]
    assert set(protocol["classes_that_occur"]) <= set(CLASSES)
    assert protocol["classes"] == 12


def test_ids_as_sources_give_the_same_classes_as_colours(pairs, run, tmp_path):
    ids = make_run(tmp_path / "ids", source_channels=12, data=str(pairs / "ids"), num_classes=12, val_every=5)
    file = tmp_path / "figures.json"
    assert evaluate.main([str(ids), "--segmenter-epochs", "1", "--json", str(file)]) == 0
    by_ids, by_colours = json.loads(file.read_text())["fcn_score"], figures(run)["fcn_score"]
    assert by_ids["majority"] == by_colours["majority"]
    names = by_colours["protocol"]["classes_that_occur"]
    assert by_ids["protocol"]["classes_that_occur"] == [str(CLASSES.index(name)) for name in names]
    assert not (ids / "evaluation.json").exists()


def test_pictures_as_sources_leave_the_fcn_score_out_and_say_why(pairs, tmp_path, capsys):
    folder = make_run(tmp_path / "run", data=str(pairs / "photos"))
    assert evaluate.main([str(folder)]) == 0
    assert "FCN score left out: the sources are not label maps" in capsys.readouterr().out
    assert "not label maps" in figures(folder)["fcn_score"]["left_out"]
    assert not list(tmp_path.glob("segmenter-*"))


def test_data_that_moved_is_named_and_found_by_the_flag(pairs, tmp_path, capsys):
    folder = make_run(tmp_path / "run", data=str(tmp_path / "gone"))
    assert evaluate.main([str(folder), "--no-fcn-score"]) == 2
    assert "--data" in capsys.readouterr().err
    assert evaluate.main([str(folder), "--no-fcn-score", "--data", str(pairs / "colours")]) == 0
    assert figures(folder)["fcn_score"] == {"left_out": "--no-fcn-score was given"}


def test_a_segmenter_of_another_training_is_refused(run, capsys):
    (kept,) = run.parent.glob("segmenter-*.npz")
    assert evaluate.main([str(run), *SHORT, "--segmenter", str(kept), "--seed", "3"]) == 2
    assert f"{kept.name} was trained with seed 0, but here seed is 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--segmenter-epochs", "0"], "--segmenter-epochs"),
        (["--seed", "-1"], "--seed"),
        (["--checkpoint", "best"], "best"),
        (["--json", "/nowhere/figures.json"], "--json"),
        (["--segmenter", "/nowhere/segmenter.npz"], "--segmenter"),
    ],
)
def test_bad_flags_end_with_2_and_name_themselves(run, flags, named, capsys):
    before = sorted(path.name for path in run.rglob("*"))
    assert evaluate.main([str(run), *flags]) == 2
    assert named in capsys.readouterr().err
    assert sorted(path.name for path in run.rglob("*")) == before


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert evaluate.main([str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err


def test_data_of_other_channels_are_refused(run, pairs, tmp_path, capsys):
    shutil.copytree(pairs / "ids", tmp_path / "grey")
    assert evaluate.main([str(run), "--data", str(tmp_path / "grey")]) == 2
    assert "has source channels 1, but" in capsys.readouterr().err


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three images, and distorted copies with the same names in other formats, one of them of another size."""
    root = tmp_path_factory.mktemp("folders")
    rng = np.random.default_rng(0)
    for name, size, noise in (("a", (40, 30, 3), 5), ("b", (40, 30, 3), 60), ("c", (32, 48), 20)):
        picture = ndimage.zoom(rng.uniform(40, 216, (8, 8)), (size[0] / 8, size[1] / 8), order=1)
        picture = np.broadcast_to(picture.reshape(*picture.shape, *(1,) * (len(size) - 2)), size)
        save(root / "real" / f"{name}.bmp", picture.astype(np.uint8))
        save(root / "drawn" / f"{name}.png", np.clip(picture + rng.normal(0, noise, size), 0, 255).astype(np.uint8))
    return root


def compare(root, *flags):
    return evaluate.main(["--images", str(root / "drawn"), "--reference", str(root / "real"), *flags])


def test_two_folders_are_compared_file_by_file(folders, tmp_path, capsys):
    assert compare(folders, "--metrics", "ssim,psnr", "--json", str(tmp_path / "figures.json")) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    expected = {}
    for name in "abc":
        drawn, real = (
            np.asarray(Image.open(folders / part / f"{name}{suffix}"), np.float64)
            for part, suffix in (("drawn", ".png"), ("real", ".bmp"))
        )
        expected[name] = 10 * np.log10(255**2 / np.square(drawn - real).mean())
        assert found["files"][name]["psnr"] == pytest.approx(expected[name], rel=1e-4)
    assert found["compared"] == 3
    psnr = found["reconstruction"]["psnr"]
    assert psnr["mean"] == pytest.approx(np.mean(list(expected.values())), rel=1e-4)
    assert psnr["sd"] == pytest.approx(np.std(list(expected.values())), rel=1e-3)
    assert list(psnr["worst"]) == sorted(expected, key=expected.get)
    said = capsys.readouterr().out
    assert said.index("SSIM ") < said.index("PSNR [dB] ")  # as asked for
    assert f"b ({psnr['worst']['b']:.4g}), c (" in said
    assert "SSIM: Wang et al. 2004; Gaussian window 11x11, sigma 1.5" in said


def test_lpips_of_two_folders(folders, shared, tmp_path, capsys):
    """A grey image is compared as RGB with equal channels."""
    weights = shared / "data/lpips/lpips_squeeze.npz"
    flags = ["--weights", str(weights), "--json", str(tmp_path / "figures.json")]
    assert compare(folders, "--metrics", "lpips", *flags) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    drawn, real = (
        tf.constant(np.asarray(Image.open(path).convert("RGB"), np.float32)[None] / 127.5 - 1)
        for path in (folders / "drawn" / "c.png", folders / "real" / "c.bmp")
    )
    assert found["files"]["c"]["lpips"] == pytest.approx(float(load_lpips(weights)([drawn, real])[0]), rel=1e-4)
    assert next(iter(found["reconstruction"]["lpips"]["worst"])) == "b"
    assert "squeeze, weights lpips_squeeze.npz (SHA-256 " in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def spoilt(folders, tmp_path):
    shutil.copytree(folders, tmp_path, dirs_exist_ok=True)
    for part, name in (("drawn", "extra.png"), ("drawn", "broken.png"), ("real", "broken.bmp"), ("real", "small.png")):
        save(tmp_path / part / name, np.zeros((20, 20), np.uint8))
    (tmp_path / "drawn" / "broken.png").write_bytes(b"\x89PNG cut off")
    save(tmp_path / "drawn" / "small.png", np.zeros((20, 21), np.uint8))
    return tmp_path


def test_files_that_cannot_be_compared_are_named(spoilt, capsys):
    assert compare(spoilt) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for sentence in (
        "extra.png has no partner",
        "broken.png is not a PNG",
        "small.png is 21x20, and",
        "small.png is 20x20",
    ):
        assert sentence in said
    assert "3 of the files cannot be compared" in said


def test_files_that_cannot_be_compared_are_left_out_on_demand(spoilt, capsys, tmp_path):
    assert compare(spoilt, "--skip-bad", "--json", str(tmp_path / "figures.json")) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    assert list(found["files"]) == ["a", "b", "c"]
    assert len(found["left_out"]) == 3
    assert "3 files left out (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ["--metrics", "fid"],
            "--metrics got fid; accepted are l1, psnr, ssim, ms_ssim, kl, cc, sim, nss, lpips, mig, factor_vae_score,",
        ),
        (["--metrics", ","], "--metrics got nothing"),
        (["--metrics", "psnr,mig"], "--metrics mig does not apply to --images"),
        (["--metrics", "ms_ssim"], "--metrics ms_ssim needs sides of 161 pixels or more, but .*a.png has 30x40"),
        (["--metrics", "lpips"], "--metrics lpips needs --weights FILE"),
        (["--weights", "w.npz"], "--weights w.npz needs --metrics lpips"),
        (["--metrics", "lpips", "--weights", "/nowhere/w.npz"], "--weights /nowhere/w.npz cannot be read"),
        (["--json", "/nowhere/figures.json"], "/nowhere/figures.json cannot be written; --json FILE"),
        (["--checkpoint", "best"], "--checkpoint does not apply to --images"),
        (["--segmenter-epochs", "3"], "--segmenter-epochs does not apply to --images"),
        (["a_run"], "--images does not apply to a RUN"),
        (["--reference", "/nowhere"], "--reference got /nowhere, which is not a folder"),
    ],
)
def test_bad_flags_of_a_comparison_are_one_sentence(folders, flags, sentence, capsys):
    assert compare(folders, *flags) == 2
    said = capsys.readouterr().err
    assert re.search(sentence, said)
    assert said.count("\n") == 1


@pytest.mark.parametrize("flags", [[], ["--images", "here"]])
def test_nothing_to_evaluate_is_said(flags, capsys):
    assert evaluate.main(flags) == 2
    assert "RUN is missing" in capsys.readouterr().err


def make_image_run(folder, family, config, data=None, zero=True):
    """A run folder, by default on the scanned digits, with weights of 0 or of the first step."""
    keras.utils.set_random_seed(0)
    model = family(config)
    for network in model.networks.values() if zero else ():
        network.set_weights([np.zeros_like(weights) for weights in network.get_weights()])
    assert Checkpoints(folder / "checkpoints", model.state(), keep=1).save(Progress(3))
    setup = Setup(
        family.family, "tiny", config, data or ImagesConfig(data="digits"), dataclasses.replace(RUN, out=folder)
    )
    (folder / "config.json").write_text(setup.to_json())
    return folder


VAE_TINY = VAEConfig(image_size=8, latent_dim=3, hidden_units=(4,), filters=2)


@pytest.fixture(scope="module")
def vae_run(tmp_path_factory):
    """With weights of 0, q(z|x) is the prior, pixels are white with probability 1/2, and reconstructions are grey."""
    return make_image_run(tmp_path_factory.mktemp("vae") / "run", VAE, VAE_TINY)


def test_a_vae_whose_figures_are_known(vae_run, capsys):
    assert evaluate.main([str(vae_run), "--importance-samples", "3"]) == 0
    found = figures(vae_run)
    scans = load_digits().images[9::10]  # of every tenth, the last is held back
    psnr = [10 * np.log10(4 / np.square(scan / 127.5 - 1).mean()) for scan in np.rint(scans * 255 / 16)]
    assert found["validation_images"] == len(scans)
    assert found["reconstruction"]["psnr"]["mean"] == pytest.approx(np.mean(psnr), abs=0.02)
    assert found["log_likelihood"]["nats"] == pytest.approx(64 * np.log(2), rel=1e-5)
    assert found["log_likelihood"]["protocol"]["samples"] == 3
    assert found["active_units"] == {"active": 0, "of": 3}
    assert "ssim" not in found["reconstruction"]  # eight pixels
    said = " ".join(capsys.readouterr().out.split())
    assert "K = 3 samples of q(z|x) for each of 179 images" in said
    assert "bernoulli likelihood, the images are not binarised" in said


def test_units_that_tell_images_apart_are_active_and_a_limit_holds(tmp_path):
    folder = make_image_run(tmp_path / "run", VAE, VAE_TINY, zero=False)
    assert evaluate.main([str(folder), "--limit", "60"]) == 0
    found = figures(folder)
    data = ImagesConfig(data="digits").open(0)
    images = np.concatenate([images for images, _ in data.validation(60, limit=60)])
    mean, _ = models.load(folder)[0].encode(images)
    assert found["active_units"]["active"] == (np.var(mean, axis=0) > 0.01).sum() > 0
    assert found["validation_images"] == 60
    assert "log_likelihood" not in found


def test_an_autoencoder_is_judged_by_its_reconstructions(tmp_path, capsys):
    config = AutoencoderConfig(image_size=8, latent_dim=3, hidden_units=(4,), filters=2)
    folder = make_image_run(tmp_path / "run", Autoencoder, config)
    assert evaluate.main([str(folder), "--metrics", "l1"]) == 0
    assert set(figures(folder)) == {"run", "checkpoint", "data", "validation_images", "reconstruction"}
    assert evaluate.main([str(folder), "--importance-samples", "3"]) == 2
    assert "--importance-samples does not apply to a run of autoencoder" in capsys.readouterr().err


@pytest.mark.parametrize("noise", ["mixed", "dropout"])
def test_a_denoiser_is_judged_beside_its_noisy_input_for_every_noise(noise, tmp_path, capsys):
    """With weights of 0 the output is the noisy input."""
    data = NoisyConfig(noise=noise, image_size=12, strength=(0.2, 0.4))
    config = RestorationConfig(filters=2, levels=1, image_size=12, channels=1)
    folder = make_image_run(tmp_path / "run", Restoration, config, data)
    assert evaluate.main([str(folder), "--metrics", "psnr,ssim", "--limit", "60"]) == 0
    found = figures(folder)
    means = found["denoising"]["means"]
    assert list(means) == list(dict.fromkeys([noise, "gaussian", "dropout", "salt-and-pepper", "poisson"]))
    for kind, row in means.items():
        assert row["cleaned"] == pytest.approx(row["noisy"], rel=1e-5)
        noisy, clean = next(iter(dataclasses.replace(data, noise=kind).open(5).validation(60)))
        assert row["noisy"]["psnr"] == pytest.approx(np.mean(reconstruction.psnr(noisy, clean)), rel=1e-4)
        assert row["noisy"]["ssim"] == pytest.approx(np.mean(reconstruction.ssim(noisy, clean)), rel=1e-4)
    assert found["reconstruction"]["psnr"]["mean"] == pytest.approx(means[noise]["cleaned"]["psnr"])
    said = capsys.readouterr().out
    assert f"the run was trained on {noise}" in " ".join(said.split())
    assert re.search(r"^salt-and-pepper +\d+\.\d{4} +\d+\.\d{4} +0\.\d{4} +0\.\d{4}$", said, re.MULTILINE)


def test_cleaned_images_are_told_from_noisy_ones(tmp_path):
    """Noise with strength 0 changes nothing, and an untrained network makes the image worse."""
    config = RestorationConfig(filters=2, levels=1, image_size=8, channels=1)
    data = NoisyConfig(data="digits", noise="gaussian", strength=(0.0, 0.0))
    folder = make_image_run(tmp_path / "run", Restoration, config, data, zero=False)
    assert evaluate.main([str(folder), "--limit", "20"]) == 0
    row = figures(folder)["denoising"]["means"]["gaussian"]
    assert row["noisy"]["psnr"] == 120
    assert row["cleaned"]["psnr"] < 60
    assert row["noisy"]["l1"] == 0 < row["cleaned"]["l1"]


@pytest.fixture(scope="module")
def shapes_run(tmp_path_factory):
    config = VAEConfig(architecture="dense", hidden_units=(4,), image_size=8, latent_dim=3)
    data = ImagesConfig(data="shapes", image_size=8)
    return make_image_run(tmp_path_factory.mktemp("shapes") / "run", VAE, config, data, zero=False)


def test_latent_units_are_compared_with_known_factors(shapes_run, capsys):
    """An untrained model scores nearly 0; 0.2 is the score of chance."""
    assert evaluate.main([str(shapes_run), "--metrics", "factor_vae_score,mig", "--limit", "50", "--seed", "2"]) == 0
    found = figures(shapes_run)["disentanglement"]
    assert list(found) == ["factor_vae_score", "mig"]
    assert 0 < found["mig"]["score"] < 0.1 < found["factor_vae_score"]["score"] < 0.7
    assert all("seed 2" in score["protocol"] for score in found.values())
    said = capsys.readouterr().out
    assert re.search(r"^FactorVAE score +0\.\d{4}$", said, re.MULTILINE)
    assert "reconstruction" not in said
    assert "800 votes to learn the majority" in said


def test_scores_that_a_run_cannot_have_are_refused(vae_run, run, tmp_path, capsys):
    config = AutoencoderConfig(architecture="dense", hidden_units=(4,), image_size=8, latent_dim=3)
    data = ImagesConfig(data="shapes", image_size=8)
    autoencoder = make_image_run(tmp_path / "autoencoder", Autoencoder, config, data)
    for folder, said in (
        (vae_run, "--metrics mig needs latent vectors of images whose factors are known; accepted are runs of "),
        (run, "--metrics mig needs latent vectors of images whose factors are known; accepted are runs of "),
        (autoencoder, "--metrics mig needs posteriors of latent vectors, and .* is a run of autoencoder"),
    ):
        assert evaluate.main([str(folder), "--metrics", "psnr,mig"]) == 2
        complaint = capsys.readouterr().err
        assert re.search(said, complaint)
        assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--metrics", "ssim"], "--metrics ssim needs sides of 11 pixels or more, but an image of .* has 8x8"),
        (["--no-fcn-score"], "--no-fcn-score does not apply to a run of vae"),
        (["--importance-samples", "-1"], "--importance-samples got -1"),
        (["--limit", "-1"], "--limit got -1"),
    ],
)
def test_bad_flags_of_an_image_run_are_one_sentence(vae_run, flags, said, capsys):
    assert evaluate.main([str(vae_run), *flags]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_a_run_on_sequences_is_refused(tmp_path, capsys):
    config = RecurrentConfig()
    setup = Setup("recurrent_autoencoder", "tiny", config, SequencesConfig(), dataclasses.replace(RUN, out=tmp_path))
    (tmp_path / "config.json").write_text(setup.to_json())
    assert evaluate.main([str(tmp_path)]) == 2
    said = "which has no evaluation; accepted are runs of families with one of the tasks translate, "
    assert said in capsys.readouterr().err


def test_a_gan_on_points_is_judged_by_its_modes(tmp_path, capsys):
    """The figures are those of its samples. `apps.generate` refuses points."""
    run = tmp_path / "ring"
    flags = [
        "--preset",
        "tiny",
        "--data",
        "ring",
        "--epochs",
        "1",
        "--steps-per-epoch",
        "1",
        "--no-export",
        "--out",
        str(run),
    ]
    assert train_gan.main(flags) == 0
    capsys.readouterr()
    assert evaluate.main([str(run), "--limit", "100"]) == 0
    printed = capsys.readouterr().out
    result = json.loads((run / "evaluation.json").read_text())
    model, _ = models.load(run)
    modes = Modes(RING.centres, RING.deviation)
    modes.update(model.draw(model.fixed_latents(2500)))
    assert result["modes"] == modes.result()
    assert f"{result['modes']['found']} of 8" in printed
    assert result["validation_images"] == 100
    assert f"{result['energy_score']:.4f}" in printed
    assert evaluate.main([str(run), "--metrics", "psnr"]) == 2
    assert generate.main([str(run), "--out", str(tmp_path / "drawn")]) == 2
    assert "generates points in the plane, not images" in capsys.readouterr().err


def test_a_classifier_is_judged_by_what_it_takes_for_what(tmp_path, capsys):
    run = tmp_path / "digits"
    flags = ["--preset", "tiny", "--epochs", "1", "--steps-per-epoch", "1", "--no-export", "--out", str(run)]
    assert train_sgan.main(flags) == 0
    capsys.readouterr()
    assert evaluate.main([str(run)]) == 0
    printed = capsys.readouterr().out
    result = json.loads((run / "evaluation.json").read_text())
    model, _ = models.load(run)
    images, labels = next(iter(reopen(run).validation(179)))
    said, labels = np.argmax(model.classify(images), axis=1), np.asarray(labels)
    assert result["validation_images"] == len(labels) == 179
    assert result["errors"] == np.sum(said != labels) > 90  # one step teaches little
    assert f"errors: {result['errors']} of 179 validation images" in printed
    assert evaluate.main([str(run), "--seed", "1"]) == 2
    assert "--seed does not apply to a run of sgan" in capsys.readouterr().err
    assert evaluate.main([str(run), "--features", "mnist"]) == 2  # without --scores
    assert "--features does not apply to a run of sgan" in capsys.readouterr().err
    counts = np.array(result["confusion"]["counts"])
    assert all(counts[a, b] == np.sum((labels == a) & (said == b)) for a in range(10) for b in range(10))
    told = [tuple(map(int, found)) for found in re.findall(r"(\d) classified as (\d) +(\d+) of (\d+)", printed)]
    assert 0 < len(told) <= 10
    assert all(counts[a, b] == n and counts[a].sum() == of for a, b, n, of in told)
    assert [n for _, _, n, _ in told] == sorted(counts[~np.eye(10, dtype=bool)])[::-1][: len(told)]
