"""`apps.compress` and `apps.decompress` from the command line, with untrained models of 12x12 grey digits."""

import json
import re
import shutil

import keras
import numpy as np
import pytest
from html_pages import read_page
from PIL import Image

from apps import compress, decompress
from keras_gen import models
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import CONFIG_FILE, RunConfig, Setup
from keras_gen.engine.run import remove_run
from keras_gen.ops.pixels import to_float

SIZE = 12
DENSE = {"architecture": "dense", "hidden_units": (8,), "latent_dim": 3}
CODES = {"num_codes": 8, "code_dim": 4, "filters": 4, "residual_filters": 2, "prior_filters": 4, "prior_layers": 1}


def make_run(folder, family, seed=0):
    """A run folder as written by an app, of an untrained model."""
    keras.utils.set_random_seed(seed)
    kind = models.family(family)
    form = CODES if family == "vq_vae" else DENSE
    config = kind.Config(**form, image_size=SIZE, channels=1)
    folder.mkdir(parents=True)
    data = ImagesConfig(data="digits", image_size=SIZE)
    (folder / CONFIG_FILE).write_text(Setup(family, "tiny", config, data, RunConfig(out=folder)).to_json())
    Checkpoints(folder / "checkpoints", kind(config).state(), keep=1).save(Progress(1))
    return folder


@pytest.fixture(scope="module", params=["autoencoder", "vae"])
def run(request, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp(request.param) / "run", request.param)


@pytest.fixture(scope="module")
def one_run(tmp_path_factory):
    """A run for tests that work with any family; its statistics exist."""
    folder = make_run(tmp_path_factory.mktemp("one") / "run", "autoencoder", seed=1)
    save(folder.parent / "picture.png")
    assert app(compress, folder, folder.parent / "picture.png", "--out", folder.parent / "out") == 0
    return folder


@pytest.fixture
def pictures(tmp_path):
    for number in range(3):
        save(tmp_path / "in" / f"{number}.png", seed=number)
    return tmp_path / "in"


def save(path, width=SIZE, height=SIZE, mode="L", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)
    return path


def app(module, *arguments):
    return module.main([str(argument) for argument in arguments])


def refused(capsys, out, module, *arguments):
    """Checks that arguments are refused in one sentence, without writing anything; returns the sentence."""
    assert app(module, *arguments, "--out", out) == 2
    assert not out.exists() or not list(out.rglob("*"))
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_pictures_come_back_from_small_files(run, pictures, tmp_path, capsys):
    """Names are kept, and pictures nearly equal the model's reconstructions, because the smallest step rounds
    little."""
    assert app(compress, run, pictures, "--out", tmp_path / "small", "--step", 0.25) == 0
    files = sorted((tmp_path / "small").iterdir())
    assert [file.name for file in files] == ["0.kgz", "1.kgz", "2.kgz"]
    total = sum(file.stat().st_size for file in files)
    assert total < 3 * 30
    assert (
        f"{total} bytes, {total / 3:.1f} each, {8 * total / (3 * SIZE**2):.3f} bits per pixel"
        in capsys.readouterr().out
    )
    assert app(decompress, run, tmp_path / "small", "--out", tmp_path / "drawn") == 0
    served = models.load(run)[0].serving()
    for number in range(3):
        drawn = np.asarray(Image.open(tmp_path / "drawn" / f"{number}.png"))
        picture = to_float(np.asarray(Image.open(pictures / f"{number}.png")))[np.newaxis, ..., np.newaxis]
        ideal = served["decoder"].network(served["encoder"].network(picture))[0, ..., 0].numpy()
        assert np.abs(drawn / 127.5 - 1 - ideal).mean() < 0.02


