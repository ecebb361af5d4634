"""Worker processes of one machine that train one model together, as `--distribute multiworker` takes them.

Each gets a TF_CONFIG with the addresses of all (ports of this machine that were free a moment ago) and its own number;
worker 0 is the chief. They run in sessions of their own, so that Ctrl-C reaches them once, through here.
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
"""Seconds that the other workers get to end by themselves when one has failed, and again after SIGTERM."""


def run_fleet(command: Sequence[str], workers: int, grace: float = GRACE) -> int:
    """Start the command as so many workers, forward SIGINT and SIGTERM, prefix what they say with [number].

    When one fails, the others are given `grace` seconds to notice, then SIGTERM, then SIGKILL. When nobody reads the
    output any more (`| head`), all are asked to end by SIGTERM.

    Returns:
        0 if all ended with 0, else the exit code of the first that did not; 128 + n for a signal n.

    Raises:
        BrokenPipeError: when they have ended because nobody read their output.
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
            print("launch: the other workers go on without it, and are ended", file=sys.stderr, flush=True)
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
    """Pass on each line of a worker as soon as it is whole; the states of a progress bar are lines too.

    Where nobody reads any more that is noted, and what the worker still says is dropped, so that it can end.
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
        try:  # one write for each: those of several threads do not mix
            os.write(sys.stdout.fileno(), f"[{number}] ".encode() + line)
        except BrokenPipeError:
            unread.set()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different because they are held until the last is found."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("localhost", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
