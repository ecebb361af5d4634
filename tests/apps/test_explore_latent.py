"""`apps.explore_latent` on a tiny run, and its refusals."""

import shutil

import numpy as np
import pytest
from PIL import Image

from apps import explore_latent, train_autoencoder

FILES = {"path.png", "path.gif", "arithmetic.png", "neighbours.png", "index.html"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An autoencoder of 8x8 digits, trained for one epoch."""
    out = tmp_path_factory.mktemp("explored") / "run"
    assert train_autoencoder.main(["--preset", "tiny", "--epochs", "1", "--no-export", "--out", str(out)]) == 0
    return out


def image(path, size=(8, 8), mode="L"):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)).convert(mode).save(path)
    return str(path)


def test_numbers_and_files_become_figures_and_a_page(run, tmp_path, capsys):
    photo = image(tmp_path / "photo.png", (31, 17))
    flags = ["--add", "3", "--subtract", "8", "--strengths", "0", "1", "--resize", "--out", str(tmp_path / "out")]
    assert explore_latent.main([str(run), "0", photo, "178", *flags]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "path.gif" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "path.png") as path, Image.open(tmp_path / "out" / "neighbours.png") as near:
        assert near.height > path.height  # three pictures, and two paths between them


def test_by_default_there_is_a_path_between_two_and_no_arithmetic(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    assert explore_latent.main([str(tmp_path / "run")]) == 0
    assert {path.name for path in (tmp_path / "run" / "latents").iterdir()} == FILES - {"arithmetic.png"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["179"], "PICTURE got 179; the validation images have numbers from 0 to 178."),
        (["nowhere.png"], "nowhere.png cannot be read"),
        (["SMALL"], "small.png is 7x5; RUN takes 8x8, and --resize accepts other sizes."),
        (["COLOUR"], "colour.png has 3 channels; RUN takes images with 1."),
        (["BROKEN"], "broken.png"),
        (["0", "--add", "dog"], "--add got 'dog'; accepted are 0, 1, 2,"),
        (["0", "--subtract", "1"], "--subtract got 1 without --add"),
        (["0", "--strengths", "nan"], "--strengths got nan; accepted are finite numbers"),
        (["0", "--steps", "1"], "--steps got 1"),
        (["0", "--examples", "0"], "--examples got 0"),
        (["0", "--neighbours", "-1"], "--neighbours got -1"),
        (["0", "--interpolation", "crooked"], "--interpolation"),
        (["0", "--out", "SMALL"], "small.png"),
        (["0", "--data", "shapes"], "--data shapes has image size 64, but"),
    ],
)
def test_bad_input(run, tmp_path, words, said, capsys):
    files = {name: tmp_path / f"{name.lower()}.png" for name in ("SMALL", "COLOUR", "BROKEN")}
    image(files["SMALL"], (7, 5))
    image(files["COLOUR"], mode="RGB")
    files["BROKEN"].write_bytes(b"no picture")
    words = [str(files.get(word, word)) for word in words]
    out = [] if "--out" in words else ["--out", str(tmp_path / "out")]
    assert explore_latent.main([str(run), *words, *out]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_run_without_latents_is_named(tiny_run, capsys):
    assert explore_latent.main([str(tiny_run.folder)]) == 2
    complaint = capsys.readouterr().err
    assert "is a run of pix2pix, which has no latent vectors; accepted are runs of autoencoder," in complaint
    assert complaint.count("\n") == 1
