"""Gated PixelCNN: logits for every position of a map, given only the positions before it in raster order.

van den Oord et al.: Conditional Image Generation with PixelCNN Decoders, NeurIPS 2016, arXiv 1606.05328, section 2 and
figure 2. There are two stacks of convolutions. The vertical one sees the rows above. The horizontal one sees the
positions to the left in the same row and takes the vertical stack as input. Together they have no blind spot. Instead
of masking kernels, the convolutions have only the taps that a mask would leave, and the map is shifted.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from keras_gen.layers.gates import TanhGate

_KERNEL = 3  # rows and columns of the masked kernels that the shifted convolutions replace
_HALF = _KERNEL // 2


def pixelcnn(
    height: int, width: int, codes: int, *, filters: int = 64, depth: int = 6, name: str = "pixelcnn"
) -> keras.Model:
    """A functional network (batch, height, width) int32 -> logits (batch, height, width, codes) float32.

    Args:
        height, width: size of the map.
        codes: number of codes; values are 0 to codes - 1.
        filters: channels of the two stacks.
        depth: number of gated layers. The receptive field has `depth` + 1 rows above a position and as many columns to
            its left.
        name: name of the network.
    """
    indices = keras.Input((height, width), dtype="int32", name="codes")
    spread = keras.initializers.RandomNormal(stddev=1.0)  # what the convolutions' own scale expects
    embedded = layers.Embedding(codes, filters, embeddings_initializer=spread, name="embedding")(indices)
    above, left = embedded, _shifted_right(embedded)
    for level in range(depth):
        above = _rows_up_to(TanhGate()(above) if level else above, 2 * filters)
        # The vertical stack has seen whole rows. Shifted down by one, it only has those strictly above.
        from_above = layers.Conv2D(2 * filters, 1)(_shifted_down(above))
        gates = layers.Add()([_columns_up_to(left, 2 * filters), from_above])
        gated = layers.Conv2D(filters, 1)(TanhGate()(gates))
        left = layers.Add()([left, gated]) if level else gated
    x = layers.Conv2D(filters, 1, activation="relu")(layers.ReLU()(left))
    logits = layers.Conv2D(codes, 1, dtype="float32", name="logits")(x)
    return keras.Model(indices, logits, name=name)


def _rows_up_to(x: Any, filters: int) -> Any:
    """A convolution over the position's row, on both sides, and the rows above it."""
    return layers.Conv2D(filters, (_HALF + 1, _KERNEL))(layers.ZeroPadding2D(((_HALF, 0), (_HALF, _HALF)))(x))


def _columns_up_to(x: Any, filters: int) -> Any:
    """A convolution over the position and those to its left in the same row."""
    return layers.Conv2D(filters, (1, _HALF + 1))(layers.ZeroPadding2D(((0, 0), (_HALF, 0)))(x))


def _shifted_down(x: Any) -> Any:
    return layers.Cropping2D(((0, 1), (0, 0)))(layers.ZeroPadding2D(((1, 0), (0, 0)))(x))


def _shifted_right(x: Any) -> Any:
    return layers.Cropping2D(((0, 0), (0, 1)))(layers.ZeroPadding2D(((0, 0), (1, 0)))(x))
