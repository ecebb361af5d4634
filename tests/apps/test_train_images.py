"""Families that train on single images: a run from the command line to its exports, and the apps for its folder."""

import json
import shutil

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from apps import export, train_autoencoder, train_sparse_autoencoder, train_vae, translate
from benchmarks.kill_resume import differences
from keras_gen import models
from keras_gen.engine.run import remove_run
from keras_gen.export.tflite import TFLiteModel

APPS = {"autoencoder": train_autoencoder, "sparse_autoencoder": train_sparse_autoencoder, "vae": train_vae}


ONE = pytest.mark.parametrize(
    "run", ["vae", *(pytest.param(n, marks=pytest.mark.full) for n in APPS if n != "vae")], indirect=True
)
"""For what does not differ between families: it is asked of the one whose step draws random numbers."""


@pytest.fixture(scope="module", params=APPS)
def run(request, tmp_path_factory):
    """A run on the digits, four epochs of four steps. Only the run of `ONE` writes its exports."""
    out = tmp_path_factory.mktemp(request.param) / "run"
    flags = ["--preset", "tiny", "--epochs", "4", *["--no-export"] * (request.param != "vae")]
    assert APPS[request.param].main([*flags, "--out", str(out)]) == 0
    return request.param, out


@ONE
def test_encoder_and_decoder_are_exported_and_are_the_whole(run):
    family, out = run
    if family != "vae":
        assert export.main([str(out)]) == 0
    latent_dim = json.loads((out / "config.json").read_text())["model"]["latent_dim"]
    digits = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    whole, down, up = (TFLiteModel(out / f"{name}.tflite") for name in ("model", "encoder", "decoder"))
    assert down.input_shape == (1, 8, 8, 1)
    assert up.input_shape == (1, latent_dim)
    np.testing.assert_allclose(whole(digits), up(down(digits)), atol=1e-5)
    report = json.loads((out / "report.json").read_text())["export"]
    assert list(report) == [family, "encoder", "decoder"]
    (images,), (latents,) = report["encoder"]["inputs"], report["encoder"]["outputs"]
    assert (images["kind"], latents["kind"], latents["shape"]) == ("image", "vector", [latent_dim])


def test_tensorboard_shows_the_latent_space(run):
    """Cheap views are drawn at each preview, maps and projector files at the end. The page of samples shows
    the same."""
    family, out = run
    prior, flat = family == "vae", family != "sparse_autoencoder"
    each = {"traversals", "interpolation", "units"} | ({"manifold"} if flat else set())
    last = {"plane"} if flat else {"pca", "tsne"}
    values = {"latents/kl", "latents/active_units"} if prior else {"latents/standard_deviation"}
    events = EventAccumulator(str(out), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    assert each | last | values <= tags
    assert {"latents/kl", "latents/active_units", "latents/standard_deviation"} & tags == values
    assert {tuple(event.step for event in events.Tensors(tag)) for tag in each | values} == {(4, 8, 12, 16)}
    assert {tuple(event.step for event in events.Tensors(tag)) for tag in last} == {(16,)}
    assert {path.name for path in (out / "samples").iterdir()} >= each | last | {"index.html"}
    vectors = np.loadtxt(out / "projector" / "latents.tsv")
    assert vectors.shape == (179, json.loads((out / "config.json").read_text())["model"]["latent_dim"])
    assert "projector/sprites.png" in (out / "projector_config.pbtxt").read_text()


def test_it_learns(run):
    """The monitored term on held-out digits is smaller after the fourth epoch than after the first."""
    family, out = run
    bests = list((out / "checkpoints").glob("best-*"))
    progress = json.loads((bests[-1] / "progress.json").read_text())
    assert progress["best_step"] > 4
    assert models.load(out)[0].family == family


@ONE
def test_a_stopped_run_goes_on_exactly(run, tmp_path):
    family, out = run
    flags = ["--preset", "tiny", "--epochs", "4", "--no-export", "--out", str(tmp_path / "run")]
    flags += ["--resume", str(tmp_path / "run")]
    assert APPS[family].main([*flags, "--max-hours", "1e-9"]) == 143
    assert APPS[family].main([*flags, "--max-hours", "1"]) == 0
    assert differences(out, tmp_path / "run") == []


@ONE
def test_overwriting_leaves_nothing_of_the_run_before(run, tmp_path):
    """This includes the files of each network."""
    _, out = run
    shutil.copytree(out, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    remove_run(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


@ONE
def test_variants_of_vectors_too(run, capsys):
    _, out = run
    variants = ["--variants", "dynamic8,int8", "--io", "uint8", "--runs", "1", "--sizes", "8"]
    variants += ["--images", "4", "--calibration", "8"]
    assert export.main([str(out), *variants]) == 0
    assert "decoder-int8.tflite" in capsys.readouterr().out
    assert (out / "model-int8-uint8.tflite").is_file()
    assert not (out / "encoder-int8-uint8.tflite").exists()


def test_translate_says_that_there_is_nothing_to_translate(run, tmp_path, capsys):
    family, out = run
    (tmp_path / "a.png").write_bytes(b"")
    assert translate.main([str(out), str(tmp_path / "a.png"), "--out", str(tmp_path / "drawn")]) == 2
    assert f"is a run of {family}, which does not translate; accepted are runs of pix2pix, " in capsys.readouterr().err


@pytest.mark.parametrize("app", APPS.values())
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--latent-dim", "0"], "--latent-dim got 0"),
        (["--data", "nowhere"], "nowhere"),
        (["--batch-size", "2000"], "--batch-size got 2000, but there are"),
        (["--hidden-units", "0"], "--hidden-units got 0; accepted are whole numbers from 1 on"),
    ],
)
def test_bad_input(app, flags, said, tmp_path, capsys):
    assert app.main(["--preset", "tiny", "--out", str(tmp_path / "run"), *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()
