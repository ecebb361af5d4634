"""The light on a head: a key light with soft shadows, light from all around, and a rim light from behind."""

from __future__ import annotations

import colorsys
import functools
from dataclasses import dataclass

import numpy as np

from keras_gen.data.builtin.heads.factors import Head

_BRIGHTEST = 8.0  # light above is white


@dataclass(frozen=True)
class Light:
    """Directions to the lights, unit vectors, and their colours, linear RGB; float32 (3,) each.

    Attributes:
        key, rim: directions of the two lights.
        key_colour, rim_colour: their colours.
        sky, ground: colours of the surroundings above and below.
    """

    key: np.ndarray
    rim: np.ndarray
    key_colour: np.ndarray
    rim_colour: np.ndarray
    sky: np.ndarray
    ground: np.ndarray


@dataclass(frozen=True)
class Lit:
    """What light reaches the points of a surface.

    Attributes:
        normals, view: unit vectors (n, 3), outwards and to the camera.
        key, rim, sky: how much of each light reaches a point, (n,), [0, 1].
    """

    normals: np.ndarray
    view: np.ndarray
    key: np.ndarray
    rim: np.ndarray
    sky: np.ndarray


def light_of(head: Head) -> Light:
    """The light that the factors describe. The surroundings have the colour of the background."""
    x, y, warm, hard = (head[f"light_{name}"] for name in ("x", "y", "warmth", "hardness"))
    bright = head["background_brightness"]
    around = linear(head["background_hue"], 0.8 * head["background_saturation"], 0.55 + 0.45 * bright)
    key = np.array([np.sin(x) * np.cos(y), np.sin(y), np.cos(x) * np.cos(y)])
    rim = np.array([-0.82 if x > 0 else 0.82, 0.35, -0.45])
    fill = 0.55 - 0.28 * hard
    colours = (
        (1.55 + 0.5 * hard) * np.array([1 + 0.12 * (warm - 0.3), 1, 1 - 0.38 * (warm - 0.3)]),
        (0.35 + 0.9 * bright) * (0.7 + 0.5 * around) * [1, 1, 1.05],
        fill * (0.55 + 0.45 * around) * [0.94, 1, 1.1],
        fill * (0.2 + 0.3 * around) * [1.08, 1, 0.92],
    )
    return Light(*(np.float32(v) for v in (key, rim / np.linalg.norm(rim), *colours)))


def shaded(
    albedo: np.ndarray, lit: Lit, light: Light, wrap: float | np.ndarray, shine: float | np.ndarray, gloss: int
) -> np.ndarray:
    """The light that a surface sends to the camera, linear RGB (n, 3).

    Args:
        albedo: fraction of light that is scattered, (n, 3).
        lit: the surface.
        light: the light.
        wrap: how far light reaches around an edge, 0 for none, for each channel or all: scattering inside skin.
        shine: strength of the reflection at the surface, (n,) or for all points.
        gloss: binary logarithm of the highlight's exponent (Blinn and Phong).
    """
    n = lit.normals
    wrap = np.broadcast_to(np.float32(wrap), 3)
    to_key, to_rim, up = n @ light.key, n @ light.rim, 0.5 + 0.5 * n[:, 1]
    away = 1 - np.clip(np.einsum("nk,nk->n", n, lit.view), 0, 1)
    fresnel = 0.05 + 0.95 * doubled(away, 2) * away
    half = light.key + np.float32([0, 0, 1])
    half /= np.sqrt(half @ half)
    highlight = doubled(np.clip(n @ half, 0, 1), gloss) * np.float32((2**gloss + 8) / 25 * 2.2)
    highlight *= shine * fresnel * lit.key * np.clip(4 * to_key + 0.2, 0, 1)
    edge = 0.7 * fresnel * np.clip(to_rim, 0, 1) * lit.rim
    mirrored = 0.8 * shine * fresnel * lit.sky * up
    out = np.empty_like(albedo, np.float32)
    for k in range(3):
        w = wrap[k]
        key = np.clip((to_key + w) / (1 + w), 0, 1)
        key *= (1 - w + w * key) * _lifted(lit.key, 0.5 * w)
        rim = np.clip((to_rim + 0.5 * w) / (1 + 0.5 * w), 0, 1) * lit.rim
        around = _lifted(lit.sky, 0.6 * w) * (light.ground[k] + (light.sky[k] - light.ground[k]) * up)
        out[:, k] = albedo[:, k] * (light.key_colour[k] * key + light.rim_colour[k] * rim + around)
        out[:, k] += light.key_colour[k] * highlight + light.rim_colour[k] * edge + light.sky[k] * mirrored
    return out


def _lifted(x: np.ndarray, amount: np.float32) -> np.ndarray:
    """x from 0 to 1 with brighter middle tones: about x ** (1 - amount)."""
    return x * (1 + amount - amount * x)


def doubled(x: np.ndarray, times: int) -> np.ndarray:
    """x squared several times: x ** 2**times."""
    for _ in range(times):
        x = x * x
    return x


def linear(hue: float, saturation: float, value: float) -> np.ndarray:
    """A colour in linear RGB, from hue, saturation and value of sRGB."""
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value)) ** 2.2


def developed(colours: np.ndarray) -> np.ndarray:
    """Linear RGB to sRGB in [0, 1], float32, through the filmic curve of Narkowicz (2016)."""
    table = _curve()
    root = np.sqrt(np.clip(colours, 0, _BRIGHTEST)) * np.float32((len(table) - 1) / _BRIGHTEST**0.5)
    return table.take((root + np.float32(0.5)).astype(np.int32))


@functools.cache
def _curve() -> np.ndarray:
    """The curve at squares of equally spaced numbers, because its slope is steep near black."""
    x = 0.6 * _BRIGHTEST * np.linspace(0, 1, 4096) ** 2
    x = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return (np.clip(x, 0, 1) ** (1 / 2.2)).astype(np.float32)
