"""Every configuration checks its fields, with messages for Python and for the command line."""

import dataclasses
import math
import typing
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest

from keras_gen import models
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.noisy import NoisyConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.data.kinds.semi_supervised import SemiSupervisedConfig
from keras_gen.data.kinds.sequences import SequencesConfig
from keras_gen.data.kinds.superres import SuperresConfig
from keras_gen.engine.config import RunConfig
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative, Positive, Range, Rate, Share
from keras_gen.models.pix2pix import Config

CONFIGS = {name: models.family(name).Config for name in models.families()} | {
    kind.__name__: kind
    for kind in (
        RunConfig,
        ImagesConfig,
        NoisyConfig,
        PairsConfig,
        SemiSupervisedConfig,
        SequencesConfig,
        SuperresConfig,
    )
}
every_config = pytest.mark.parametrize("name", CONFIGS)


def hints_of(kind):
    """(field, type, its range or None) for each field."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        hint, within = hints[field.name], None
        if typing.get_origin(hint) is Annotated:
            within = next((mark for mark in hint.__metadata__ if isinstance(mark, Range)), None)
            hint = typing.get_args(hint)[0]
        yield field.name, hint, within


def wrong_values(hint, within):
    """Values that are not accepted for a field of this type."""
    if hint is int:
        yield from ("8", 2.5, True, math.nan, None)
    elif hint is float:
        yield from ("1.0", False, math.nan, None, *([] if within and within.infinite else [math.inf]))
    elif hint is bool:
        yield from (1, "yes", None)
    elif hint in (str, Path):
        yield from (3, None)
    elif typing.get_origin(hint) is Literal:
        yield from ("no such choice", -7, None, np.zeros(2))
    elif typing.get_origin(hint) is tuple:
        yield from (5, "text", None)
    if within:
        yield within.low if within.open_low else within.low - 1
        if within.high < math.inf:
            yield within.high if within.open_high else within.high + 1


@every_config
def test_each_field_refuses_what_its_annotation_does_not_accept(name):
    kind = CONFIGS[name]
    for field, hint, within in hints_of(kind):
        for value in wrong_values(hint, within):
            with pytest.raises(UserError, match=rf"^{field} got .*; accepted are ") as error:
                kind(**{field: value})
            assert error.value.in_flags.startswith(f"--{field.replace('_', '-')}")


@every_config
def test_a_field_that_is_declared_again_keeps_its_range(name):
    for base in CONFIGS[name].__mro__[1:]:
        if dataclasses.is_dataclass(base):
            own = {field: within for field, _, within in hints_of(CONFIGS[name])}
            for field, _, within in hints_of(base):
                assert own[field] == within, field


@pytest.mark.parametrize(
    ("fields", "in_python", "in_flags"),
    [
        (
            {"norm": "foo"},
            "norm got 'foo'; accepted are instance, batch.",
            "--norm got foo; accepted are instance, batch.",
        ),
        ({"patch": 34}, "patch got 34; accepted are 1, 16, 70, 286.", "--patch got 34; accepted are 1, 16, 70, 286."),
        (
            {"generator": "U-Net"},
            "generator got 'U-Net'; accepted are unet, encoder-decoder.",
            "--generator got U-Net; accepted are unet, encoder-decoder.",
        ),
        (
            {"discriminator_filters": 0},
            "discriminator_filters got 0; accepted are whole numbers from 1 on.",
            "--discriminator-filters got 0; accepted are whole numbers from 1 on.",
        ),
        (
            {"patch": 70, "image_size": 16},
            "patch got 70 with image_size=16; sizes from ",
            "--patch got 70 with --image-size 16; sizes from ",
        ),
        (
            {"gan_loss": "none", "l1_weight": 0},
            "gan_loss='none' with l1_weight=0.0 leaves nothing to learn",
            "--gan-loss none with --l1-weight 0.0 leaves nothing to learn",
        ),
    ],
)
def test_the_words_are_those_of_the_caller(fields, in_python, in_flags):
    with pytest.raises(UserError) as error:
        Config(**fields)
    assert str(error.value).startswith(in_python)
    assert error.value.in_flags.startswith(in_flags)


@dataclasses.dataclass(frozen=True)
class Example(BaseConfig):
    count: Positive[int] = 1
    weight: NonNegative[float] = 0.0
    rate: Rate = 0.5
    share: Share = 1.0
    gamma: Annotated[float, Range(0, 1, open_low=True)] = 0.5
    inner: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.5
    room: Annotated[float, Range(0, infinite=True)] = 1.0
    units: tuple[Positive[int], ...] = (1,)
    range: tuple[Share, Share] = (0.0, 1.0)
    place: Path | None = None
    name: str = ""
    switch: bool = False

    def check_together(self) -> None:
        super().check_together()
        if self.switch and not self.units:
            raise self.fault("<switch=> with <units got>, in <place=>; leave <switch> out.")


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"count": 0}, "whole numbers from 1 on"),
        ({"weight": -1}, "numbers from 0 on"),
        ({"rate": 1.0}, "numbers from 0 to below 1"),
        ({"share": 1.1}, "numbers from 0 to 1"),
        ({"gamma": 0}, "numbers above 0 up to 1"),
        ({"inner": 1}, "numbers between 0 and 1"),
        ({"room": math.nan}, "numbers from 0 on"),
        ({"units": (1, 0)}, "whole numbers from 1 on"),
        ({"range": (0.5,)}, "tuples of 2"),
        ({"place": 3}, "paths, None"),
        ({"switch": "no"}, "False, True"),
    ],
)
def test_what_is_accepted_is_said(fields, accepted):
    (field,) = fields
    with pytest.raises(UserError, match=rf"^{field} got .*; accepted are {accepted}\.$"):
        Example(**fields)


def test_values_are_taken_as_the_annotation_has_them():
    given = Example(np.int64(3), 1, room=math.inf, units=[4, 5], place="here", name=Path("there"))
    assert given == Example(3, 1.0, room=math.inf, units=(4, 5), place=Path("here"), name="there")
    assert [type(v) for v in (given.count, given.weight, given.place, given.name)] == [int, float, type(Path()), str]


def test_a_sentence_about_several_fields():
    with pytest.raises(UserError) as error:
        Example(switch=True, units=(), place="x")
    assert str(error.value) == "switch=True with units got (), in place='x'; leave switch out."
    assert error.value.in_flags == "--switch with --units got nothing, in --place x; leave --switch out."
    with pytest.raises(UserError) as error:
        dataclasses.replace(Example(switch=True), units=[])
    assert "units got ()" in str(error.value)
