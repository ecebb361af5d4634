"""What a model shows of itself at a preview: named views, which TensorBoard and the page of samples know how to show.

A view that is a picture has `draw()`. `engine.callbacks.Preview` shows each kind as what it is.
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
    """Images side by side: a row for each example and a titled column for each kind.

    Attributes:
        columns: title -> images (n, h, w, channels) in [-1, 1] of 1 (grey), 3 (RGB) or 4 (RGBA) channels, or
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
    """Sequences as plots: one for each example, in which its curves lie over each other.

    Attributes:
        columns: name of a curve -> sequences (n, length, features) in the data's units; all with the same n.
        description: one sentence for TensorBoard.
    """

    columns: Mapping[str, Any]
    description: str = "The same validation examples at every preview."

    def draw(self) -> np.ndarray:
        """The plots, uint8 (height, width, 3)."""
        return curves({name: np.asarray(sequences) for name, sequences in self.columns.items()})


@dataclass(frozen=True)
class Picture:
    """A picture as it is.

    Attributes:
        pixels: uint8 (height, width, 3).
        description: one sentence for TensorBoard.
    """

    pixels: np.ndarray
    description: str = ""

    def draw(self) -> np.ndarray:
        """The picture, uint8 (height, width, 3)."""
        return self.pixels


@dataclass(frozen=True)
class Histogram:
    """How values are distributed.

    Attributes:
        values: of any shape and unit.
        description: one sentence for TensorBoard.
    """

    values: Any
    description: str = ""


@dataclass(frozen=True)
class Scalar:
    """One number.

    Attributes:
        value: the number.
        description: one sentence for TensorBoard, with the unit.
    """

    value: Any
    description: str = ""


View: TypeAlias = Sheet | Curves | Picture | Histogram | Scalar
