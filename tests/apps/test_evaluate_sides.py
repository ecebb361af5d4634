"""`apps.evaluate --of SIDE --against SIDE`: scores of two sets of images, from the command line to the file."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits

from apps import evaluate
from keras_gen.metrics.extractors import extractor
from keras_gen.metrics.frechet import Moments, frechet_distance
from keras_gen.metrics.manifold import precision_recall


@pytest.fixture(scope="module")
def sets():
    """Scanned digits, enlarged to 28x28, in two halves."""
    scans = np.rint(load_digits().images[:240] * 255 / 16).astype(np.uint8)
    large = np.pad(scans.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))[..., None]
    return large[:120], large[120:]


@pytest.fixture(scope="module")
def folder(sets, tmp_path_factory):
    """The halves as arrays and as folders of PNG files."""
    folder = tmp_path_factory.mktemp("sides")
    for name, images in zip(("one", "two"), sets, strict=True):
        np.savez(folder / f"{name}.npz", images=images)
        (folder / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image[..., 0]).save(folder / name / f"{number:03d}.png")
    return folder


def compare(folder, of, against, *more):
    flags = ["--of", str(folder / of), "--against", str(folder / against), "--features", "mnist", *more]
    return evaluate.main(flags)


def rows(file):
    return {row["score"]: row for row in json.loads(file.read_text())["scores"]}


def test_scores_are_those_of_the_features(folder, sets, tmp_path, capsys):
    """Whether the images come from arrays, from files, or as statistics."""
    extract = extractor("mnist").compiled()
    features = [extract(tf.constant(images))[0].numpy() for images in sets]
    expected = frechet_distance(*map(Moments.of, features))
    flags = ["--scores", "frechet,precision_recall", "--json", str(tmp_path / "scores.json")]
    saved = ["--save-statistics", str(tmp_path / "one.npz")]
    for of, more in (("one.npz", saved), ("one", []), (tmp_path / "one.npz", [])):
        assert compare(folder, of, "two", *flags, *more) == 0
        found = rows(tmp_path / "scores.json")
        assert found["frechet"]["value"] == pytest.approx(expected, rel=1e-5)
        assert (found["precision"]["value"], found["recall"]["value"]) == precision_recall(*features[::-1])
        assert [side["count"] for side in found["frechet"]["sides"]] == [120, 120]
    said = capsys.readouterr().out
    assert re.search(
        r"^frechet_mnist \d+\.\d{4} \| N 120 of .* against 120 of .*; 28x28; mnist \(.*; seed 0; N below 10,000$",
        said,
        re.MULTILINE,
    )
    assert "FID" not in said  # with another network than Inception's


def test_equal_sets_have_the_distance_0(folder, tmp_path):
    assert compare(folder, "one.npz", "one", "--json", str(tmp_path / "scores.json")) == 0
    assert rows(tmp_path / "scores.json")["frechet"]["value"] == pytest.approx(0.0, abs=1e-4)


def test_what_cannot_be_compared_is_one_sentence(folder, tmp_path, capsys):
    np.savez(tmp_path / "single.npz", images=np.zeros((1, 28, 28, 1), np.uint8))
    (tmp_path / "mixed").mkdir()
    for side in (20, 28):
        Image.fromarray(np.zeros((side, side), np.uint8)).save(tmp_path / "mixed" / f"{side}.png")
    assert compare(folder, "one", "two", "--save-statistics", str(tmp_path / "other.npz")) == 0
    about = dict(np.load(tmp_path / "other.npz"))
    about["about"] = np.array(str(about["about"]).replace('"network": "mnist"', '"network": "fashion"'))
    np.savez(tmp_path / "other.npz", **about)
    capsys.readouterr()
    for of, said in (
        ("single.npz", "single.npz holds 1 image; accepted are two or more."),
        ("mixed", "28.png is 28x28, but .*20.png is 20x20; --resize SIDE accepts images of different sizes."),
        ("other.npz", "have network fashion, but here it is mnist; accepted are statistics of the same network"),
        ("nothing", "nothing does not exist; accepted are a folder of images, idx files"),
    ):
        assert compare(folder, tmp_path / of, "two") == 2
        complaint = capsys.readouterr().err
        assert re.search(said, complaint)
        assert complaint.count("\n") == 1
    assert compare(folder, tmp_path / "mixed", "two", "--resize", "28") == 0
