"""Rate-distortion curves: bits per pixel against PSNR and SSIM, of a run, JPEG and WebP on the same pictures.

Rates are those of real files, and decoded pictures are compared after rounding to 8 bits. Rates without headers are
given too, because at a few hundred pixels the header is most of a file: a JPEG file contains its tables, while a run
keeps them in the run folder. JPEG and WebP are written by Pillow (libjpeg-turbo with optimised Huffman tables, libwebp
with its slowest method). The size of a PNG file shows the rate of lossless compression.
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
"""`write_report` writes STEM.json, STEM.png and STEM.html."""
QUALITIES = (1, 3, 5, 7, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
_HEADER = ["setting", "bits/pixel", "no headers", "PSNR [dB]", "SSIM"]
_WIDTHS = (9, 12, 12, 11, 9)  # of the table's columns [characters]
_TITLES = {"psnr": "PSNR [dB]", "ssim": "SSIM"}
_COLOURS = {"run": "#b3261e", "JPEG": "#3b6ea5", "WebP": "#3a7d44"}
_EXAMPLES = 8  # pictures on the sheet
_CHECKSUM_BYTES = 4  # at the end of a run's file; counted as part of the header
_WEBP_HEADER = 30  # bytes: RIFF and chunk headers, frame tag, start code and size (RFC 9649, RFC 6386)


@dataclasses.dataclass(frozen=True)
class Point:
    """One point of a rate-distortion curve.

    Attributes:
        setting: of the run's codec (`Codec.setting_title`), or the quality of JPEG and WebP.
        bits_per_pixel: rate of whole files.
        without_headers: rate without the headers.
        psnr: mean over the pictures [dB].
        ssim: mean over the pictures; None if a picture is too small for SSIM.
    """

    setting: float
    bits_per_pixel: float
    without_headers: float
    psnr: float
    ssim: float | None


def curves(codec: Codec, pictures: Sequence[np.ndarray]) -> dict[str, list[Point]]:
    """Compress pictures with all settings of the run's codec, JPEG and WebP.

    Args:
        codec: of the run.
        pictures: each uint8 (height, width, codec.channels).

    Returns:
        "run", "JPEG", "WebP" -> points of the curve.
    """
    coefficients = codec.coefficients([to_float(picture) for picture in pictures])

    def by_run(step: int) -> tuple[list[bytes], list[np.ndarray]]:
        files = [codec.pack(row, picture.shape[:2], step) for row, picture in zip(coefficients, pictures, strict=True)]
        return files, _decoded(codec, files)

    def by_pillow(form: str, quality: int) -> tuple[list[bytes], list[np.ndarray]]:
        files = [_encoded(picture, form, quality) for picture in pictures]
        return files, [decode_image(file, form, codec.channels) for file in files]

    found = {"run": [_point(codec.setting(step), *by_run(step), pictures, _run_header) for step in codec.steps]}
    for form, header in (("JPEG", _jpeg_header), ("WebP", lambda file: _WEBP_HEADER)):
        found[form] = [_point(quality, *by_pillow(form, quality), pictures, header) for quality in QUALITIES]
    return found


def _decoded(codec: Codec, files: Sequence[bytes]) -> list[np.ndarray]:
    """The pictures of a run's files, uint8."""
    headers, symbols = zip(*(codec.read(file, "") for file in files), strict=True)
    images = codec.decode(np.stack(symbols), headers[0].step)
    return [to_uint8(resized(image, (h.height, h.width))) for image, h in zip(images, headers, strict=True)]


