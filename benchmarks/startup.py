"""Measure the time that apps need for `--help` and for an unknown flag, in this checkout and in an older one.

    python -m benchmarks.startup --old ../older

Each call is a separate process, and the two checkouts take turns. Importing TensorFlow alone takes about three seconds;
`cli.standins` explains how apps parse their flags without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.interleaved import medians
from keras_gen.cli.parsing import app, parse
from keras_gen.flags import BaseConfig, Positive

EXAMPLE = "python -m benchmarks.startup --old ../older --runs 5"
_HERE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Flags(BaseConfig):
    old: Path | None = None
    """Root of another checkout to compare with; default: none."""
    apps: tuple[str, ...] = ("train_pix2pix", "translate", "launch")
    """Names of apps to start."""
    runs: Positive[int] = 5
    """Timed starts of each app, after one that fills caches [runs]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Time both checkouts, and print a line for each app and flag."""
    flags = parse(Flags, argv, example=EXAMPLE)
    checkouts = {"this": _HERE, **({"old": flags.old.resolve()} if flags.old else {})}
    print(f"{'seconds, medians':<32}" + "".join(f"{name:>8}" for name in checkouts))
    for name in flags.apps:
        for word in ("--help", "--no-such-flag"):
            calls = {which: _start(root, name, word) for which, root in checkouts.items()}
            found = medians(calls, flags.runs, warm_up=1)
            print(f"{name + ' ' + word:<32}" + "".join(f"{found[which]:8.2f}" for which in checkouts), flush=True)


def _start(root: Path, name: str, word: str) -> Callable[[], object]:
    command = [sys.executable, "-m", f"apps.{name}", word]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return partial(subprocess.run, command, cwd=root, env=environment, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
