"""The views that a family returns from `preview`: sheets, curves, pictures, histograms, scalars.

`engine.callbacks.Preview` writes them to TensorBoard. Views with a `draw` method also go on the page of samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from keras_gen.visual.plots import curves
from keras_gen.visual.sheets import sheet


@dataclass(frozen=True)
class Sheet:
    """Images side by side: one row for each example, one titled column for each kind of image.

    Attributes:
        columns: title -> images (n, h, w, channels) in [-1, 1] with 1 channel (grey), 3 (RGB) or 4 (RGB and alpha), or
            `ClassScores`; all with the same n.
        description: one sentence for TensorBoard.

    Examples:
        >>> import numpy as np
        >>> Sheet({"source": np.zeros((2, 16, 16, 3)), "generated": np.ones((2, 16, 16, 3))}).draw().shape
        (282, 268, 3)
    """

    columns: Mapping[str, Any]
    description: str = "The same validation examples at every preview."

    def draw(self) -> np.ndarray:
        """The sheet, uint8 (height, width, 3)."""
        return sheet(self.columns)


@dataclass(frozen=True)
class Curves:
    """Plots of sequences: one plot for each example, with all its curves in the same axes.

    Attributes:
        columns: name of a curve -> sequences (n, length, features) in the units of the data; all with the same n.
        description: one sentence for TensorBoard.

    Examples:
        >>> import numpy as np
        >>> waves = np.sin(np.arange(100.0)).reshape(2, 50, 1)
        >>> Curves({"original": waves, "reconstruction": 0.9 * waves}).draw().dtype
        dtype('uint8')
    """

    columns: Mapping[str, Any]
    description: str = "The same validation examples at every preview."

    def draw(self) -> np.ndarray:
        """The plots, uint8 (height, width, 3)."""
        return curves({name: np.asarray(sequences) for name, sequences in self.columns.items()})


@dataclass(frozen=True)
class Picture:
    """A picture that is already drawn.

    Attributes:
        pixels: uint8 (height, width, 3).
        description: one sentence for TensorBoard.

    Examples:
        >>> import numpy as np
        >>> Picture(np.zeros((32, 64, 3), np.uint8), "A black rectangle.").draw().shape
        (32, 64, 3)
    """

    pixels: np.ndarray
    description: str = ""

    def draw(self) -> np.ndarray:
        """The picture, uint8 (height, width, 3)."""
        return self.pixels


@dataclass(frozen=True)
class Histogram:
    """The distribution of values.

    Attributes:
        values: of any shape and unit.
        description: one sentence for TensorBoard, with the unit.

    Examples:
        >>> Histogram([0.1, 0.7, 0.2], "Usage of each code [1].").values
        [0.1, 0.7, 0.2]
    """

    values: Any
    description: str = ""


@dataclass(frozen=True)
class Scalar:
    """A single number.

    Attributes:
        value: the number.
        description: one sentence for TensorBoard, with the unit.

    Examples:
        >>> Scalar(12, "Number of active latent units.").value
        12
    """

    value: Any
    description: str = ""


View: TypeAlias = Sheet | Curves | Picture | Histogram | Scalar