def _point(
    setting: float,
    files: Sequence[bytes],
    decoded: Sequence[np.ndarray],
    pictures: Sequence[np.ndarray],
    header: Callable[[bytes], int],
) -> Point:
    """Compare decoded pictures with the originals; `header` gives the header bytes of a file."""
    smallest = min(min(picture.shape[:2]) for picture in pictures)
    comparison = Reconstruction(measures(("psnr", "ssim") if smallest >= SSIM_MIN_SIDE else ("psnr",)))
    for _, pairs in groupby(zip(decoded, pictures, strict=True), lambda pair: pair[1].shape):
        images, references = (to_float(np.stack(side)) for side in zip(*pairs, strict=True))
        comparison.update(images, references)
    means = comparison.means()
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    total, headers = sum(map(len, files)), sum(map(header, files))
    return Point(setting, 8 * total / pixels, 8 * (total - headers) / pixels, means["psnr"], means.get("ssim"))


def _encoded(picture: np.ndarray, form: str, quality: int = 0) -> bytes:
    """Encode a picture with Pillow; a picture with one channel is stored as grey if the format can."""
    buffer = io.BytesIO()
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    settings: dict[str, Any] = {"WebP": {"method": 6, "quality": quality}, "JPEG": {"quality": quality}}.get(form, {})
    image.save(buffer, form, optimize=True, **settings)
    return buffer.getvalue()


def _run_header(file: bytes) -> int:
    return read_header(file, "")[1] + _CHECKSUM_BYTES


def _jpeg_header(file: bytes) -> int:
    """Bytes outside the scan data: all before them, and the end marker of two bytes."""
    at = 2
    while file[at + 1] != 0xDA:
        at += 2 + struct.unpack_from(">H", file, at + 2)[0]
    return at + 2 + struct.unpack_from(">H", file, at + 2)[0] + 2


def verdicts(found: dict[str, list[Point]], *, without_headers: bool = False) -> list[str]:
    """Compare the run with JPEG and WebP: one sentence for each metric and each of the two.

    At each rate, a codec is credited with its best picture for at most that many bits. Between two points of a curve,
    the value is interpolated linearly. At rates below its smallest files, a codec loses.

    Args:
        found: from `curves`.
        without_headers: compare the rates without headers.
    """
    sentences = []
    for measure, title in _measured(found).items():
        curve = {name: _curve(points, measure, without_headers) for name, points in found.items()}
        for name in ("JPEG", "WebP"):
            both = np.concatenate([curve["run"][0], curve[name][0]])
            rates = np.geomspace(both.min(), both.max(), 10_000)
            ours, others = (np.interp(rates, *curve[codec], left=-np.inf) for codec in ("run", name))
            wins = ours > others
            ends = [*np.flatnonzero(wins[1:] != wins[:-1]), len(rates) - 1]
            parts = [f"{'the run' if wins[i] else name} up to {rates[i]:.2f} bits per pixel" for i in ends[:-1]]
            parts.append(f"{'the run' if wins[-1] else name} at all {'higher ' if parts else ''}rates")
            sentences.append(f"Higher {title.split()[0]}, run against {name}: {', then '.join(parts)}.")
    return sentences


def ranges(found: dict[str, list[Point]]) -> list[str]:
    """The rates and the best quality of each codec: one sentence for each."""
    sentences = []
    for name, points in found.items():
        rates = [point.bits_per_pixel for point in points]
        best = [f"{title} {max(getattr(p, m) for p in points):.4g}" for m, title in _measured(found).items()]
        whose = "The run's" if name == "run" else f"{name}'s"
        spread = " to ".join(dict.fromkeys(f"{rate:.2f}" for rate in (min(rates), max(rates))))
        sentences.append(f"{whose} files take {spread} bits per pixel, at best {', '.join(best)}.")
    return sentences


