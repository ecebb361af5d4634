"""Inception score: whether images belong to one class each, and to all classes together.

    IS = exp(E_x KL(p(y|x) || p(y))),   p(y) = E_x p(y|x)

Salimans et al.: Improved Techniques for Training GANs, NeurIPS 2016, arXiv 1606.03498, section 4. It is between 1 and
the number of classes. It does not see the real data: a generator that draws one perfect image of each class has the
highest score. The name belongs to the classes of the Inception network of 2015.
"""

from __future__ import annotations

import numpy as np

SPLITS = 10
"""Number of parts of the images in the paper, whose mean and deviation are reported."""


class InceptionScore:
    """The score, from class probabilities that come batch by batch. Memory does not grow with their number.

    Image i belongs to part i mod `splits`, so the number of images need not be known, and images that are sorted by
    class are spread over all parts. Sums are in float64.

    Examples:
        Two classes, of which each image is certainly one:

        >>> score = InceptionScore(classes=2, splits=1)
        >>> score.update(np.array([[1.0, 0.0], [0.0, 1.0]]))
        >>> tuple(round(value, 9) for value in score.result())
        (2.0, 0.0)
    """

    def __init__(self, classes: int, splits: int = SPLITS) -> None:
        """Args:
        classes: number of classes.
        splits: number of parts.
        """
        self.count = 0
        self._counts = np.zeros(splits)
        self._sums = np.zeros((splits, classes))  # of probabilities
        self._negative_entropies = np.zeros(splits)

    def update(self, probabilities: np.ndarray) -> None:
        """Adds images by their class probabilities, (n, classes), whose rows sum to 1."""
        p = np.asarray(probabilities, np.float64)
        part = (self.count + np.arange(len(p))) % len(self._counts)
        np.add.at(self._counts, part, 1.0)
        np.add.at(self._sums, part, p)
        np.add.at(self._negative_entropies, part, _p_log_p(p))
        self.count += len(p)

    def result(self) -> tuple[float, float]:
        """Mean and standard deviation (divisor n) over the parts that have images.

        Raises:
            ValueError: without any image.
        """
        used = self._counts > 0
        if not used.any():
            raise ValueError("there are no images; accepted are one or more.")
        counts = self._counts[used]
        marginal = self._sums[used] / counts[:, None]
        scores = np.exp(self._negative_entropies[used] / counts - _p_log_p(marginal))
        return float(scores.mean()), float(scores.std())


def _p_log_p(p: np.ndarray) -> np.ndarray:
    """sum p log p over the last axis, where 0 log 0 is 0."""
    return np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)
