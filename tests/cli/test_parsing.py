"""Parsing flags to configurations."""

import pytest

from keras_gen.cli.parsing import help_text, parse_setup
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.errors import UserError
from keras_gen.models import gan
from keras_gen.models.pix2pix import Pix2Pix

EXAMPLE = "python -m apps.train_pix2pix"


def setup(*words):
    return parse_setup("pix2pix", Pix2Pix.presets, PairsConfig(), list(words), example=EXAMPLE)


@pytest.mark.parametrize(
    "words",
    [
        "--preset tiny --image-size 128 --patch 70",  # too large for the preset's own size
        "--preset paper --image-size 32 --patch 16",  # as the preset's own patch is for this one
        "--preset paper --image-size 512 --levels 9",
    ],
)
def test_flags_of_the_model_are_checked_at_the_size_of_the_data(words):
    found = setup(*words.split())
    assert found.model.image_size == found.data.image_size == int(words.split()[3])


def test_a_size_that_does_not_suit_the_model_is_refused_with_the_flags():
    with pytest.raises(UserError, match=r"image_size got 20; accepted are multiples of 2\^levels = 8"):
        setup("--preset", "tiny", "--image-size", "20", "--levels", "3")
    with pytest.raises(UserError, match="image_size got 0"):
        setup("--preset", "tiny", "--image-size", "0")


def test_without_a_word_it_is_the_demo():
    """The first command in the README."""
    found = setup()
    assert found.preset == "demo"
    preset = Pix2Pix.presets["demo"]
    assert (found.model, found.run, found.data.image_size) == (*preset[:2], preset.data["image_size"])
    assert found.data == PairsConfig(image_size=128)


def test_a_flag_changes_the_preset_that_is_named():
    found = setup("--preset", "paper", "--epochs", "3", "--norm", "batch", "--no-mirror")
    assert (found.run.epochs, found.model.norm, found.data.mirror) == (3, "batch", False)
    assert found.model.filters == Pix2Pix.presets["paper"].model.filters


def test_a_preset_may_choose_the_data_and_a_flag_others():
    def points(*words):
        return parse_setup("gan", gan.GAN.presets, ImagesConfig(), ["--preset", "points", *words], example=EXAMPLE).data

    assert points() == ImagesConfig(data="ring")
    assert points("--data", "grid") == ImagesConfig(data="grid")


@pytest.mark.parametrize("words", [("--preset", "tiny"), ("--preset=tiny",), ("--preset", "demo", "--preset", "tiny")])
def test_the_last_preset_counts(words):
    assert setup(*words).model == Pix2Pix.presets["tiny"].model


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--epoch", "3"), "Unrecognized options: --epoch, 3"),
        (("--epochs", "x"), "--epochs"),
        (("--norm", "layer"), "'layer'"),
        (("--preset",), "--preset"),
        (("stray",), "stray"),
    ],
)
def test_complaints_are_one_line(words, said):
    with pytest.raises(UserError) as error:
        setup(*words)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "│" not in str(error.value)


def test_an_example_may_be_of_another_package():
    text = help_text(PairsConfig, None, "python -m benchmarks.edge --runs 3")
    assert "example: python -m benchmarks.edge --runs 3\n\nusage: python -m benchmarks.edge [FLAGS]\n" in text
