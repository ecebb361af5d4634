"""Output to the terminal: a status line, times in a log, commands as the user types them."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from keras_gen import console

ROOT = Path(__file__).resolve().parents[1]
TELLS = """
from keras_gen.console import note, say, show_status
show_status("step 1 " + "x" * 500)
show_status("step 2")
note("health")
show_status("step 3")
say("done", "next")
"""


def test_a_status_is_one_line_of_a_terminal_and_messages_stand_below_it():
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "40"}
    subprocess.run([sys.executable, "-c", TELLS], stdout=theirs, cwd=ROOT, env=environment, check=True)
    os.close(theirs)
    text = os.read(ours, 10000).decode()
    os.close(ours)
    states = [f"step 1 {'x' * 32}", "step 2", "step 3"]
    shown = [f"\r{state}\x1b[K" for state in states]
    assert text == f"{shown[0]}{shown[1]}\r\nhealth\r\n{shown[2]}\r\ndone\r\nnext\r\n"


def test_a_note_in_a_log_has_its_time(capsys):
    console.note("health at step 3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d health at step 3\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.2, "60 s"), (60, "1 min"), (3599, "1 h"), (7500, "2 h 5 min"), (90000, "1 d 1 h")],
)
def test_durations_have_their_two_largest_units(seconds, text):
    assert console.duration(seconds) == text


def test_a_command_follows_how_the_process_was_started(monkeypatch):
    assert console.command("export RUN") == "python -m apps.export RUN"
    monkeypatch.setattr(console, "_program", "")
    console.started_as_installed()
    assert console.command("export RUN") == "keras-gen export RUN"


@pytest.mark.parametrize(
    ("count", "text"),
    [(12, "12 bytes"), (999, "999 bytes"), (4240, "4.2 KB"), (999_000, "999.0 KB"), (45.12e6, "45.1 MB")],
)
def test_sizes_below_a_megabyte_are_in_kilobytes(count, text):
    assert console.size_text(count) == text


@pytest.mark.parametrize(
    ("decibels", "text"), [(31.44, "31.4"), (100, "100.0"), (100.1, "equal"), (120, "equal"), (float("inf"), "equal")]
)
def test_a_psnr_above_100_db_is_called_equal(decibels, text):
    assert console.psnr_text(decibels) == text
