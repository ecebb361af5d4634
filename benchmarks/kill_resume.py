"""Kill a training run many times, resume it each time, and compare the result with that of an undisturbed run.

Every process runs `apps.train_pix2pix ... --out DIR --resume DIR` with the same flags. It is a fork of a process that
has imported TensorFlow, which saves five seconds each time. SIGKILL ends it at a random moment: while it starts,
after a random step, or while it writes a checkpoint. At the end, all variables of the newest and the best checkpoint
(weights, averages, optimizer slots, random states, means), all logged values and all sheets of samples must equal
those of the undisturbed run, bit for bit.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from apps import train_pix2pix
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.event_files import VALIDATION
from keras_gen.flags import BaseConfig, NonNegative, Positive

EXAMPLE = "python -m benchmarks.kill_resume --kills 50"
FLAGS = ["--preset", "tiny", "--deterministic", "--ema", "0.9", "--no-export"]
MOMENTS = ("starting", "after a step", "writing a checkpoint")
_OF_THIS_RUN = ("config", "_hparams_", "images_per_second")  # tags whose values depend on the folder or the time


@dataclasses.dataclass(frozen=True)
class Flags(BaseConfig):
    kills: Positive[int] = 50
    """Number of processes to kill [processes]."""
    seed: NonNegative[int] = 0
    """Random seed of the moments [integer]."""
    out: Path | None = None
    """Folder for the two runs; default: a temporary folder."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Run, kill, resume, compare, and print the result."""
    flags = parse(Flags, argv, example=EXAMPLE)
    with tempfile.TemporaryDirectory() as scratch:
        folder = flags.out or Path(scratch)
        chance = random.Random(flags.seed)
        moments = [chance.choice(MOMENTS) for _ in range(flags.kills)]
        words = words_for(flags.kills)
        run(words, folder / "undisturbed")
        survived = Counter(kill_and_resume(words, folder / "killed", moments, chance))
        found = differences(folder / "undisturbed", folder / "killed")
    for moment, count in survived.items():
        print(f"killed {count:3d} times {moment}")
    print(f"{len(found)} differences from the undisturbed run")
    print(*found[:20], sep="\n")
    if found:
        raise SystemExit(1)


def words_for(kills: int) -> list[str]:
    """The flags of a run that is long enough: no kill is more than one epoch of ten steps late."""
    return [*FLAGS, "--epochs", str(kills + 2)]


def run(words: Sequence[str], folder: Path) -> None:
    """Run training with these flags to its end."""
    said = folder.with_name(folder.name + ".txt")
    _finish(_start([*words, "--out", str(folder)], said), said)


def kill_and_resume(words: Sequence[str], folder: Path, moments: Sequence[str], chance: random.Random) -> list[str]:
    """Start training once for each moment and kill it there, then let it end.

    Returns:
        The moments at which processes were really killed.
    """
    said = folder.with_name(folder.name + ".txt")
    killed = []
    for moment in [*moments, None]:
        process = _start([*words, "--out", str(folder), "--resume", str(folder)], said)
        if moment is None:
            _finish(process, said)
        else:
            killed.append(_kill(process, folder, said, moment, chance))
    return killed


def _start(words: list[str], said: Path) -> multiprocessing.Process:
    """Training in a process of its own, which writes what it says to a file."""
    said.parent.mkdir(parents=True, exist_ok=True)
    said.write_bytes(b"")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__spec__.name])
    process = context.Process(target=_train, args=(words, said))
    process.start()
    return process


def _train(words: list[str], said: Path) -> None:
    with open(said, "wb", buffering=0) as out:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(out.fileno(), stream.fileno())
    sys.stdout.reconfigure(line_buffering=True)  # the progress lines tell the steps
    sys.exit(train_pix2pix.main(words))


def _finish(process: multiprocessing.Process, said: Path) -> None:
    process.join()
    if process.exitcode:
        raise RuntimeError(said.read_text())


def _kill(process: multiprocessing.Process, folder: Path, said: Path, moment: str, chance: random.Random) -> str:
    part = re.compile(r"step-\d+\.part")
    if moment == "starting":
        time.sleep(chance.uniform(0, 2))
    elif moment == "after a step":
        while process.is_alive() and b", step" not in said.read_bytes().rpartition(b"epoch ")[2]:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.3))  # a log shows the progress only every 10 s
    else:
        skip = chance.randint(0, 1)
        while process.is_alive():
            if any(part.fullmatch(name) for name in _names(folder / "checkpoints")):
                if not skip:
                    break
                skip -= 1
                while any(part.fullmatch(name) for name in _names(folder / "checkpoints")):
                    time.sleep(0.0002)
            time.sleep(0.0002)
    process.kill()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise RuntimeError(
            f"ended before it was killed {moment}, with exit code {process.exitcode}:\n{said.read_text()}"
        )
    if moment == "writing a checkpoint" and not any(part.fullmatch(name) for name in _names(folder / "checkpoints")):
        return "just after writing a checkpoint"
    return moment


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def differences(expected: Path, found: Path) -> list[str]:
    """The differences between two runs, one line each."""
    wrong = []

    def compare(what: str, one: object, other: object) -> None:
        if one != other:
            wrong.append(f"{what}: {_short(one)} and {_short(other)}")

    names = [sorted(os.listdir(run / "checkpoints")) for run in (expected, found)]
    compare("checkpoints", *names)
    for name in set(names[0]) & set(names[1]):
        one, other = (_variables(run / "checkpoints" / name) for run in (expected, found))
        compare(f"{name}: variables", sorted(one), sorted(other))
        for variable in one.keys() & other.keys():
            compare(f"{name}: {variable}", one[variable], other[variable])
    one, other = _logged(expected), _logged(found)
    compare("tags", sorted(one), sorted(other))
    for tag in one.keys() & other.keys():
        compare(f"{tag}: steps", [step for step, _ in one[tag]], [step for step, _ in other[tag]])
        if not tag.startswith(_OF_THIS_RUN):
            compare(tag, one[tag], other[tag])
    sheets = [
        {str(path.relative_to(run)): path.read_bytes() for path in (run / "samples").rglob("*.png")}
        for run in (expected, found)
    ]
    compare("sheets", *sheets)
    return wrong


def _variables(checkpoint: Path) -> dict[str, bytes]:
    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    names = (name for name in reader.get_variable_to_shape_map() if name.startswith("variables"))
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def _logged(run: Path) -> dict[str, list[tuple[int, bytes]]]:
    """Tag -> (step, value) pairs, in the order of the files."""
    logged = {}
    for folder in (run, run / VALIDATION):
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
        for tag in events.Tags()["tensors"]:
            values = [(event.step, event.tensor_proto.SerializeToString()) for event in events.Tensors(tag)]
            logged[tag if folder == run else f"{VALIDATION}/{tag}"] = values
    return logged


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."


if __name__ == "__main__":
    sys.exit(main())
