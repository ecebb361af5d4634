"""The help of every app: one screen with a sentence and an example first; the long form explains every flag."""

import importlib
import re
from pathlib import Path

import pytest

from keras_gen.cli.start import main_module

FOLDER = Path(__file__).resolve().parents[2] / "apps"
APPS = [*sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")), "web"]


def module_of(app):
    return importlib.import_module(main_module(f"apps.{app}"))


def text_of(app, flag, capsys):
    with pytest.raises(SystemExit) as stop:
        module_of(app).main([flag])
    assert stop.value.code in (0, None)
    return capsys.readouterr().out


@pytest.mark.parametrize("app", APPS)
def test_help_fits_a_screen_and_begins_with_what_the_app_does_and_an_example(app, capsys):
    lines = text_of(app, "--help", capsys).rstrip("\n").split("\n")
    about = " ".join(lines[: lines.index("")])
    assert module_of(app).__doc__.replace("\n", " ").startswith(about)
    assert about[-1] in ".:"
    assert lines[lines.index("") + 1].startswith(f"example: python -m apps.{app} ")
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 105


@pytest.mark.parametrize("app", APPS)
def test_the_long_help_explains_every_flag_of_the_short_one(app, capsys):
    short, long = text_of(app, "--help", capsys), text_of(app, "-H", capsys)
    flags = set(re.findall(r"--[a-z][a-z0-9-]+", short.split("usage:")[1]))
    assert flags
    assert flags <= set(re.findall(r"--[a-z][a-z0-9-]+", long))


@pytest.mark.parametrize(
    ("app", "required"),
    [("translate", "MODEL, INPUT..., --out OUT"), ("check_data", "SPEC"), ("evaluate", None), ("train_vae", None)],
)
def test_what_is_required_is_said(app, required, capsys):
    lines = [line for line in text_of(app, "--help", capsys).split("\n") if line.startswith("required: ")]
    assert lines == ([f"required: {required}"] if required else [])


def test_presets_are_explained_and_a_switch_that_is_on_is_turned_off(capsys):
    assert "--preset: starting values that the other flags override: demo (two CPU cores)" in " ".join(
        text_of("train_pix2pix", "--help", capsys).split()
    )
    lines = text_of("train_pix2pix", "-H", capsys).split("\n")
    after = lines[lines.index("  --no-mirror") + 1]
    assert after.startswith("      Turns this off: Flip training pairs")


def test_there_are_apps():
    assert {"train_pix2pix", "translate", "evaluate", "export", "pack_data"} <= set(APPS)
