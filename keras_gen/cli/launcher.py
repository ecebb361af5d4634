"""Starts several worker processes on one machine that train a model together with `--distribute multiworker`.

Each worker gets a TF_CONFIG with the addresses of all workers, which are free ports of this machine, and its own
number; worker 0 is the chief. Workers run in sessions of their own, so Ctrl-C reaches them only once, forwarded by this
process.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

GRACE = 20.0
"""Time for the other workers to end by themselves when one has failed, and again to end after SIGTERM [s]."""


def run_workers(command: Sequence[str], workers: int, grace: float = GRACE) -> int:
    """Starts a command several times, forwards SIGINT and SIGTERM, and prints the output with the prefix [number].

    If one worker fails, the others have `grace` seconds to end by themselves; then they get SIGTERM, and after another
    `grace` seconds SIGKILL. If the reader of the output exits (`| head`), all workers get SIGTERM.

    Args:
        command: the command with its arguments.
        workers: number of processes.
        grace: see above [s].

    Returns:
        0 if all workers exited with 0, else the exit code of the first that did not; 128 + n for a signal n.

    Raises:
        BrokenPipeError: after all workers have ended, if the reader of the output has exited.
    """
    addresses = [f"localhost:{port}" for port in _free_ports(workers)]
    processes = []
    for number in range(workers):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
        environment = os.environ | {"TF_CONFIG": json.dumps(task), "PYTHONUNBUFFERED": "1"}
        processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
            )
        )

    def forward(number: int, frame: object) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    unread = threading.Event()
    readers = [threading.Thread(target=_prefix, args=(i, p, unread)) for i, p in enumerate(processes)]
    for reader in readers:
        reader.start()
    try:
        code = _wait(processes, grace, unread)
        if unread.is_set():
            raise BrokenPipeError
        return code
    finally:
        for process in processes:
            process.kill()
        for reader, process in zip(readers, processes, strict=True):
            reader.join()
            process.stdout.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[subprocess.Popen], grace: float, unread: threading.Event) -> int:
    failed, since, asked = 0, 0.0, False
    while None in [process.poll() for process in processes]:
        time.sleep(0.1)
        if unread.is_set() and not asked:
            since, asked = time.monotonic(), True
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
        elif not failed and not asked:
            failed, since = _first_failure(processes), time.monotonic()
        elif time.monotonic() - since > grace:
            print("launch: the other workers did not end by themselves and are stopped", file=sys.stderr, flush=True)
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL if asked else signal.SIGTERM)
            since, asked = time.monotonic(), True
    return failed or (0 if unread.is_set() else _first_failure(processes))


def _first_failure(processes: Sequence[subprocess.Popen]) -> int:
    for number, process in enumerate(processes):
        if process.returncode:
            code = process.returncode if process.returncode > 0 else 128 - process.returncode
            print(f"launch: worker {number} ended with exit code {code}", file=sys.stderr, flush=True)
            return code
    return 0


def _prefix(number: int, process: subprocess.Popen, unread: threading.Event) -> None:
    """Prints each line of a worker as soon as it is complete. Each state of a progress bar counts as a line.

    If the reader of the output has exited, `unread` is set, and further output is read and dropped, so that the worker
    does not block.
    """
    left = b""
    while chunk := process.stdout.read1():
        *lines, left = re.split(rb"(?<=[\r\n])", left + chunk)
        for line in lines:
            if line.strip():
                _say(number, line, unread)
    if left:
        _say(number, left + b"\n", unread)


def _say(number: int, line: bytes, unread: threading.Event) -> None:
    if not unread.is_set():
        try:  # one system call per line, so that lines of several threads do not mix
            os.write(sys.stdout.fileno(), f"[{number}] ".encode() + line)
        except BrokenPipeError:
            unread.set()


def _free_ports(count: int) -> list[int]:
    """Free ports. They are all held until the last one is found, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
