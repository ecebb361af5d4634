"""One process for one run folder: a file that names who writes there.

The file is created exclusively, which works on NFS too. If its process was killed on this computer, the lock is taken
over; of a process on another computer nobody here can tell, so the message says which file to delete.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from keras_gen.errors import UserError

LOCK_FILE = "run.lock"


@dataclass(frozen=True)
class Owner:
    """A process that writes into a run folder.

    Attributes:
        host: name of its computer.
        pid: its number there.
        begun: which start of the computer it belongs to, and when it was started after that, as the kernel counts; ""
            where that cannot be found out (only Linux tells).
    """

    host: str
    pid: int
    begun: str

    def has_ended(self) -> bool:
        """Whether it certainly runs no more: False for one of another computer."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it is another user's
        return self.begun != _begun(self.pid)  # another process may have got its number since


class RunLock:
    """The lock of a run folder, which this process may take.

    Training and exporting take it, because what they write belongs together. What other commands write into a run are
    single files that appear complete, and these may be written while the run trains.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._file = folder, folder / LOCK_FILE
        self._owner = Owner(socket.gethostname(), os.getpid(), _begun(os.getpid()))
        self._taken = False

    def __enter__(self) -> RunLock:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def check(self) -> None:
        """Look whether the folder is free, and write nothing.

        Raises:
            UserError: if another process has it.
        """
        try:
            content = self._file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return
        if not self._is_free(owner := _read(content)):
            raise UserError(self._refusal(owner))

    def take(self) -> None:
        """Make the lock file; the folder exists.

        Raises:
            UserError: if another process has the lock.
            OSError: if the folder cannot be written.
        """
        while True:
            try:
                number = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                self.check()
                self._remove_ended()
                continue
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(asdict(self._owner), file)
            self._taken = True
            return

    def release(self) -> None:
        """Delete the lock file, if this object made it."""
        if self._taken:
            self._file.unlink(missing_ok=True)
            self._taken = False

    def _is_free(self, owner: Owner | None) -> bool:
        return owner is not None and (owner == self._owner or owner.has_ended())

    def _remove_ended(self) -> None:
        """Delete the file of a process that has ended, and not the one that somebody else makes in the meantime."""
        aside = self._file.with_name(f"{LOCK_FILE}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._file, aside)
            if self._is_free(_read(aside.read_text(encoding="utf-8"))):
                aside.unlink()
            else:
                os.rename(aside, self._file)

    def _refusal(self, owner: Owner | None) -> str:
        if owner is None:
            return f"{self._file} says that a process writes into {self._folder}; if none does, delete that file."
        text = f"{self._folder} is in use by process {owner.pid} on {owner.host}; "
        if owner.host == self._owner.host:
            return f"{text}wait for its end, or stop it."
        return f"{text}wait for its end, stop it or, if it runs no more, delete {self._file}."


def _read(content: str) -> Owner | None:
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _begun(pid: int) -> str:
    """`Owner.begun` of a process that runs on this computer."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""
