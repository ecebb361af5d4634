"""The lock of a run folder, between real processes."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

import keras_gen
from apps import export, train_vae
from keras_gen.engine.run_lock import LOCK_FILE, Owner, RunLock
from keras_gen.errors import UserError

HOLD = """
import pathlib, sys
from apps import train_vae
from keras_gen.engine.run_lock import RunLock
lock = RunLock(pathlib.Path(sys.argv[1]))
lock.take()
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of tmp_path until it is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_another_process_is_named_and_its_lock_taken_over_once_it_is_killed(other, tmp_path):
    lock = RunLock(tmp_path)
    for attempt in (lock.check, lock.take):
        with pytest.raises(UserError, match=f"is in use by process {other.pid} on "):
            attempt()
    lock.release()  # it is not ours
    assert (tmp_path / LOCK_FILE).exists()
    other.kill()
    other.wait()
    lock.check()
    lock.take()
    assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    lock.release()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [(), ("--overwrite",)])
def test_a_second_run_in_the_folder_is_refused_in_one_sentence(other, tmp_path, capsys, flags):
    assert train_vae.main(["--preset", "tiny", "--out", str(tmp_path), *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path} is in use by process {other.pid} on ")
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [LOCK_FILE]


def test_an_export_into_a_folder_in_use_is_refused(other, tmp_path, capsys):
    keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2).save(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert export.main([str(tmp_path)]) == 2
    assert f"{tmp_path} is in use by process {other.pid} on " in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_number_that_another_process_got_since_is_no_owner(other, tmp_path):
    own = json.loads((tmp_path / LOCK_FILE).read_text())
    assert not Owner(**own).has_ended()
    assert Owner(**own | {"begun": own["begun"] + "1"}).has_ended()


def test_of_another_computer_nobody_knows(tmp_path):
    (tmp_path / LOCK_FILE).write_text(json.dumps(asdict(Owner("elsewhere", 1, ""))))
    with pytest.raises(UserError, match=r"process 1 on elsewhere; .* if it no longer runs, delete .*run\.lock"):
        RunLock(tmp_path).take()


def test_a_damaged_lock_names_the_file(tmp_path):
    (tmp_path / LOCK_FILE).write_text("")
    with pytest.raises(UserError, match="if no process writes there, delete that file"):
        RunLock(tmp_path).check()


def test_the_same_process_may_take_it_again(tmp_path):
    RunLock(tmp_path).take()
    again = RunLock(tmp_path)
    again.take()
    again.release()
    assert not list(tmp_path.iterdir())
