"""A web page for this computer alone: a table of contents, served on 127.0.0.1.

What is not in the table does not exist, so nothing else of the disk can be asked for. Requests that came by another
name than that of this computer are refused, so that no page of the internet can reach in (DNS rebinding), and the
page is told not to load from elsewhere (content security policy).
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from keras_gen.errors import UserError

Content = Path | bytes | Callable[[], bytes]
"""A file, read at each request; bytes; or a function that makes them at each request."""

HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",  # browsers compile it while it loads, but only by this name
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob: data:",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class LocalServer(ThreadingHTTPServer):
    """Serves `contents` until it is closed; `serve_forever` works, `url` is where.

    Args:
        contents: path of the URL ("/page.css") -> content; its ending gives the type, and "/" is HTML.
        port: to listen at, up to 65535; 0 takes a free one.

    Raises:
        UserError: if the port cannot be had.
    """

    def __init__(self, contents: Mapping[str, Content], port: int) -> None:
        self.contents = contents
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            reason = (
                "which is taken" if error.errno == errno.EADDRINUSE else f"which is not to be had ({error.strerror})"
            )
            raise UserError(f"--port got {port}, {reason}; accepted is a free one, and 0 finds one.") from None

    @property
    def url(self) -> str:
        """Where a browser on this computer finds the page."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer

    def do_GET(self) -> None:
        if self.headers.get("Host") not in (f"{name}:{self.server.server_port}" for name in (HOST, "localhost")):
            self.send_error(HTTPStatus.FORBIDDEN, "This page is for the computer that it runs on")
            return
        path = urlsplit(self.path).path
        if path not in self.server.contents:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = self.server.contents[path]
        if isinstance(content, Path):
            content = content.read_bytes()
        elif callable(content):
            content = content()
        self.send_response(HTTPStatus.OK)
        suffix = ".html" if path == "/" else PurePosixPath(path).suffix
        self.send_header("Content-Type", _TYPES.get(suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the page was closed meanwhile
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """The terminal is for what the app says."""
