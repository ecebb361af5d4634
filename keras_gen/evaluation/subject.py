"""The input and the result of an evaluation, and the flags that it uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_gen.engine.data import Data
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.tasks import Task
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative
from keras_gen.metrics.disentanglement import SCORES
from keras_gen.metrics.reconstruction import NAMES, Reconstruction, measures

RUN = frozenset({"run", "data", "checkpoint", "limit", "json"})
"""Flags that every evaluation of a run uses."""


@dataclass(frozen=True)
class Options(BaseConfig):
    """Flags of several tasks."""

    limit: NonNegative[int] = 0
    """Evaluate on the first N validation examples of RUN [examples]; 0: all."""
    seed: NonNegative[int] = 0
    """Random seed of the segmenter's training, of importance samples, and of the images for scores of latent units
    [integer]."""
    metrics: str = "l1,psnr,ssim"
    """Metrics, comma-separated: l1, psnr, ssim, ms_ssim and lpips; for saliency maps kl, cc, sim and nss; for the
    latent units of a RUN on shapes mig, factor_vae_score, beta_vae_score, sap, dci_disentanglement, dci_completeness,
    dci_informativeness and modularity. ssim needs images of at least 11 pixels and is left out of the default for
    smaller ones; ms_ssim needs at least 161."""
    weights: Path | None = None
    """For lpips: .npz file with the weights of AlexNet or SqueezeNet."""

    def check_together(self) -> None:
        super().check_together()
        for name in self.names or ("nothing",):
            if name not in (*NAMES, *SCORES):
                raise UserError(f"--metrics got {name}; accepted are {', '.join((*NAMES, *SCORES))}, comma-separated.")

    @property
    def names(self) -> list[str]:
        """The names in `metrics`."""
        return [name.strip() for name in self.metrics.split(",") if name.strip()]

    @property
    def scores(self) -> list[str]:
        """The names in `metrics` that are scores of latent units instead of distances."""
        return [name for name in self.names if name in SCORES]

    def comparison(self) -> Reconstruction:
        """A new comparison by the distances in `metrics`.

        Raises:
            UserError: for lpips without weights, weights without lpips, or a file that does not contain such weights.
        """
        distances = measures([name for name in self.names if name in NAMES], self.weights)
        return Reconstruction(distances, as_fits=self.metrics == Options.metrics)


@dataclass(frozen=True)
class Subject:
    """The run to evaluate.

    Attributes:
        run: the run folder.
        model: the model with the weights of a checkpoint.
        data: the data set.
        options: flags of several tasks.
        comparison: the result of `Options.comparison`, still empty.
        own: name of a task's module -> its `Options`, the flags of this task only.
    """

    run: Path
    model: GenerativeModel
    data: Data
    options: Options
    comparison: Reconstruction
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of validation examples to evaluate on."""
        return min(self.options.limit or self.data.val_size, self.data.val_size)

    def batches(self, size: int) -> Iterator[Any]:
        """The validation examples, in order."""
        return iter(self.data.validation(size, limit=self.options.limit or None))

    def reconstruction(self) -> Reconstruction:
        """A new comparison of the run's results with the last image of each example.

        Raises:
            UserError: if a metric does not support images of this shape.
        """
        comparison = self.comparison.empty_copy()
        (example,) = self.data.validation(1, limit=1)
        shape = next(array.shape for array in reversed(example) if len(array.shape) == 4)
        comparison.require_suitable(*shape[1:], f"an image of {self.run}")
        return comparison


@dataclass(frozen=True)
class Result:
    """The result of an evaluation; results can be added.

    Attributes:
        figures: the content of the JSON file.
        lines: lines to print.
    """

    figures: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __add__(self, other: Result) -> Result:
        return Result({**self.figures, **other.figures}, [*self.lines, *other.lines])


@dataclass(frozen=True)
class Evaluation:
    """How a task is evaluated.

    Attributes:
        measure: the function that evaluates a run.
        flags: task -> the flags that are used for families with this task, in addition to `RUN`.
        examples: what validation examples are called: "images" or "pairs".
    """

    measure: Callable[[Subject], Result]
    flags: Mapping[Task, Collection[str]]
    examples: str = "images"

    def accepted(self, tasks: Collection[Task]) -> frozenset[str]:
        """Names of the flags that are used for a family with these tasks."""
        return RUN.union(*(names for task, names in self.flags.items() if task in tasks))


def refuse_others(flags: Any, accepted: Collection[str], beside: str) -> None:
    """Checks that no flags were given that would have no effect.

    Args:
        flags: a dataclass of flags, whose fields may be dataclasses.
        accepted: names of the fields that are used.
        beside: for the message, what other flags do not apply to, such as "a run of vae".

    Raises:
        UserError: naming the first field that is not used and not at its default.
    """
    for one in dataclasses.fields(flags):
        value = getattr(flags, one.name)
        if dataclasses.is_dataclass(value):
            refuse_others(value, accepted, beside)
        elif one.name not in accepted and value != one.default:
            flag = f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}"
            raise UserError(f"{flag} does not apply to {beside}: leave one of them out.")