def test_a_vq_vae_keeps_the_codes_of_a_picture(pictures, tmp_path, capsys):
    """So the decoded picture is the reconstruction. 36 codes out of 8 take 14 bytes, header and checksum 16."""
    run, small = make_run(tmp_path / "run", "vq_vae"), tmp_path / "small"
    assert app(compress, run, pictures, "--out", small, "--curve") == 0
    sizes = [file.stat().st_size for file in small.glob("*.kgz")]
    assert max(sizes) <= 16 + 14 + 2
    assert f"with 36 codes out of 8: {sum(sizes)} bytes" in capsys.readouterr().out
    (point,) = json.loads((small / "rate_distortion.json").read_text())["points"]["run"]
    assert point["bits_per_pixel"] == pytest.approx(8 * sum(sizes) / (3 * SIZE**2))
    assert "run, by number of codes" in (small / "rate_distortion.html").read_text()

    assert app(decompress, run, small, "--out", tmp_path / "drawn") == 0
    model, _ = models.load(run)
    for number in range(3):
        drawn = to_float(np.asarray(Image.open(tmp_path / "drawn" / f"{number}.png")))
        picture = to_float(np.asarray(Image.open(pictures / f"{number}.png")))[np.newaxis, ..., np.newaxis]
        np.testing.assert_allclose(drawn, model.reconstruct(picture)[0, ..., 0], atol=1.01 / 255)
    said = refused(capsys, tmp_path / "again", compress, run, pictures, "--step", 2)
    assert re.search(r"--step got 2, but the codes of .* are not quantised: leave it out\.", said)


def test_a_larger_step_takes_fewer_bytes(one_run, pictures, tmp_path):
    sizes = []
    for step in (0.25, 2, 16):
        assert app(compress, one_run, pictures, "--out", tmp_path / str(step), "--step", step) == 0
        sizes.append(sum(file.stat().st_size for file in (tmp_path / str(step)).iterdir()))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


def test_other_sizes_are_drawn_at_their_own(one_run, tmp_path, capsys):
    picture = save(tmp_path / "in" / "wide.png", 40, 30)
    said = refused(capsys, tmp_path / "small", compress, one_run, tmp_path / "in")
    assert f"wide.png is 40x30; RUN takes {SIZE}x{SIZE}, and --resize accepts other sizes." in said
    assert app(compress, one_run, picture, "--out", tmp_path / "small", "--resize") == 0
    assert app(decompress, one_run, tmp_path / "small" / "wide.kgz", "--out", tmp_path / "drawn") == 0
    with Image.open(tmp_path / "drawn" / "wide.png") as drawn:
        assert drawn.size == (40, 30)


@pytest.mark.parametrize("sides", [(SIZE, SIZE), (8, 30)])
def test_the_curve_has_figures_a_plot_and_a_page(one_run, tmp_path, sides, capsys):
    """SSIM is missing if pictures are smaller than its window."""
    for number in range(2):
        save(tmp_path / "in" / f"{number}.png", *sides, seed=number)
    assert app(compress, one_run, tmp_path / "in", "--out", tmp_path / "out", "--curve", "--resize") == 0
    said = capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "rate_distortion.json").read_text())
    assert found["pictures"] == 2
    run, jpeg = found["points"]["run"], found["points"]["JPEG"]
    assert run[0]["bits_per_pixel"] > run[-1]["bits_per_pixel"]
    assert all(0 < p["without_headers"] + 0.5 < p["bits_per_pixel"] for p in run)
    assert jpeg[-1]["psnr"] > jpeg[0]["psnr"]
    assert (run[0]["ssim"] is None) == (min(sides) < 11)
    with Image.open(tmp_path / "out" / "rate_distortion.png") as plot:
        assert plot.width > 500
    page = read_page(tmp_path / "out" / "rate_distortion.html")
    for sentence in found["verdicts"]["whole files"]:
        assert sentence in said
        assert sentence in page.texts


