"""Two collections of images that do not belong together, as CycleGAN and style transfer read them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from keras_gen.data.config import DataConfig
from keras_gen.data.dataset import Dataset, Stream
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.flags import Positive


@dataclass(frozen=True)
class TwoCollectionsConfig(DataConfig):
    """Which images to read."""

    accepted = "two folders, comma-separated"

    data: str = ""
    """SPECs of both collections, comma-separated."""
    image_size: Positive[int] = 16
    """Height and width of the images [pixels]."""

    def open(self, seed: int = 0, model: Any = None) -> TwoCollections:
        """See `DataConfig.open`."""
        return TwoCollections(self, seed)


class TwoCollections(Dataset):
    """Batches of (first, second); an epoch goes once through the larger collection."""

    def __init__(self, config: TwoCollectionsConfig, seed: int) -> None:
        self._config, self._seed = config, seed
        self._sides = [
            ImagesConfig(data=data, image_size=config.image_size, channels=3, val_every=config.val_every).open(seed)
            for data in config.data.split(",")
        ]
        self.train_size, self.val_size = (
            max(getattr(side, name) for side in self._sides) for name in ("train_size", "val_size")
        )
        self._digest = "".join(side.identity()["digest"] for side in self._sides)

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """The images of both sides without their labels, each in an order of its own."""

        def alone(stream: Stream, number: int) -> Stream:
            return dataclasses.replace(stream, finish=lambda *loaded: stream.finish(*loaded)[:1], number=number)

        (first,), (second,) = (side.streams(training) for side in self._sides)
        return alone(first, 0), alone(second, 1)

    def describe(self) -> str:
        """A summary to print."""
        return "\n".join(side.describe() for side in self._sides)

    def attributes(self) -> dict[str, Any]:
        """Those of every data set, and `image_size` and `channels`."""
        return {**super().attributes(), "image_size": self._config.image_size, "channels": 3}
