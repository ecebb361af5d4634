"""The factors of a head: what they mean, how they are distributed, and how two of them can be correlated.

All factors are independent unless a correlation is asked for. So there are women with beards by default, and a beard
says nothing about the sex. Correlated factors come from a Gaussian copula: two correlated normal numbers, each mapped
to the distribution of its factor. The correlation of the normal numbers is chosen such that Pearson's correlation of
the factors is the one that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from keras_gen.errors import UserError

IDENTITIES = 40
"""Number of components of the factor `identity`."""

_PER_BLOCK = 256  # heads that share a generator, so that a head does not depend on how many are sampled
_NODES = 256  # nodes of the quadrature in each of two dimensions

Quantile = Callable[[np.ndarray], np.ndarray]
Head = Mapping[str, float | np.ndarray]


@dataclass(frozen=True)
class Factor:
    """A number that describes a head.

    Attributes:
        meaning: what it is, with its unit; without one it is a degree from 0 to 1 or from -1 to 1.
        neutral: its value where none is given.
        quantile: the distribution's inverse: probability in (0, 1) -> value.
        distribution: the distribution in words.
    """

    meaning: str
    neutral: float
    quantile: Quantile
    distribution: str


def _uniform(low: float, high: float, meaning: str, neutral: float) -> Factor:
    return Factor(meaning, neutral, lambda p: low + (high - low) * p, f"uniform from {low:g} to {high:g}")


def _normal(deviation: float, limit: float, meaning: str) -> Factor:
    """Normal with mean 0, truncated at +-limit."""
    tail = ndtr(-limit / deviation)
    words = f"normal, deviation {deviation:g}, at most {limit:g}"
    return Factor(meaning, 0.0, lambda p: deviation * ndtri(tail + (1 - 2 * tail) * p), words)


def _power(exponent: float, meaning: str, neutral: float) -> Factor:
    """A power of a uniform number: the larger the exponent, the rarer are values near 1."""
    return Factor(meaning, neutral, lambda p: p**exponent, f"uniform from 0 to 1, to the power of {exponent:g}")


def _rare(share: float, high: float, meaning: str) -> Factor:
    """0, except for a share of the heads."""
    words = f"0 for {1 - share:.0%}, else uniform up to {high:g}"
    return Factor(meaning, 0.0, lambda p: high * np.maximum(0.0, (p - 1 + share) / share), words)


def _either(share: float, meaning: str) -> Factor:
    words = f"1 for {share:.0%}, else 0"
    return Factor(meaning, 0.0, lambda p: (p > 1 - share).astype(float), words)


FACTORS: dict[str, Factor] = {
    "sex": _uniform(-1, 1, "a direction of the identity: feminine -1, masculine 1", 0.0),
    "yaw": _normal(0.3, 0.8, "turn of the head towards the right of the picture [rad]"),
    "pitch": _normal(0.11, 0.35, "turn upwards [rad]"),
    "roll": _normal(0.07, 0.25, "tilt towards the right of the picture [rad]"),
    "smile": _uniform(-0.35, 1, "corners of the mouth, down at -1, up at 1", 0.0),
    "jaw": _rare(0.3, 0.5, "opening of the mouth"),
    "pucker": _rare(0.08, 0.7, "protruded lips"),
    "brows": _uniform(-0.6, 0.7, "eyebrows, down at -1, up at 1", 0.0),
    "eyes_closed": _rare(0.06, 1, "eyelids, closed at 1"),
    "gaze_x": _normal(0.14, 0.45, "the eyes' turn towards the right of the picture, relative to the head [rad]"),
    "gaze_y": _normal(0.07, 0.25, "the same upwards [rad]"),
    "skin": _uniform(0, 1, "from light to dark", 0.3),
    "flush": _uniform(0, 1, "redness of cheeks, nose and ears", 0.5),
    "freckles": _rare(0.2, 1, "freckles"),
    "lips": _uniform(0, 1, "redness of the lips", 0.5),
    "eye_colour": _uniform(0, 1, "brown 0, hazel 0.4, green 0.6, blue 0.8, grey 1", 0.3),
    "hair_colour": _power(1.4, "from black to blond", 0.35),
    "hair_red": _uniform(0, 1, "red hair from 0.5 on", 0.3),
    "grey": _rare(0.25, 1, "grey hair"),
    "hair_length": _power(0.8, "bald 0, cropped 0.1, short 0.3, over the ears 0.6, beyond the shoulders 1", 0.35),
    "hair_volume": _uniform(0, 1, "from flat to full", 0.4),
    "hair_line": _power(2, "receding hair line, from low to high", 0.2),
    "curl": _rare(0.5, 1, "curls, from straight to tight"),
    "parting": _uniform(-1, 1, "parting of long hair, from the left of the picture to the right", 0.3),
    "fringe": _rare(0.4, 1, "length of hair on the forehead"),
    "strands": _uniform(0, 1, "how single strands lie, at random", 0.5),
    "brow_thickness": _uniform(0, 1, "from thin to thick eyebrows", 0.5),
    "beard": _rare(0.4, 1, "beard, from stubble to full"),
    "goatee": _either(0.3, "whether the beard is only around the mouth"),
    "glasses": _either(0.25, "whether there are glasses"),
    "glasses_size": _uniform(0, 1, "from small to large", 0.5),
    "glasses_shape": _uniform(0, 1, "from round to square", 0.5),
    "glasses_colour": _uniform(0, 1, "black below 0.3, tortoise, gold, silver 1", 0.1),
    "light_x": _uniform(-1.2, 1.2, "direction of the light, from the left of the picture to the right [rad]", -0.6),
    "light_y": _uniform(0.1, 1, "elevation of the light [rad]", 0.6),
    "light_warmth": _uniform(0, 1, "colour of the light, from cold to warm", 0.5),
    "light_hardness": _uniform(0, 1, "from even light to strong shadows", 0.6),
    "background_hue": _uniform(0, 1, "hue: red 0, green 1/3, blue 2/3", 0.6),
    "background_saturation": _uniform(0, 0.5, "saturation", 0.15),
    "background_brightness": _uniform(0.08, 0.9, "brightness", 0.5),
    "clothes_hue": _uniform(0, 1, "hue", 0.6),
    "clothes_saturation": _uniform(0, 0.7, "saturation", 0.3),
    "clothes_brightness": _uniform(0.05, 0.85, "brightness", 0.4),
}
"""All factors but `identity`, which is a vector."""

Correlations = Mapping[tuple[str, str], float]


def sample_factors(count: int, seed: int = 0, correlations: Correlations | None = None) -> dict[str, np.ndarray]:
    """Draws the factors of heads at random. The first heads are the same for every `count`.

    Args:
        count: number of heads.
        seed: seed of all randomness.
        correlations: pairs of factors and Pearson's correlation of their values; all other pairs of factors are
            independent.

    Returns:
        The values by name: float64 (count,), and "identity", (count, 40), standard normal before truncation at 2,
        scaled by 0.75.

    Raises:
        UserError: a name is unknown, or the correlations are not possible.

    Examples:
        >>> factors = sample_factors(1000, seed=0, correlations={("beard", "sex"): 0.6})
        >>> round(float(np.corrcoef(factors["beard"], factors["sex"])[0, 1]), 1)
        0.6
    """
    mixing = _mixing(correlations or {})
    names = list(FACTORS)
    parts = []
    for block in range(-(-count // _PER_BLOCK)):
        rng = np.random.default_rng((seed, block))
        parts.append(rng.normal(size=(_PER_BLOCK, len(names) + IDENTITIES)))
    normal = np.concatenate(parts)[:count] if parts else np.zeros((0, len(names) + IDENTITIES))
    chance = ndtr(normal[:, : len(names)] @ mixing.T)
    factors = {name: FACTORS[name].quantile(chance[:, k]) for k, name in enumerate(names)}
    factors["identity"] = 0.75 * np.clip(normal[:, len(names) :], -2, 2)
    return factors


def one_head(factors: Mapping[str, np.ndarray], index: int) -> dict[str, float | np.ndarray]:
    """The factors of one head of many."""
    return {name: values[index] if name == "identity" else float(values[index]) for name, values in factors.items()}


def completed(head: Head) -> dict[str, float | np.ndarray]:
    """A head with neutral values where it has none.

    Raises:
        UserError: a name is unknown, or `identity` has another length.
    """
    _require_known(name for name in head if name != "identity")
    whole = {name: float(head.get(name, factor.neutral)) for name, factor in FACTORS.items()}
    identity = np.asarray(head.get("identity", np.zeros(IDENTITIES)), np.float64)
    if identity.shape != (IDENTITIES,):
        raise UserError(f"identity got the shape {identity.shape}; accepted is ({IDENTITIES},).")
    return {**whole, "identity": identity}


def read_correlations(texts: Sequence[str]) -> dict[tuple[str, str], float]:
    """Correlations from texts such as "beard,sex:0.8".

    Raises:
        UserError: a text has another form, a name is unknown, or the correlation is not possible.
    """
    found = {}
    for text in texts:
        pair, colon, value = text.partition(":")
        first, comma, second = (word.strip() for word in pair.partition(","))
        try:
            number = float(value)
        except ValueError:
            number = np.nan
        if not (colon and comma and abs(number) < 1):
            raise UserError(
                f"--correlation got {text}; accepted are two factors and a correlation between -1 and 1, "
                "such as beard,sex:0.8."
            )
        found[first, second] = number
    _mixing(found)
    return found


def _require_known(names: Sequence[str]) -> None:
    for name in names:
        if name not in FACTORS:
            raise UserError(f"There is no factor {name!r}; accepted are {', '.join(FACTORS)}.")


def attainable(first: str, second: str) -> tuple[float, float]:
    """The smallest and the largest correlation that two factors can have with their distributions (Frechet bounds)."""
    p = (np.arange(4096) + 0.5) / 4096
    one, other = FACTORS[first].quantile(p), FACTORS[second].quantile(p)
    return float(np.corrcoef(one, other[::-1])[0, 1]), float(np.corrcoef(one, other)[0, 1])


def _mixing(correlations: Correlations) -> np.ndarray:
    """The matrix that maps independent normal numbers to correlated ones.

    Raises:
        UserError: a name is unknown, a correlation is not attainable, or several contradict each other.
    """
    names = list(FACTORS)
    matrix = np.eye(len(names))
    for (first, second), wanted in correlations.items():
        _require_known((first, second))
        if first == second:
            raise UserError(f"--correlation got {first} twice; accepted are two different factors.")
        low, high = attainable(first, second)
        if not 0.99 * low <= wanted <= 0.99 * high:
            raise UserError(
                f"--correlation of {first} and {second} got {wanted:g}; accepted are {0.99 * low:.2f} to "
                f"{0.99 * high:.2f}, because of their distributions."
            )
        i, j = names.index(first), names.index(second)
        matrix[i, j] = matrix[j, i] = _of_normal_numbers(first, second, wanted)
    try:
        return np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        pairs = ", ".join(f"{a},{b}:{value:g}" for (a, b), value in correlations.items())
        raise UserError(f"--correlation got {pairs}, which contradict each other; accepted are smaller ones.") from None


def _of_normal_numbers(first: str, second: str, wanted: float) -> float:
    """The correlation of two normal numbers for which the factors have the correlation `wanted`."""
    p = (np.arange(_NODES) + 0.5) / _NODES
    z = ndtri(p)
    one = FACTORS[first].quantile(p)
    one = (one - one.mean()) / one.std()
    other = FACTORS[second].quantile((np.arange(4096) + 0.5) / 4096)

    def correlation(rho: float) -> float:
        values = FACTORS[second].quantile(ndtr(rho * z[:, None] + np.sqrt(1 - rho * rho) * z))
        return float((one[:, None] * (values - other.mean())).mean() / other.std())

    limit = 0.9999
    return brentq(lambda rho: correlation(rho) - wanted, -limit, limit, xtol=1e-4)
