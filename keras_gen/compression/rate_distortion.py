"""Bits per pixel against PSNR and SSIM: a run's files beside JPEG and WebP of the same pictures, and who wins where.

All are real files, headers included, and what is compared is what their decoders give back, as bytes. Headers are also
counted apart, because at a few hundred pixels they are most of a file: a run's decoder has its tables in the run
folder, a JPEG carries them along. JPEG and WebP are Pillow's (libjpeg-turbo with optimised Huffman tables, libwebp's
slowest method), PNG is the size without loss.
"""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from keras_gen.compression.codec import Codec
from keras_gen.compression.container import read_header
from keras_gen.console import psnr_text
from keras_gen.data.files.codecs import decode_image
from keras_gen.files import write, write_json
from keras_gen.inference.tiling import resized
from keras_gen.metrics.reconstruction import Reconstruction, measures
from keras_gen.ops.pixels import to_float, to_uint8
from keras_gen.ops.reconstruction import SSIM_MIN_SIDE
from keras_gen.pages import page
from keras_gen.visual.sheets import png_bytes, sheet

STEM = "rate_distortion"
"""Of the files that `write_report` writes: .json, .png, .html."""
QUALITIES = (1, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
_HEADER = ["setting", "bits/pixel", "no headers", "PSNR [dB]", "SSIM"]
_WIDTHS = (9, 12, 12, 11, 9)  # of the columns on the screen [letters]
_TITLES = {"psnr": "PSNR [dB]", "ssim": "SSIM"}
_COLOURS = {"run": "#b3261e", "JPEG": "#3b6ea5", "WebP": "#3a7d44"}
_EXAMPLES = 8  # pictures on the sheet
_CHECKSUM = 4  # bytes of a run's file beside its header that say nothing about the picture
_WEBP_HEADERS = 30  # RIFF and chunk headers, frame tag, start code and size of a lossy file (RFC 9649, RFC 6386)


@dataclasses.dataclass(frozen=True)
class Point:
    """One setting of a codec, over all pictures.

    Attributes:
        setting: of the codec (`Codec.setting_title`) or quality.
        bits_per_pixel: of whole files.
        without_headers: the same of what follows the headers.
        psnr: mean over pictures [dB].
        ssim: mean over pictures; None where one is too small for it.
    """

    setting: float
    bits_per_pixel: float
    without_headers: float
    psnr: float
    ssim: float | None


def curves(codec: Codec, pictures: Sequence[np.ndarray]) -> dict[str, list[Point]]:
    """Points of "run", "JPEG" and "WebP" over their settings.

    Args:
        codec: of the run.
        pictures: each uint8 (height, width, codec.channels).
    """

    cells = codec.cells([to_float(picture) for picture in pictures])

    def of_run(step: int) -> tuple[list[bytes], list[np.ndarray]]:
        contents = [codec.pack(row, picture.shape[:2], step) for row, picture in zip(cells, pictures, strict=True)]
        return contents, _drawn(codec, contents)

    def of_pillow(form: str, quality: int) -> tuple[list[bytes], list[np.ndarray]]:
        contents = [_encoded(picture, form, quality) for picture in pictures]
        return contents, [decode_image(content, form, codec.channels) for content in contents]

    found = {"run": [_point(codec.setting(step), *of_run(step), pictures, _run_headers) for step in codec.steps]}
    for form, headers in (("JPEG", _jpeg_headers), ("WebP", lambda content: _WEBP_HEADERS)):
        found[form] = [_point(quality, *of_pillow(form, quality), pictures, headers) for quality in QUALITIES]
    return found


def _drawn(codec: Codec, contents: Sequence[bytes]) -> list[np.ndarray]:
    """The pictures of a run's files, uint8."""
    headers, symbols = zip(*(codec.read(content, "") for content in contents), strict=True)
    images = codec.draw(np.stack(symbols), headers[0].step)
    return [to_uint8(resized(image, (h.height, h.width))) for image, h in zip(images, headers, strict=True)]


def _point(
    setting: float,
    contents: Sequence[bytes],
    drawn: Sequence[np.ndarray],
    pictures: Sequence[np.ndarray],
    headers: Callable[[bytes], int],
) -> Point:
    smallest = min(min(picture.shape[:2]) for picture in pictures)
    comparison = Reconstruction(measures(("psnr", "ssim") if smallest >= SSIM_MIN_SIDE else ("psnr",)))
    for _, pairs in groupby(zip(drawn, pictures, strict=True), lambda pair: pair[1].shape):
        images, references = (to_float(np.stack(side)) for side in zip(*pairs, strict=True))
        comparison.update(images, references)
    means = comparison.means()
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    whole, head = sum(map(len, contents)), sum(map(headers, contents))
    return Point(setting, 8 * whole / pixels, 8 * (whole - head) / pixels, means["psnr"], means.get("ssim"))


def _encoded(picture: np.ndarray, form: str, quality: int = 0) -> bytes:
    """A picture as a file of Pillow's; grey ones are stored as grey where the format can."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    settings: dict[str, Any] = {"WebP": {"method": 6, "quality": quality}, "JPEG": {"quality": quality}}.get(form, {})
    image.save(buffer, form, optimize=True, **settings)
    return buffer.getvalue()


def _run_headers(contents: bytes) -> int:
    return read_header(contents, "")[1] + _CHECKSUM


def _jpeg_headers(contents: bytes) -> int:
    """All but the data of the scan, which follow its segment and end before the last marker."""
    at = 2
    while contents[at + 1] != 0xDA:
        at += 2 + struct.unpack_from(">H", contents, at + 2)[0]
    return at + 2 + struct.unpack_from(">H", contents, at + 2)[0] + 2


def verdicts(found: dict[str, list[Point]], *, without_headers: bool = False) -> list[str]:
    """Who gives more at which rate, one sentence for each measure and each of JPEG and WebP.

    At a rate a codec is worth the best that it gives for at most so many bits, between two of its points what the line
    through them says, and nothing below its smallest files.
    """
    sentences = []
    for measure, title in _measured(found).items():
        lines = {name: _line(points, measure, without_headers) for name, points in found.items()}
        for name in ("JPEG", "WebP"):
            both = np.concatenate([lines["run"][0], lines[name][0]])
            rates = np.geomspace(both.min(), both.max(), 10_000)
            ours, others = (np.interp(rates, *lines[codec], left=-np.inf) for codec in ("run", name))
            wins = ours > others
            ends = [*np.flatnonzero(wins[1:] != wins[:-1]), len(rates) - 1]
            told = [f"{'the run' if wins[i] else name} up to {rates[i]:.2f} bits per pixel" for i in ends[:-1]]
            told.append(f"{'the run' if wins[-1] else name} at all {'higher ' if told else ''}rates")
            sentences.append(f"More {title.split()[0]}, against {name}: {', then '.join(told)}.")
    return sentences


def ranges(found: dict[str, list[Point]]) -> list[str]:
    """What each codec has at all, a sentence each: the rates of its files and the best that they give."""
    sentences = []
    for name, points in found.items():
        rates = [point.bits_per_pixel for point in points]
        best = [f"{title} {max(getattr(p, m) for p in points):.4g}" for m, title in _measured(found).items()]
        whose = "The run's" if name == "run" else f"{name}'s"
        spread = " to ".join(dict.fromkeys(f"{rate:.2f}" for rate in (min(rates), max(rates))))
        sentences.append(f"{whose} files take {spread} bits per pixel, at best {', '.join(best)}.")
    return sentences


def write_report(found: dict[str, list[Point]], codec: Codec, pictures: Sequence[np.ndarray], folder: Path) -> None:
    """Write the figures, the plot and a page with both to `folder`: STEM.json, .png and .html.

    Args:
        found: of `curves`.
        codec: of the run.
        pictures: that the curves are of.
        folder: that exists.
    """
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    lossless = 8 * sum(len(_encoded(picture, "PNG")) for picture in pictures) / pixels
    said = {"whole files": verdicts(found), "without headers": verdicts(found, without_headers=True)}
    points = {name: [dataclasses.asdict(point) for point in points] for name, points in found.items()}
    facts = {"pictures": len(pictures), "pixels": pixels, "lossless_png_bits_per_pixel": lossless}
    write_json(folder / f"{STEM}.json", {**facts, "verdicts": said, "points": points})
    write(folder / f"{STEM}.png", _plot(found, lossless))
    settings = {name: codec.setting_title if name == "run" else "quality" for name in found}
    content = page(
        "rate_distortion.html",
        title="Bits per pixel against what is left of the picture",
        count=len(pictures),
        lossless=lossless,
        ranges=ranges(found),
        plot=_plot(found, lossless),
        verdicts=said,
        examples=png_bytes(_examples(codec, pictures)),
        tables=[_figures(name, settings[name], points) for name, points in found.items()],
    )
    write(folder / f"{STEM}.html", content)


def table(points: Iterable[Point]) -> list[str]:
    """The points of one codec as lines of text."""
    rows = [_HEADER, *map(_cells, points)]
    return ["".join(cell.rjust(width) for cell, width in zip(row, _WIDTHS, strict=True)) for row in rows]


def _cells(point: Point) -> list[str]:
    numbers = [f"{point.setting:g}", f"{point.bits_per_pixel:.3f}", f"{point.without_headers:.3f}"]
    return [*numbers, psnr_text(point.psnr, 2), "" if point.ssim is None else f"{point.ssim:.4f}"]


def _figures(name: str, setting: str, points: Iterable[Point]) -> dict[str, Any]:
    """The same for the page."""
    return {"name": name, "setting": setting, "header": _HEADER, "rows": [_cells(point) for point in points]}


def _measured(found: dict[str, list[Point]]) -> dict[str, str]:
    """The measures that all points have, with their titles."""
    return {name: title for name, title in _TITLES.items() if getattr(found["run"][0], name) is not None}


def _line(points: Iterable[Point], measure: str, without_headers: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rates in rising order, and the best that is had for at most so many bits."""
    rate = "without_headers" if without_headers else "bits_per_pixel"
    pairs = sorted((getattr(point, rate), getattr(point, measure)) for point in points)
    rates, values = np.array(pairs).T
    return rates, np.maximum.accumulate(values)


def _plot(found: dict[str, list[Point]], lossless: float) -> bytes:
    """Bits per pixel against each measure, whole files solid and without headers dashed, as the bytes of a PNG."""
    titles = _measured(found)
    figure = Figure(figsize=(5.5 * len(titles), 4.2), layout="constrained")
    for axes, (measure, title) in zip(np.ravel(figure.subplots(1, len(titles))), titles.items(), strict=True):
        for name, points in found.items():
            for without, style in ((False, "o-"), (True, ":" if len(points) > 1 else "o")):
                rates, values = _line(points, measure, without)
                marks = {"markersize": 3, "fillstyle": "none" if without else "full"}
                label = None if without else name
                axes.plot(np.maximum(rates, 1e-3), values, style, color=_COLOURS[name], label=label, **marks)
        axes.axvline(lossless, color="0.6", linewidth=0.8, label="PNG, lossless")
        axes.plot([], [], ":", color="0.3", label="without headers")
        axes.set(xscale="log", xlabel="bits per pixel", ylabel=title)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
    figure.axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def _examples(codec: Codec, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """A sheet of originals, of the run's files at three steps, and of the smallest files of JPEG and WebP."""
    step = codec.default_step
    shown = [picture for picture in pictures if picture.shape == pictures[0].shape][:_EXAMPLES]
    columns = {"original": shown}
    for cells in sorted({min(step * factor, codec.steps[-1]) for factor in (1, 2, 4)}):
        contents = [codec.compress(to_float(picture), cells) for picture in shown]
        size = np.mean([len(content) for content in contents])
        columns[f"{codec.described(cells)}: {size:.0f} B"] = _drawn(codec, contents)
    for form in ("WebP", "JPEG"):
        contents = [_encoded(picture, form, QUALITIES[0]) for picture in shown]
        size = np.mean([len(content) for content in contents])
        columns[f"{form}: {size:.0f} B"] = [decode_image(content, form, codec.channels) for content in contents]
    return sheet({title: to_float(np.stack(images)) for title, images in columns.items()}, smallest=96)
