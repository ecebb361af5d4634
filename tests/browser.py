"""Headless Chromium for tests, controlled with its DevTools protocol over a pipe, without packages or ports."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The program, or None where there is none."""

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    *("--no-first-run", "--disable-quic", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--mute-audio"),
)
_PATIENCE = 120.0  # seconds


class Browser:
    """A page in a browser with its own profile.

    Attributes:
        events: events of the page so far, as (method, parameters); see the DevTools protocol.
    """

    def __init__(self, profile: Path, size: tuple[int, int] = (1200, 900)) -> None:
        """Args:
        profile: a folder that is empty or does not exist.
        size: (width, height) of the window [pixels].
        """
        self.events: list[tuple[str, dict]] = []
        self._number = 0
        self._buffer = b""
        its_input, self._output = map(_high, os.pipe())
        self._input, its_output = map(_high, os.pipe())
        flags = [*_FLAGS, f"--user-data-dir={profile}", "--window-size={},{}".format(*size)]
        self._pid = os.posix_spawn(
            CHROMIUM,
            [CHROMIUM, *flags, "about:blank"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, its_input, 3),
                (os.POSIX_SPAWN_DUP2, its_output, 4),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setpgroup=0,
        )
        os.close(its_input)
        os.close(its_output)
        self._session = None
        (page,) = (target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._input)
        os.close(self._output)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command of the DevTools protocol and waits for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._output, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if "method" in answer:
                self.events.append((answer["method"], answer.get("params", {})))

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._input], [], [], _PATIENCE)[0], "the browser does not answer"
            content = os.read(self._input, 1 << 20)
            assert content, "the browser ended"
            self._buffer += content
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, url: str) -> None:
        """Opens a page and waits until its files are loaded; scripts may still be running."""
        self.call("Page.navigate", url=url)
        self.wait_until("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; waits if it is a promise."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, expression: str) -> None:
        """Waits until a JavaScript expression is true."""
        end = time.monotonic() + _PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.05)

    def centre(self, selector: str) -> tuple[float, float]:
        """Position of an element in the window [pixels]."""
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        return tuple(self.evaluate(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({box})"))

    def drag(self, *places: tuple[float, float]) -> None:
        """Presses the mouse button at the first position, moves along the others, and releases it at the last
        [pixels]."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 1)]
        for kind, (x, y) in zip([*kinds, "mouseReleased"], [*places, places[-1]], strict=True):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def click(self, selector: str) -> None:
        """Clicks on the centre of an element."""
        self.drag(self.centre(selector))

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Presses and releases a key, given by its name and its Windows key code; modifier 2 is Ctrl."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def requested(self) -> list[str]:
        """Addresses that the page has requested so far."""
        return [data["request"]["url"] for method, data in self.events if method == "Network.requestWillBeSent"]

    def screenshot(self, path: Path) -> None:
        """Writes a screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


def _high(descriptor: int) -> int:
    """The same descriptor with a number that the child's descriptors 3 and 4 do not overwrite."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return high
