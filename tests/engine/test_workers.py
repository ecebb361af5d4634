"""Several processes that train one model, started as `apps.launch` starts them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import worker

from apps import launch
from benchmarks.kill_resume import differences
from keras_gen.cli.launcher import run_workers
from keras_gen.engine.strategy import is_chief

FLAGS = ["--preset", "tiny", "--distribute", "multiworker", "--image-size", "8", "--batch-size", "2", "--ema", "0.9"]
FLAGS += ["--deterministic", "--no-export", "--steps-per-epoch", "4", "--epochs", "2"]


def start_workers(command: list[str]) -> subprocess.Popen:
    """Two workers; the one that is left when the other is killed has a minute to notice."""
    tests = Path(worker.__file__).parent
    program = "import sys; from keras_gen.cli.launcher import run_workers; sys.exit(run_workers(sys.argv[1:], 2, 60.0))"
    return subprocess.Popen(
        [sys.executable, "-c", program, sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"},
    )


def kill_the_second(workers: subprocess.Popen, out: Path) -> float:
    """Kills worker 1 at the first checkpoint of the run `out`, and returns when."""
    while not (out / "checkpoints" / "step-0000004").is_dir():
        assert workers.poll() is None, workers.communicate()
        time.sleep(0.01)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(out).encode() in command and b'"index": 1' in environment:
            os.kill(int(process.name), signal.SIGKILL)
            return time.monotonic()
    raise AssertionError("worker 1 does not run")


@pytest.fixture(scope="module")
def workers(pairs, tmp_path_factory):
    """The folder of two workers' answers, with a whole run, and one whose second worker was killed and that went on."""
    folder = tmp_path_factory.mktemp("workers")
    whole, killed = folder / "whole", folder / "killed"
    flags = [*FLAGS, "--data", str(pairs)]
    program = [worker.__file__, str(folder / "two.npz"), *flags, "--", str(whole), str(killed)]
    with start_workers(program) as first:
        died = kill_the_second(first, killed)
        out, error = first.communicate(timeout=90)
    took = time.monotonic() - died
    with start_workers(["-m", "apps.train_gan", *flags, "--out", str(killed), "--resume", str(killed)]) as second:
        second.communicate()
    (folder / "said.json").write_text(
        json.dumps({"codes": [first.returncode, second.returncode], "out": out, "error": error, "took": took})
    )
    return folder


def test_two_workers_equal_one_device(workers):
    """The weights after eight steps of SGD on the same batches, relative to a network's weights, and validation terms.

    The terms are compared absolutely: SSIM is a difference of numbers near 1, and nearly 0 here.
    """
    two, one = np.load(workers / "two.npz"), worker.train(tf.distribute.get_strategy())
    assert set(two) == set(one)
    for name in one:
        size = 1.0 if name.startswith("validation/") else np.linalg.norm(one[name])
        assert np.linalg.norm(two[name] - one[name]) < 1e-6 * size, name


def test_only_the_chief_writes(workers):
    assert len(list((workers / "whole").rglob("events.out.tfevents.*"))) == 2  # of training and validation


def test_a_worker_is_killed_and_the_run_goes_on_exactly(workers):
    """The other one says so within a minute and ends. One of them validates nothing."""
    said = json.loads((workers / "said.json").read_text())
    assert said["codes"] == [128 + signal.SIGKILL, 0]
    assert said["took"] < 60
    lost = f"error: another worker was lost; {workers / 'killed'} has the checkpoint of step "
    assert lost in said["out"]
    assert "launch: worker 1 ended with exit code 137" in said["error"]
    assert differences(workers / "whole", workers / "killed") == []


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
    assert run_workers([sys.executable, "-c", program], 2, grace=0.5) == 7
    assert time.monotonic() - start < 30
    assert set(capfd.readouterr().out.splitlines()) == {"[0] worker 0", "[1] worker 1"}


def test_signals_are_forwarded(capfd):
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print('up')"
    program += "; time.sleep(60)"

    timer = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert run_workers([sys.executable, "-c", program], 2) == 143
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
