"""Runs that are stopped in every way, and resumed as if they had not been."""

import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf
from html_pages import read_page
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import train, weights

from apps import train_pix2pix
from benchmarks.kill_resume import differences
from keras_gen import models
from keras_gen.engine import callbacks
from keras_gen.engine.run_lock import LOCK_FILE


def test_a_stop_comes_after_the_call(pairs, tmp_path):
    """The resumed run is exact, even if an epoch ends within a graph call."""
    flags = ["--preview-every", "3", "--epochs", "2", "--steps-per-execution", "2"]
    assert train(pairs, tmp_path / "whole", *flags) == 0
    assert train(pairs, tmp_path / "run", *flags, "--max-hours", "1e-9") == 143
    assert models.load(tmp_path / "run")[1] == 2
    assert "unfinished, 2 steps logged" in read_page(tmp_path / "run" / "index.html").texts
    assert train_pix2pix.main(["--resume", str(tmp_path / "run"), "--max-hours", "1"]) == 0
    assert "finished, 6 steps" in read_page(tmp_path / "run" / "index.html").texts
    assert differences(tmp_path / "whole", tmp_path / "run") == []


def test_an_interrupted_run_resumes_to_the_same_weights(run, pairs, tmp_path, monkeypatch, capsys):
    """Ctrl-C in the middle of the second epoch, then --resume without any other flag: bit-identical weights."""
    out = tmp_path / "run"
    original = callbacks.StopOnRequest.after_steps

    def interrupt(self, logs):
        assert (out / LOCK_FILE).exists()
        if self.progress.step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, logs)

    monkeypatch.setattr(callbacks.StopOnRequest, "after_steps", interrupt)
    code = train(pairs, out, "--epochs", "2", "--preview-every", "2", "--ema", "0.5")
    monkeypatch.undo()
    assert code == 130
    assert f"python -m apps.train_pix2pix --resume {out}" in capsys.readouterr().err
    assert models.load(out)[1] == 4
    assert train_pix2pix.main(["--resume", str(out)]) == 0
    expected = weights(run)
    for name, value in weights(out).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert sorted(p.name for p in (out / "samples").iterdir()) == sorted(p.name for p in (run / "samples").iterdir())


@pytest.mark.parametrize("moment", ["on_test_batch_end", "after_steps"])
def test_a_run_stopped_at_the_end_of_an_epoch_misses_nothing(run, pairs, tmp_path, monkeypatch, moment):
    """Stopped after the last step of the first epoch or during its validation, the resumed run validates it first."""
    out = tmp_path / "run"
    original = getattr(callbacks.StopOnRequest, moment)

    def interrupt(self, *arguments, **named):
        if self.progress.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        original(self, *arguments, **named)

    monkeypatch.setattr(callbacks.StopOnRequest, moment, interrupt)
    assert train(pairs, out, "--epochs", "2", "--preview-every", "2", "--ema", "0.5") == 130
    monkeypatch.undo()
    assert not list((out / "checkpoints").glob("best-*"))
    assert train_pix2pix.main(["--resume", str(out)]) == 0
    assert differences(run, out) == []


def test_differences_are_found(run, tmp_path):
    """The comparison in the tests of resuming can fail."""
    out = tmp_path / "run"
    shutil.copytree(run, out)
    assert train_pix2pix.main(["--resume", str(out), "--epochs", "3"]) == 0
    found = " ".join(differences(run, out))
    for what in ("checkpoints", "step/l1: steps", "samples: steps", "sheets"):
        assert what in found


def test_the_end_of_the_time_stops_as_sigterm_does(pairs, tmp_path, capsys):
    out = tmp_path / "run"
    assert train(pairs, out, "--epochs", "1", "--max-hours", "1e-9") == 143
    assert f"--resume {out}" in capsys.readouterr().err
    assert models.load(out)[1] == 1
    assert train_pix2pix.main(["--resume", str(out), "--max-hours", "1"]) == 0
    assert models.load(out)[1] == 3


def test_one_command_begins_and_goes_on(pairs, tmp_path, capsys):
    """A queue repeats the same flags, switches included, with --out and --resume of the same folder."""
    out = tmp_path / "run"
    flags = ["--resume", str(out), "--no-jitter", "--epochs", "1"]
    assert train(pairs, out, *flags, "--max-hours", "1e-9") == 143
    capsys.readouterr()
    assert train(pairs, out, *flags, "--max-hours", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"Resuming {out} after step 1." in lines
    plan = lines[lines.index(f"Training pix2pix in {out}") :]
    assert re.fullmatch(r"  device   CPU \(\d+ cores\), float32", plan[1])
    assert re.fullmatch(r"  weights  generator [\d,]+, discriminator [\d,]+", plan[2])
    assert plan[3] == "  steps    3, 3 per epoch; 1 done"
    assert plan[-3:] == [
        f"  python -m apps.evaluate {out}",
        f"  python -m apps.export {out} --variants float32,dynamic8",
        f"  python -m apps.train_pix2pix --resume {out} --epochs 2",
    ]
    assert models.load(out)[1] == 3
    assert train(pairs, tmp_path / "other", *flags) == 2
    assert f"--out got {tmp_path / 'other'}, but" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_said_and_the_one_before_gone_on_with(run, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    data = out / "checkpoints" / "step-0000006" / "state.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    assert train_pix2pix.main(["--resume", str(out)]) == 0
    said = capsys.readouterr().out
    assert "step-0000006 cannot be read and is skipped: " in said
    assert "after step 5" in said
    assert differences(run, out) == []


def test_sigterm_stops_as_ctrl_c_does(pairs, tmp_path, monkeypatch):
    original = callbacks.StopOnRequest.after_steps

    def terminate(self, logs):
        os.kill(os.getpid(), signal.SIGTERM)
        original(self, logs)

    monkeypatch.setattr(callbacks.StopOnRequest, "after_steps", terminate)
    assert train(pairs, tmp_path / "run", "--epochs", "1") == 143
    assert models.load(tmp_path / "run")[1] == 1


def test_more_epochs_go_on_and_fewer_do_not(run, tmp_path, capsys):
    out = tmp_path / "run"
    shutil.copytree(run, out)
    assert train_pix2pix.main(["--resume", str(out), "--epochs", "1"]) == 2
    assert "accepted are more" in capsys.readouterr().err
    assert train_pix2pix.main(["--resume", str(out), "--epochs", "3"]) == 0
    assert models.load(out)[1] == 9
    assert json.loads((out / "config.json").read_text())["run"]["epochs"] == 3
    events = EventAccumulator(str(out), size_guidance={"tensors": 0}).Reload()
    steps = {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("step/l1")}
    epochs = {e.step: float(tf.make_ndarray(e.tensor_proto)) for e in events.Tensors("epoch/l1")}
    assert epochs[9] == pytest.approx(np.mean([steps[7], steps[8], steps[9]]), rel=1e-5)
