"""A web server for this computer only, on 127.0.0.1, with a fixed set of contents.

Only the listed contents are served, so no other file on the disk can be requested. Requests with another host name are
refused, which protects against web sites that resolve to 127.0.0.1 (DNS rebinding). A content security policy keeps the
page from loading anything from elsewhere.
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
"""A file or a function, read or called at each request; or bytes."""

HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",  # required by WebAssembly.compileStreaming
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob: data:",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class LocalServer(ThreadingHTTPServer):
    """Serves `contents` at `url` while `serve_forever` runs.

    Args:
        contents: path of the URL, such as "/page.css" -> content. The extension determines the content type; "/" is
            HTML.
        port: 1 to 65535; 0 picks a free port.

    Raises:
        UserError: if the port is taken or not allowed.
    """

    def __init__(self, contents: Mapping[str, Content], port: int) -> None:
        self.contents = contents
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            reason = "taken" if error.errno == errno.EADDRINUSE else f"not available ({error.strerror})"
            raise UserError(
                f"--port got {port}, which is {reason}; accepted are free ports, and 0 picks one."
            ) from None

    @property
    def url(self) -> str:
        """Address of the page for a browser on this computer."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer

    def do_GET(self) -> None:
        if self.headers.get("Host") not in (f"{name}:{self.server.server_port}" for name in (HOST, "localhost")):
            self.send_error(HTTPStatus.FORBIDDEN, "This page can only be opened on the computer that serves it")
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
        with contextlib.suppress(ConnectionError):  # the browser closed the page
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the terminal is for messages of the app."""
