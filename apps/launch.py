"""Start a training command as several worker processes on this machine, for --distribute multiworker.

Each worker's output is prefixed with its number. Signals are forwarded, and all workers are stopped if one fails. On
several machines, start the command on each of them instead, with TF_CONFIG set by you or your queue: docs/scaling.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from keras_gen.cli.launcher import run_workers
from keras_gen.cli.parsing import app, parse
from keras_gen.console import command
from keras_gen.errors import Stopped, UserError
from keras_gen.flags import BaseConfig, Range

EXAMPLE = f"launch -- {command('train_pix2pix')} --distribute multiworker --batch-size 2"


@dataclass(frozen=True)
class Flags(BaseConfig):
    workers: Annotated[int, Range(1, 256)] = 2
    """Worker processes to start [processes]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Split the command at --, start the workers, wait."""
    argv = sys.argv[1:] if argv is None else list(argv)
    own, _, words = (argv[: argv.index("--")], "--", argv[argv.index("--") + 1 :]) if "--" in argv else (argv, "", [])
    flags = parse(Flags, own, example=EXAMPLE)
    if not words:
        raise UserError(f"the command is missing; accepted is one after --, such as {command(EXAMPLE)}.")
    code = run_workers(words, flags.workers)
    if code:
        raise Stopped(f"The workers ended with exit code {code}.", code)


if __name__ == "__main__":
    sys.exit(main())
