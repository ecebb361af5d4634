"""Requirements for all HTML pages of the project, checked without a browser."""

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

_VOID = {"meta", "link", "img", "input", "br", "path", "circle", "polyline"}
_ADDRESSES = {"href", "src"}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in _ADDRESSES]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element, at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script") and data.strip():
            self.texts.append(" ".join(data.split()))


def read_page(path: Path) -> _Parser:
    """Parses a page and checks it: elements are closed in order, and all links lead to existing local files.

    Returns:
        The parser, with `texts`, `tags` and `addresses` of the page.
    """
    content = Path(path).read_text(encoding="utf-8")
    assert content.startswith("<!doctype html>")
    assert "prefers-color-scheme: dark" in content
    assert 'name="viewport"' in content
    assert "undefined" not in content.casefold().replace("undefinederror", "")
    parser = _Parser()
    parser.feed(content)
    parser.close()
    assert not parser.open, f"{parser.open} are not closed"
    assert {"h1", "title", "main"} <= set(parser.tags)
    for address in parser.addresses:
        parts = urlsplit(address)
        if parts.scheme == "data":
            continue
        assert not parts.scheme + parts.netloc, f"{address} lies elsewhere"
        assert (path.parent / os.fsdecode(unquote_to_bytes(parts.path))).is_file(), f"{address} leads nowhere"
    return parser
