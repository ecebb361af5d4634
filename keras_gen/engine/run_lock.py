"""A lock file that allows only one process at a time to write into a run folder.

The file names the process that has the lock. It is created exclusively, which also works on NFS. If that process was
killed on this computer, the lock is taken over. Whether a process on another computer still runs cannot be determined
here, so the error message names the file to delete.
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
        pid: its process id there.
        begun: boot id of the computer and start time of the process in clock ticks; "" where these are unknown (on
            other systems than Linux).
    """

    host: str
    pid: int
    begun: str

    def has_ended(self) -> bool:
        """Whether the process has certainly ended. False for a process on another computer."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it runs, as another user
        return self.begun != _begun(self.pid)  # another process may have the same id by now


class RunLock:
    """The lock of a run folder, for this process. A context manager, which takes and releases it.

    Training and exporting need the lock, because they write several files that belong together. Other commands write
    single files atomically, which is safe while the run trains.
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
        """Checks that no other process has the lock. Writes nothing.

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
        """Creates the lock file. The folder must exist.

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
        """Deletes the lock file, if this object created it."""
        if self._taken:
            self._file.unlink(missing_ok=True)
            self._taken = False

    def _is_free(self, owner: Owner | None) -> bool:
        return owner is not None and (owner == self._owner or owner.has_ended())

    def _remove_ended(self) -> None:
        """Deletes the lock file of a process that has ended, but not one that was created in the meantime."""
        aside = self._file.with_name(f"{LOCK_FILE}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._file, aside)
            if self._is_free(_read(aside.read_text(encoding="utf-8"))):
                aside.unlink()
            else:
                os.rename(aside, self._file)

    def _refusal(self, owner: Owner | None) -> str:
        if owner is None:
            return f"{self._folder} is locked by {self._file}; if no process writes there, delete that file."
        text = f"{self._folder} is in use by process {owner.pid} on {owner.host}; "
        if owner.host == self._owner.host:
            return f"{text}wait until it ends, or stop it."
        return f"{text}wait until it ends, stop it or, if it no longer runs, delete {self._file}."


def _read(content: str) -> Owner | None:
    try:
        return Owner(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _begun(pid: int) -> str:
    """`Owner.begun` for a process on this computer."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError):
        return ""