def write_report(found: dict[str, list[Point]], codec: Codec, pictures: Sequence[np.ndarray], folder: Path) -> None:
    """Write the curves as STEM.json, a plot STEM.png, and a page STEM.html.

    Args:
        found: from `curves`.
        codec: of the run.
        pictures: the pictures that `curves` got.
        folder: an existing folder.
    """
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures)
    lossless = 8 * sum(len(_encoded(picture, "PNG")) for picture in pictures) / pixels
    comparison = {"whole files": verdicts(found), "without headers": verdicts(found, without_headers=True)}
    points = {name: [dataclasses.asdict(point) for point in points] for name, points in found.items()}
    facts = {"pictures": len(pictures), "pixels": pixels, "lossless_png_bits_per_pixel": lossless}
    write_json(folder / f"{STEM}.json", {**facts, "verdicts": comparison, "points": points})
    write(folder / f"{STEM}.png", _plot(found, lossless))
    settings = {name: codec.setting_title if name == "run" else "quality" for name in found}
    content = page(
        "rate_distortion.html",
        title="Rate and distortion",
        count=len(pictures),
        lossless=lossless,
        ranges=ranges(found),
        plot=_plot(found, lossless),
        verdicts=comparison,
        examples=png_bytes(_examples(codec, pictures)),
        tables=[_figures(name, settings[name], points) for name, points in found.items()],
    )
    write(folder / f"{STEM}.html", content)


def table(points: Iterable[Point]) -> list[str]:
    """A table of the points of one codec, as lines of text."""
    rows = [_HEADER, *map(_cells, points)]
    return ["".join(cell.rjust(width) for cell, width in zip(row, _WIDTHS, strict=True)) for row in rows]


def _cells(point: Point) -> list[str]:
    numbers = [f"{point.setting:g}", f"{point.bits_per_pixel:.3f}", f"{point.without_headers:.3f}"]
    return [*numbers, psnr_text(point.psnr, 2), "" if point.ssim is None else f"{point.ssim:.4f}"]


def _figures(name: str, setting: str, points: Iterable[Point]) -> dict[str, Any]:
    """A table of the points of one codec, for the page."""
    return {"name": name, "setting": setting, "header": _HEADER, "rows": [_cells(point) for point in points]}


def _measured(found: dict[str, list[Point]]) -> dict[str, str]:
    """The metrics that were measured -> their titles."""
    return {name: title for name, title in _TITLES.items() if getattr(found["run"][0], name) is not None}


def _curve(points: Iterable[Point], measure: str, without_headers: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rates in ascending order, and the best value for at most that rate."""
    rate = "without_headers" if without_headers else "bits_per_pixel"
    pairs = sorted((getattr(point, rate), getattr(point, measure)) for point in points)
    rates, values = np.array(pairs).T
    return rates, np.maximum.accumulate(values)


def _plot(found: dict[str, list[Point]], lossless: float) -> bytes:
    """Plot each metric against the rate, solid for whole files and dotted without headers, as PNG."""
    titles = _measured(found)
    figure = Figure(figsize=(5.5 * len(titles), 4.2), layout="constrained")
    for axes, (measure, title) in zip(np.ravel(figure.subplots(1, len(titles))), titles.items(), strict=True):
        for name, points in found.items():
            for without, style in ((False, "o-"), (True, ":" if len(points) > 1 else "o")):
                rates, values = _curve(points, measure, without)
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
    """A sheet of originals, of the run's pictures at three steps, and of the smallest WebP and JPEG files."""
    step = codec.default_step
    shown = [picture for picture in pictures if picture.shape == pictures[0].shape][:_EXAMPLES]
    columns = {"original": shown}
    for larger in sorted({min(step * factor, codec.steps[-1]) for factor in (1, 2, 4)}):
        files = [codec.compress(to_float(picture), larger) for picture in shown]
        size = np.mean([len(file) for file in files])
        columns[f"{codec.describe(larger)}: {size:.0f} B"] = _decoded(codec, files)
    for form in ("WebP", "JPEG"):
        files = [_encoded(picture, form, QUALITIES[0]) for picture in shown]
        size = np.mean([len(file) for file in files])
        columns[f"{form}: {size:.0f} B"] = [decode_image(file, form, codec.channels) for file in files]
    return sheet({title: to_float(np.stack(images)) for title, images in columns.items()}, smallest=96)
