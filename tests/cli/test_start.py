"""How apps start: flags without TensorFlow, closed streams, Ctrl-C at any time."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_gen.cli import standins

ROOT = Path(__file__).resolve().parents[2]
HELP = [sys.executable, "-m", "apps.train_pix2pix", "--help"]

EVERY_APP = """
import contextlib, io, json, pkgutil, sys, types

package = types.ModuleType("apps")  # without its __init__, which imports TensorFlow where no app is started
package.__path__ = ["apps"]
sys.modules["apps"] = package
from keras_gen.cli.start import check_flags

found = {}
for app in (module.name for module in pkgutil.iter_modules(["apps"]) if not module.name.startswith("_")):
    for word in ("--help", "--no-such-flag"):
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            try:
                code = f"went on, {check_flags(f'apps.{app}', [word])}"
            except SystemExit as stop:
                code = stop.code
        large = [name for name in ("tensorflow", "keras", "tensorboard", "matplotlib", "scipy") if name in sys.modules]
        found[f"{app} {word}"] = [code, text.getvalue(), large]
print(json.dumps(found))
"""


def test_no_app_needs_tensorflow_for_its_help_and_a_wrong_flag():
    result = subprocess.run([sys.executable, "-c", EVERY_APP], capture_output=True, text=True, cwd=ROOT, check=True)
    found = json.loads(result.stdout)
    assert len(found) > 70
    for command, (code, text, large) in found.items():
        assert not large, command
        if command.endswith("--help"):
            assert (code, "usage: python -m apps." in text) == (0, True), command
        else:
            assert (code, text.count("\n")) == (2, 1), command
            assert text.startswith("error: "), command
            assert "--no-such-flag" in text or "missing" in text, command


@pytest.mark.parametrize(
    ("app", "words", "code"),
    [
        ("train_pix2pix", ("--help",), 0),
        ("train_pix2pix", ("--epochs", "many"), 2),
        ("train_pix2pix", ("--resume", "nowhere", "--epochs", "3"), 2),
        ("generate", ("run", "--out", "drawn", "--seeds", "3-1"), 2),
        ("web", ("run", "--port", "70000"), 2),
        ("export", ("nowhere",), 2),
        ("translate", ("nowhere", "picture.png", "--out", "drawn"), 2),
    ],
)
def test_python_m_ends_before_tensorflow_is_imported(app, words, code):
    command = [sys.executable, "-X", "importtime", "-m", f"apps.{app}", *words]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == code
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "keras_gen.cli.parsing" in imported
    assert "tensorflow" in imported  # as a stand-in
    assert not {"tensorflow.python", "keras.src", "numpy.testing"} & imported


def test_stand_ins_are_subclassed_called_and_used_as_decorators_and_leave_nothing():
    code = """
from keras_gen.cli.standins import stand_ins
import sys
with stand_ins():
    import keras, tensorflow as tf
    from tensorboard.plugins.hparams import api
    class Layer(keras.layers.Layer): pass
    @tf.function(jit_compile=True)
    def f(x: tf.Tensor | None) -> "tf.Tensor": ...
    @keras.saving.register_keras_serializable("here")
    class Other(Layer): pass
    class Third(Other): pass
    kind = tuple[tf.Tensor, keras.Model]
    limit = api.hparams(tf.constant(3))
    from keras_gen import models
assert not {"keras", "tensorflow", "tensorboard"} & set(sys.modules)
assert "models" not in vars(sys.modules["keras_gen"])  # of which `from keras_gen import models` would take it
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_nothing_is_replaced_once_tensorflow_is_there():
    import tensorflow as tf

    with standins.stand_ins():
        assert not standins.active()
        import tensorflow

        assert tensorflow is tf


def test_a_reader_that_went_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(HELP, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    os.close(writing)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_output_that_cannot_be_written_is_one_sentence():
    with open("/dev/full", "w") as full:
        result = subprocess.run(HELP, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert result.returncode == 2
    assert re.fullmatch(r"error: .*standard output.*: No space left on device\.\n", result.stderr)


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_are_no_error(closed):
    def close():
        for number in closed:
            os.close(number)

    result = subprocess.run(HELP, capture_output=True, text=True, cwd=ROOT, preexec_fn=close)
    assert result.returncode == 0
    assert result.stderr == ""
    assert ("usage:" in result.stdout) == (1 not in closed)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc to see what a process has loaded")
def test_ctrl_c_while_tensorflow_is_imported(tmp_path):
    command = [sys.executable, "-m", "apps.translate", str(tmp_path), "picture.png", "--out", str(tmp_path)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # Of a test run in the background, which ignores it, processes would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        maps, end = Path(f"/proc/{process.pid}/maps"), time.monotonic() + 60
        while "tensorflow" not in maps.read_text() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ("", "interrupted\n")
