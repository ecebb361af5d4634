"""The help of every app: one screen, an example first, and every flag explained in the long form."""

import importlib
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "apps"
APPS = sorted(path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))


def text_of(app, flag, capsys):
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"apps.{app}").main([flag])
    assert stop.value.code in (0, None)
    return capsys.readouterr().out


@pytest.mark.parametrize("app", APPS)
def test_help_fits_a_screen_and_begins_with_an_example(app, capsys):
    lines = text_of(app, "--help", capsys).rstrip("\n").split("\n")
    assert lines[0].startswith(f"example: python -m apps.{app} ")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 105


@pytest.mark.parametrize("app", APPS)
def test_the_long_help_explains_every_flag_of_the_short_one(app, capsys):
    short, long = text_of(app, "--help", capsys), text_of(app, "-H", capsys)
    flags = set(re.findall(r"--[a-z][a-z0-9-]+", short.split("usage:")[1]))
    assert flags
    assert flags <= set(re.findall(r"--[a-z][a-z0-9-]+", long))


def test_there_are_apps():
    assert {"train_pix2pix", "translate", "evaluate", "export", "pack_data"} <= set(APPS)
