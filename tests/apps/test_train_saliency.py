"""Saliency from the command line: a run on scenes, maps of pictures of any size, and scores."""

import json

import numpy as np
import pytest
from PIL import Image

from apps import evaluate, train_pix2pix, train_saliency, translate
from keras_gen.data.builtin.saliency_scenes import draw_scene, scenes_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("saliency")
    scenes = scenes_folder(32, root, train=8, val=4)
    assert train_saliency.main(["--preset", "tiny", "--data", str(scenes), "--out", str(root / "run")]) == 0
    return root / "run"


def test_a_map_for_each_picture_of_a_folder(run, tmp_path):
    """One picture is larger than the model's size, another is smaller along one side."""
    (tmp_path / "pictures").mkdir()
    Image.fromarray(draw_scene(70, 0, 1)[0]).save(tmp_path / "pictures" / "large.png")
    Image.fromarray(draw_scene(40, 0, 2)[0][:20]).save(tmp_path / "pictures" / "flat.jpg")
    assert translate.main([str(run), str(tmp_path / "pictures"), "--out", str(tmp_path / "maps"), "--sheet"]) == 0
    for name, size in (("large", (70, 70)), ("flat", (40, 20))):
        with Image.open(tmp_path / "maps" / f"{name}.png") as drawn:
            assert (drawn.mode, drawn.size) == ("L", size)
    assert (tmp_path / "maps" / "sheets" / "001.png").is_file()


def test_its_export_draws_the_same_map(run, tmp_path):
    Image.fromarray(draw_scene(32, 0, 3)[0]).save(tmp_path / "scene.png")
    drawn = []
    for model in (run, run / "model.tflite"):
        out = tmp_path / model.name
        assert translate.main([str(model), str(tmp_path / "scene.png"), "--out", str(out)]) == 0
        drawn.append(np.asarray(Image.open(out / "scene.png"), int))
    assert np.abs(drawn[0] - drawn[1]).max() <= 1


def test_the_measures_of_the_field(run, capsys):
    assert evaluate.main([str(run), "--metrics", "kl,cc,sim,nss"]) == 0
    printed = capsys.readouterr().out
    assert "NSS: mean of the standardised map under the reference's density" in printed
    figures = json.loads((run / "evaluation.json").read_text())["reconstruction"]
    assert list(figures) == ["kl", "cc", "sim", "nss"]
    assert figures["kl"]["mean"] > 0


def test_bad_input(run, tmp_path, capsys):
    def refused(app, *flags):
        assert app.main(list(map(str, flags))) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    new = ("--preset", "tiny", "--out", tmp_path / "new")
    assert "--target-channels got 3; accepted is 1" in refused(
        train_saliency, *new, "--data", run.parent / next(run.parent.glob("shapes-*")), "--target-channels", 3
    )
    assert "'shapes-saliency'" in refused(train_saliency, *new, "--data", "nowhere")
    assert "--loss" in refused(train_saliency, *new, "--loss", "l2")
    assert "accepted is a run of pix2pix" in refused(train_pix2pix, "--resume", run)
    assert "--noise-at-test is for runs of pix2pix" in refused(
        translate, run, next(run.glob("samples/*.png")), "--noise-at-test", "--out", tmp_path / "maps"
    )
    assert not (tmp_path / "new").exists()
