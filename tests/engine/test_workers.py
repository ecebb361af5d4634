"""Several processes that train one model, started as `apps.launch` starts them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sgd_worker
import tensorflow as tf

from apps import launch
from benchmarks.kill_resume import differences
from keras_gen.cli.launcher import run_fleet
from keras_gen.engine.strategy import is_chief

TRAIN = [sys.executable, "-m", "apps.train_pix2pix", "--preset", "tiny", "--distribute", "multiworker"]
TRAIN += ["--image-size", "16", "--filters", "4", "--batch-size", "2", "--deterministic", "--ema", "0.9", "--no-export"]


def test_two_workers_equal_one_device(tmp_path, monkeypatch):
    """The weights after eight steps of SGD on the same batches, relative to a network's weights."""
    tests = Path(sgd_worker.__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"{tests.parent}{os.pathsep}{tests}")
    assert run_fleet([sys.executable, str(tests / "sgd_worker.py"), str(tmp_path / "two.npz")], 2) == 0
    two, one = np.load(tmp_path / "two.npz"), sgd_worker.train(tf.distribute.get_strategy())
    assert set(two) == set(one)
    for name in one:
        assert np.linalg.norm(two[name] - one[name]) < 1e-6 * np.linalg.norm(one[name]), name


def test_a_worker_is_killed_and_the_run_goes_on_exactly(pairs, tmp_path, capfd):
    """The other one says so within a minute and ends; only the chief has written. One of them validates nothing."""
    flags = ["--data", str(pairs), "--steps-per-epoch", "5", "--epochs", "2"]
    assert run_fleet([*TRAIN, *flags, "--out", str(tmp_path / "undisturbed")], 2) == 0
    assert len(list((tmp_path / "undisturbed").rglob("events.out.tfevents.*"))) == 2  # of training and validation

    out, died = tmp_path / "killed", []

    def kill_the_second():
        while not (out / "checkpoints" / "step-0000005").is_dir():
            time.sleep(0.01)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(out).encode() in command and b'"index": 1' in environment:
                died.append(time.monotonic())
                os.kill(int(process.name), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_second)
    killer.start()
    assert run_fleet([*TRAIN, *flags, "--out", str(out)], 2, grace=60.0) == 128 + signal.SIGKILL
    killer.join()
    assert len(died) == 1
    assert time.monotonic() - died[0] < 60
    said = capfd.readouterr()
    assert f"error: another worker was lost; {out} has the checkpoint of step " in said.out
    assert "launch: worker 1 ended with exit code 137" in said.err
    assert run_fleet([*TRAIN, *flags, "--out", str(out), "--resume", str(out)], 2) == 0
    assert differences(tmp_path / "undisturbed", out) == []


@pytest.mark.parametrize(
    ("cluster", "task", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), True),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), False),
    ],
)
def test_there_is_one_chief(cluster, task, chief):
    class Strategy:
        cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(cluster), task_type=task[0], task_id=task[1]
        )

    assert is_chief(Strategy()) == chief


def test_output_is_prefixed_and_the_first_failure_is_the_exit_code(capfd):
    """The second worker fails at once; the first, which would sleep for a minute, is ended."""
    program = "import json, os, sys, time; i = json.loads(os.environ['TF_CONFIG'])['task']['index']"
    program += "; print('worker', i); time.sleep(60 * (1 - i)); sys.exit(7)"
    start = time.monotonic()
    assert run_fleet([sys.executable, "-c", program], 2, grace=0.5) == 7
    assert time.monotonic() - start < 30
    assert set(capfd.readouterr().out.splitlines()) == {"[0] worker 0", "[1] worker 1"}


def test_signals_are_forwarded(capfd):
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print('up')"
    program += "; time.sleep(60)"

    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert run_fleet([sys.executable, "-c", program], 2) == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--workers", "2"], "the command is missing; accepted is one after --"),
        (["--workers", "0", "--", "true"], "--workers got 0"),
        (["--workers", "100000", "--", "true"], "--workers got 100000; accepted are"),
        (["--worker", "2", "--", "true"], "--worker"),
        (["--", "no-such-program"], "no-such-program: No such file or directory"),
    ],
)
def test_launch_refuses(argv, said, capsys):
    assert launch.main(argv) == 2
    assert said in capsys.readouterr().err


def test_launch_ends_its_workers_when_nobody_reads_their_output():
    worker = "import time\nwhile True: print('here', flush=True); time.sleep(0.05)"
    command = [sys.executable, "-m", "apps.launch", "--", sys.executable, "-c", worker]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout.readline().endswith("] here\n")
        process.stdout.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (141, "")


def test_launch_returns_what_the_workers_returned(capfd):
    assert launch.main(["--workers", "2", "--", sys.executable, "-c", "pass"]) == 0
    assert launch.main(["--workers", "2", "--", sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert "exit code 3" in capfd.readouterr().err
