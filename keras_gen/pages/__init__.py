"""The HTML pages that the project writes: one template, one style sheet, no file or address from elsewhere.

Each kind of page is a template in `templates/` that fills the blocks of `page.html`; `style.css` is part of every page,
so that a page can be sent or moved alone. Light and dark follow the reader's system.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    import jinja2

_DEFAULTS: Mapping[str, Any] = {"subtitle": "", "links": ()}
_TEMPLATES = Path(__file__).parent / "templates"

_OF_A_RUN = {
    "Run": "index.html",
    "Samples": "samples/index.html",
    "Exports": "report.html",
    "Latent space": "latents/index.html",
    "Configuration": "config.json",
    "Figures": "report.json",
}


class Link(NamedTuple):
    """An entry of a page's navigation.

    Attributes:
        name: what is shown.
        address: relative to the page; empty for the page itself.
    """

    name: str
    address: str


def page(template: str, *, templates: Path | None = None, **values: Any) -> str:
    """The HTML of a page.

    Args:
        template: name of a file in `templates/`.
        templates: folder of further templates.
        **values: what the template uses, which escapes it; `page.html` takes `title`, and perhaps `subtitle` and
            `links`.

    Returns:
        The page, as a whole.

    Raises:
        jinja2.UndefinedError: if the template uses a value that is not given.
    """
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    content = _environment(templates).get_template(template).render({**_DEFAULTS, "style": style, **values})
    return content.encode("utf-8", "backslashreplace").decode()  # names of files may be any bytes


def links_of_run(run: Path, here: str) -> list[Link]:
    """The pages and files of a run that there are by now, for the navigation of one of them.

    Args:
        run: its folder.
        here: the page that they are for, below the run folder: "samples/index.html".

    Returns:
        Links relative to that page, in the order in which they are read.
    """
    return [
        Link(name, "" if file == here else address_of(file, Path(here).parent))
        for name, file in _OF_A_RUN.items()
        if file == here or (run / file).is_file()
    ]


def address_of(file: Path | str, page_folder: Path | str = ".") -> str:
    """The address of a file for a page in a folder, both seen from the same place; any name is allowed."""
    return quote(os.fsencode(Path(os.path.relpath(file, page_folder)).as_posix()))


def data_address(content: bytes, kind: str = "image/png") -> str:
    """A file as an address, to be part of a page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def plural(count: int, singular: str, several: str = "") -> str:
    """ "1 picture", "2 pictures"."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"


@functools.cache
def _environment(more: Path | None) -> jinja2.Environment:
    import jinja2  # most runs of a command write no page

    places: Sequence[Path] = (_TEMPLATES,) if more is None else (more, _TEMPLATES)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(places),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # in the order of the page, not of the alphabet
    environment.filters |= {"address": data_address, "plural": plural}
    return environment