def test_damaged_and_foreign_files_are_refused_before_anything_is_drawn(one_run, pictures, tmp_path, capsys):
    assert app(compress, one_run, pictures, "--out", tmp_path / "small") == 0
    file = tmp_path / "small" / "1.kgz"
    whole = file.read_bytes()
    for contents, said in (
        (whole[:-1], "1.kgz is truncated or damaged"),
        (whole[:10], "1.kgz is truncated or damaged"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "1.kgz is truncated or damaged"),
        (whole[:3] + b"\x09" + whole[4:], "1.kgz has version 9 of the format, and this keras_gen reads version 1"),
        (whole[:4] + b"abcd" + whole[8:], "1.kgz was compressed by model 61626364"),
        (b"", "1.kgz is not a compressed picture"),
        ((pictures / "1.png").read_bytes(), "1.kgz is not a compressed picture"),
    ):
        file.write_bytes(contents)
        assert said in refused(capsys, tmp_path / "drawn", decompress, one_run, tmp_path / "small")


def test_another_run_does_not_read_them(one_run, pictures, tmp_path, capsys):
    other = make_run(tmp_path / "run", "autoencoder", seed=2)
    assert app(compress, other, pictures, "--out", tmp_path / "small") == 0
    assert "was compressed by model" in refused(capsys, tmp_path / "drawn", decompress, one_run, tmp_path / "small")
    for path in other.glob("codec-*.npz"):
        path.unlink()
    assert "has no codec-" in refused(capsys, tmp_path / "drawn", decompress, other, tmp_path / "small")


def test_a_run_without_latents_is_refused(label_run, pictures, tmp_path, capsys):
    said = refused(capsys, tmp_path / "small", compress, label_run, pictures)
    assert "is a run of pix2pix, which does not encode single images as latent vectors or codes" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--step", "0.3"], "--step got 0.3; accepted are 0 (automatic) and multiples of 0.25"),
        (["--step", "nan"], "--step got nan"),
        (["--step", "-1"], "--step got -1"),
        (["--checkpoint", "best"], "best"),
    ],
)
def test_bad_flags(one_run, pictures, tmp_path, capsys, flags, said):
    assert said in refused(capsys, tmp_path / "small", compress, one_run, pictures, *flags)


def test_bad_pictures(one_run, tmp_path, capsys):
    out = tmp_path / "small"
    (tmp_path / "empty").mkdir()
    assert "empty holds no images" in refused(capsys, out, compress, one_run, tmp_path / "empty")
    assert "empty holds no compressed pictures (.kgz)" in refused(capsys, out, decompress, one_run, tmp_path / "empty")
    assert "INPUT" in refused(capsys, out, compress, one_run)
    save(tmp_path / "in" / "colour.png", mode="RGB")
    said = refused(capsys, out, compress, one_run, tmp_path / "in")
    assert "colour.png has 3 channels; RUN takes images with 1." in said
    (tmp_path / "in" / "colour.png").write_bytes(b"nothing")
    assert "cannot be read" in refused(capsys, out, compress, one_run, tmp_path / "in")


def test_what_is_there_is_replaced_only_on_request(one_run, pictures, tmp_path, capsys):
    assert app(compress, one_run, pictures, "--out", tmp_path / "small") == 0
    assert app(compress, one_run, pictures, "--out", tmp_path / "small") == 2
    assert "0.kgz and 2 more would be replaced there; --overwrite allows it" in capsys.readouterr().err
    assert app(compress, one_run, pictures, "--out", tmp_path / "small", "--overwrite") == 0


def test_the_statistics_are_counted_once_and_leave_with_the_run(one_run, pictures, tmp_path, capsys):
    shutil.copytree(one_run, tmp_path / "run")
    (file,) = (tmp_path / "run").glob("codec-*.npz")
    before = file.read_bytes()
    assert app(compress, tmp_path / "run", pictures, "--out", tmp_path / "small") == 0
    assert "Counting" not in capsys.readouterr().out
    assert file.read_bytes() == before
    remove_run(tmp_path / "run")
    assert not file.exists()
