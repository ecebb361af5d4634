"""Templates of all HTML pages, with one base template and one style sheet.

Each kind of page is a template in `templates/` that fills the blocks of `page.html`. Pages load nothing from the
internet, and include `style.css`. The colour scheme, light or dark, follows the reader's system.
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
        name: the text.
        address: relative to the page; "" for the page itself.
    """

    name: str
    address: str


def page(template: str, *, templates: Path | None = None, **values: Any) -> str:
    """Renders a page.

    Args:
        template: name of a file in `templates/`.
        templates: a folder with further templates.
        **values: the variables of the template, which escapes them. `page.html` needs `title`; `subtitle` and `links`
            are optional.

    Returns:
        The HTML of the page.

    Raises:
        jinja2.UndefinedError: if a variable of the template is missing.
    """
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    content = _environment(templates).get_template(template).render({**_DEFAULTS, "style": style, **values})
    return content.encode("utf-8", "backslashreplace").decode()  # file names may contain bytes that are not UTF-8


def links_of_run(run: Path, here: str) -> list[Link]:
    """Links to the existing pages and files of a run, for the navigation of one of its pages.

    Args:
        run: the run folder.
        here: the page that gets the links, relative to the run folder: "samples/index.html".

    Returns:
        The links, relative to that page.
    """
    return [
        Link(name, "" if file == here else address_of(file, Path(here).parent))
        for name, file in _OF_A_RUN.items()
        if file == here or (run / file).is_file()
    ]


def address_of(file: Path | str, page_folder: Path | str = ".") -> str:
    """The URL of a file, relative to a page in `page_folder`. Both paths may be relative to the same folder."""
    return quote(os.fsencode(Path(os.path.relpath(file, page_folder)).as_posix()))


def data_address(content: bytes, kind: str = "image/png") -> str:
    """The content of a file as a data URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def plural(count: int, singular: str, several: str = "") -> str:
    """ "1 picture", "2 pictures"."""
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"


@functools.cache
def _environment(more: Path | None) -> jinja2.Environment:
    import jinja2  # imported late, because most commands write no page

    places: Sequence[Path] = (_TEMPLATES,) if more is None else (more, _TEMPLATES)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(places),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # by default, keys would be sorted
    environment.filters |= {"address": data_address, "plural": plural}
    return environment
