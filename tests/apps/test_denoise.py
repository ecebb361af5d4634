"""The denoising autoencoder from the command line: training, resuming, denoising pictures of any size, refusals."""

import numpy as np
import pytest
from PIL import Image

from apps import denoise, train_denoising_autoencoder
from benchmarks.kill_resume import differences

TINY = ["--preset", "tiny", "--data", "digits", "--epochs", "3"]
SIZES = {"equal": (8, 8), "wide": (31, 8), "high": (5, 20), "point": (1, 1)}  # (width, height)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("denoiser") / "run"
    assert train_denoising_autoencoder.main([*TINY, "--noise", "gaussian", "--out", str(out)]) == 0
    return out


@pytest.fixture
def folder(tmp_path):
    """Grey noise images of several sizes and formats."""
    (tmp_path / "in").mkdir()
    for number, (name, (width, height)) in enumerate(SIZES.items()):
        pixels = np.random.default_rng(number).integers(0, 256, (height, width), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}{'.jpg' if name == 'wide' else '.png'}")
    return tmp_path / "in"


def clean(*arguments):
    return denoise.main([str(argument) for argument in arguments])


def test_a_folder_of_any_sizes_is_cleaned_alike_by_the_run_and_its_exports(run, folder, tmp_path, capsys):
    cleaned = {}
    for kind in ("", "saved_model", "model.tflite"):
        out = tmp_path / f"out{kind}"
        assert clean(run / kind, folder, "--out", out, "--sheet") == 0
        assert f"4 pictures written to {out}" in capsys.readouterr().out
        assert (out / "sheets" / "001.png").is_file()
        cleaned[kind] = {name: np.asarray(Image.open(out / f"{name}.png")).astype(int) for name in SIZES}
    for name, (width, height) in SIZES.items():
        assert cleaned[""][name].shape == (height, width)
        for kind in ("saved_model", "model.tflite"):
            assert np.abs(cleaned[kind][name] - cleaned[""][name]).max() <= 1
    before = np.asarray(Image.open(folder / "high.png")).astype(int)
    assert 0 < np.abs(cleaned[""]["high"] - before).mean() < 60  # changed, and still this picture


def test_a_stopped_run_goes_on_exactly(run, tmp_path):
    flags = [*TINY, "--noise", "gaussian", "--no-export", "--out", str(tmp_path / "run")]
    flags += ["--resume", str(tmp_path / "run")]
    assert train_denoising_autoencoder.main([*flags, "--max-hours", "1e-9"]) == 143
    assert train_denoising_autoencoder.main([*flags, "--max-hours", "1"]) == 0
    assert differences(run, tmp_path / "run") == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--noise", "speckle"], "speckle"),
        (
            ["--strength", "0.3", "0.1"],
            "--strength got 0.3 0.1; accepted are a minimum and a maximum",
        ),
        (["--strength=-0.1", "0.1"], "--strength got -0.1 0.1"),
        (["--strength", "0.1"], "--strength"),
        (["--filters", "0"], "--filters got 0"),
        (["--levels=-1"], "--levels got -1"),
        (["--network", "red", "--levels", "3"], "--levels 3 is for --network unet."),
        (["--preset", "superres"], "--preset got 'superres'; accepted are denoise, tiny."),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_flags_of_training(flags, said, tmp_path, capsys):
    assert train_denoising_autoencoder.main([*TINY, "--out", str(tmp_path / "run"), *flags]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_bad_input_of_cleaning(run, tiny_run, folder, tmp_path, capsys):
    out = ("--out", tmp_path / "out")
    colour = tmp_path / "colour.png"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(colour)
    (tmp_path / "broken.png").write_text("no picture")
    for arguments, said in (
        ((run, colour, *out), f"{colour} is in colour; MODEL takes grey images."),
        ((run, tmp_path / "broken.png", *out), "1 of 1 images cannot be read"),
        ((run, *out), "INPUT"),
        ((run, folder, *out, "--overlap", "1"), "--overlap got 1.0"),
        (
            (tiny_run.folder, folder, *out),
            "is a run of pix2pix, which does not denoise; accepted are runs of restoration.",
        ),
        (
            (tiny_run.folder / "model.tflite", folder, *out),
            "is an export of pix2pix generator, which does not denoise; accepted are runs and exports of",
        ),
        ((run / "saved_model", folder, *out, "--checkpoint", "best"), "--checkpoint best needs a run folder"),
        ((run, folder, *out, "--threads", 2), "--threads got 2"),
        ((tmp_path / "nothing", folder, *out), "nothing does not exist"),
    ):
        assert clean(*arguments) == 2
        complaint = capsys.readouterr().err
        assert said in complaint
        assert complaint.count("\n") == 1
        assert not (tmp_path / "out").exists()
