"""Super-resolution from the command line: a run on a folder of images, which enlarges pictures of any size."""

import json

import numpy as np
import pytest
from PIL import Image

from apps import denoise, evaluate, train_denoising_autoencoder, train_superres_autoencoder, translate
from apps._data import reopen
from keras_gen import models
from keras_gen.data.builtin.facades import draw_pair


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("superres")
    (root / "pictures").mkdir()
    for number in range(3):
        Image.fromarray(draw_pair(60, 0, number)[1]).save(root / "pictures" / f"{number}.png")
    flags = [
        "--preset",
        "tiny",
        "--data",
        str(root / "pictures"),
        "--patch-size",
        "24",
        "--val-every",
        "3",
        "--network",
        "red",
        "--depth",
        "2",
        "--no-export",
    ]
    assert train_superres_autoencoder.main([*flags, "--scale", "3", "--out", str(root / "run")]) == 0
    return root / "run"


def test_pictures_of_any_size_are_enlarged(run, tmp_path):
    photo = Image.fromarray(draw_pair(30, 0, 5)[1])
    photo.save(tmp_path / "photo.png")
    photo.crop((0, 0, 25, 7)).save(tmp_path / "flat.png")
    assert translate.main([str(run), str(tmp_path), "--out", str(tmp_path / "large"), "--sheet"]) == 0
    with Image.open(tmp_path / "large" / "flat.png") as flat, Image.open(tmp_path / "large" / "photo.png") as large:
        assert (flat.size, large.size) == ((75, 21), (90, 90))
        bicubic = np.asarray(photo.resize((90, 90), Image.Resampling.BICUBIC), float)
        assert np.abs(np.asarray(large, float) - bicubic).mean() < 10  # after eight steps


def test_sharpened_patches_are_compared_beside_enlarged_ones(run, capsys):
    """Both are compared with the originals; the distances are computed here again."""
    assert evaluate.main([str(run), "--metrics", "l1", "--limit", "5"]) == 0
    figures = json.loads((run / "evaluation.json").read_text())
    assert f"{figures['enlarged']['l1']:.4f}" in capsys.readouterr().out.split("enlarged input")[1]
    enlarged, sharp = next(iter(reopen(run).validation(5)))
    sharpened = models.load(run)[0].translate(enlarged)
    assert figures["reconstruction"]["l1"]["mean"] == pytest.approx(np.abs(sharpened - sharp).mean(), rel=1e-4)
    assert figures["enlarged"]["l1"] == pytest.approx(np.abs(enlarged - sharp).mean(), rel=1e-4)


def test_a_run_of_super_resolution_does_not_denoise(run, tmp_path, capsys):
    """The other app cannot resume it either; the message names the app that started it."""
    assert denoise.main([str(run), str(run.parent / "pictures"), "--out", str(tmp_path / "clean")]) == 2
    assert capsys.readouterr().err == (
        f"error: {run} is a run of restoration that was trained to upscale, which does not denoise; accepted are runs "
        "of restoration that do.\n"
    )
    assert train_denoising_autoencoder.main(["--resume", str(run)]) == 2
    assert capsys.readouterr().err == (
        f"error: --resume got {run}, a run on data of the kind superres; accepted is one on data of the kind noisy.\n"
    )
    assert train_superres_autoencoder.main(["--resume", str(run)]) == 0
    assert f"train_superres_autoencoder --resume {run}" in capsys.readouterr().out


def test_bad_input(run, tmp_path, capsys):
    for flags, said in (
        (["--patch-size", "25"], "--patch-size got 25; accepted are multiples of --scale 2"),
        (["--data", "nowhere"], "nowhere, which does not exist"),
        (["--data", str(run.parent / "pictures"), "--patch-size", "96"], "smaller than --patch-size 96"),
        (["--scale", "5"], "--scale"),
    ):
        assert train_superres_autoencoder.main(["--preset", "tiny", "--out", str(tmp_path / "new"), *flags]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (tmp_path / "new").exists()
