"""Configuration of a run: `RunConfig`, the bundle of an app's configurations, and config.json.

Every frozen dataclass of a bundle becomes flat command-line flags (`cli.parsing`) and one section of config.json. A run
folder can be read from that file alone, without any flags.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar

import keras_gen
from keras_gen.errors import UserError
from keras_gen.files import require_utf8
from keras_gen.flags import BaseConfig, NonNegative, Positive, Range, Rate, hidden_fields, input_runs

T = TypeVar("T")
CONFIG_FILE = "config.json"
Decay: TypeAlias = Literal["constant-then-linear", "constant", "linear", "step", "cosine"]
"""Learning-rate schedules over a run: `engine.schedules`."""
INPUTS = "inputs"  # subfolder of a run folder with copies of the runs that it uses
_PACKAGES = ("tensorflow", "keras", "numpy", "ai-edge-litert", "tensorflow-datasets", "tensorboard")


@dataclasses.dataclass(frozen=True)
class RunConfig(BaseConfig):
    """Settings of a training run."""

    out: Path | None = None
    """Run folder; default: savedmodels/FAMILY/DATE-TIME."""
    epochs: Positive[int] = 200
    """Epochs to train for [epochs]."""
    steps_per_epoch: NonNegative[int] = 0
    """Steps per epoch [steps]; 0: as many as there are full batches in the training data."""
    batch_size: Positive[int] = 1
    """Global batch size, summed over all replicas [examples]."""
    learning_rate: Positive[float] = 2e-4
    """Learning rate; with a schedule, its highest value [1/step]."""
    schedule: Decay = "constant-then-linear"
    """Learning-rate schedule. constant-then-linear: constant for the first half of the run, then linear to 0; linear:
    to 0 from the start; step: multiplied by --step-factor at each of --step-at; cosine: half a period, down to 0."""
    step_at: tuple[Positive[int], ...] = ()
    """For --schedule step: steps at which the learning rate is multiplied by --step-factor [steps]."""
    step_factor: Positive[float] = 0.1
    """For --schedule step: factor applied at each of --step-at [1]."""
    warm_up_steps: NonNegative[int] = 0
    """Steps of linear learning-rate warm-up [steps]; 0: none."""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    """Random seed of initial weights, dropout, shuffling and augmentation [integer]."""
    steps_per_execution: Positive[int] = 1
    """Steps per call into TensorFlow [steps]; more is faster for small models. Every step is still logged, but
    previews, checkpoints and Ctrl-C wait until the call returns."""
    accumulate: Positive[int] = 1
    """Gradient accumulation: micro-batches per step; less memory, same update [micro-batches]. Not with batch
    normalisation, whose statistics would come from each micro-batch separately."""
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Precision of computation; weights stay float32. Mixed precision is for GPUs with tensor cores, mixed_bfloat16
    also for CPUs with bfloat16 instructions (docs/performance.md)."""
    ema: Rate = 0.0
    """Decay of an exponential moving average of the weights, used for previews and exports [0, 1); 0: no average. At
    step t the decay is at most (1 + t) / (10 + t), so that early averages follow quickly."""
    preview_every: Positive[int] = 500
    """Steps between previews, which write sheets of samples [steps]."""
    previews: Positive[int] = 8
    """Validation examples on each sheet, always the same ones [examples]."""
    checkpoint_every: Positive[int] = 1000
    """Steps between checkpoints [steps]; another is written when the run ends or is stopped."""
    keep_checkpoints: Positive[int] = 2
    """Number of most recent checkpoints to keep [checkpoints]; the best by validation is always kept as well."""
    max_hours: NonNegative[float] = 0.0
    """Stop after this time, as Ctrl-C would, with exit code 143, for queues with a time limit [hours]; 0: no limit."""
    resume: Path | None = None
    """Run folder to resume. Other flags are optional and must match its config.json. If --out names the same folder and
    there is no run in it yet, one is started, so the same command can be repeated."""
    start_from: Path | None = None
    """Run folder to load initial weights from, of the same family or of one with compatible networks. Optimizers, step
    count and averages start from scratch."""
    take: tuple[str, ...] = ()
    """For --start-from: networks, or parts of them, to load, such as generator or "generator/down*"; default: all."""
    take_fitting: bool = False
    """For --start-from: load only variables whose shapes match, for example to grow a network; others are
    initialised."""
    freeze: tuple[str, ...] = ()
    """Networks and layers to keep fixed during training, such as encoder or "generator/down*"."""
    allow_changed_data: bool = False
    """Resume although the data have changed: their files, counts or classes differ from those in config.json."""
    overwrite: bool = False
    """Delete an existing run in --out first."""
    distribute: Literal["none", "mirrored", "multiworker"] = "none"
    """Train on every visible GPU (mirrored), or on the worker processes listed in TF_CONFIG (multiworker)."""
    cpu_replicas: NonNegative[int] = 0
    """For --distribute mirrored: use this many logical CPUs instead of GPUs, for testing [replicas]; 0: GPUs."""
    deterministic: bool = False
    """Make runs on GPUs bit-identical too, at lower speed (tf.config.experimental.enable_op_determinism)."""
    jit: bool = False
    """Compile the training step with XLA."""
    export: bool = True
    """Export the trained networks at the end of the run; the export command can do it later."""
    profile: NonNegative[int] = 0
    """Steps to trace for TensorBoard's profile page, starting after the first two, which compile [steps]; 0: none."""

    def check_together(self) -> None:
        """Settings that exclude each other must not be combined."""
        super().check_together()
        if self.cpu_replicas and self.distribute != "mirrored":
            raise self.fault("<cpu_replicas got> with <distribute=>; it is for <distribute> mirrored.")
        if self.jit and self.distribute != "none":
            raise self.fault(
                "<jit> does not work with <distribute=> (XLA cannot compile TensorFlow's collective operations there): "
                "leave one of the two out."
            )
        if self.jit and self.deterministic:
            raise self.fault("<jit> and <deterministic> exclude each other: TensorFlow switches XLA off then.")
        if self.schedule == "step" and not self.step_at:
            raise self.fault("<schedule=> needs <step_at>.")
        if self.schedule != "step" and self.step_at:
            raise self.fault("<step_at=> is for <schedule> step.")
        if list(self.step_at) != sorted(set(self.step_at)):
            raise self.fault("<step_at got>; accepted are steps in ascending order.")
        if (self.take or self.take_fitting) and self.start_from is None:
            raise self.fault(f"<{'take' if self.take else 'take_fitting'}=> needs <start_from>.")
        if self.resume and self.overwrite:
            raise self.fault(
                "<resume> and <overwrite> exclude each other: the first continues a run, the second deletes it."
            )


TINY_RUN = RunConfig(epochs=2, steps_per_epoch=4, batch_size=8, preview_every=4, previews=4, checkpoint_every=4)
"""Run settings of most `tiny` presets: everything that a run does, within seconds."""
TINY_IMAGES = MappingProxyType({"data": "digits"})
"""Data of the `tiny` presets of image families: 1,797 digits of 8x8 pixels."""


class Preset(NamedTuple):
    """Starting values for the flags of an app.

    Attributes:
        model: the family's configuration.
        run: the run configuration.
        data: fields of the data configuration that differ from the app's defaults, by name.
    """

    model: Any
    run: RunConfig
    data: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Setup:
    """The complete configuration of a training run.

    Attributes:
        family: name of the family's module, such as "pix2pix".
        preset: name of the preset that the flags started from.
        model: the family's `Config`.
        data: the configuration of the data, such as `data.kinds.pairs.PairsConfig`; None for a model that was saved
            from Python.
        run: the `RunConfig`.
        data_identity: identifies the data once they are open, see `engine.data.Data.identity`.
    """

    family: str
    preset: str
    model: Any
    data: Any
    run: RunConfig
    data_identity: Mapping[str, Any] | None = None

    def following(self, attributes: Mapping[str, Any]) -> Setup:
        """A copy in which the model's hidden fields are set from the data.

        Args:
            attributes: attributes of the data by name, see `engine.data.Data.attributes`.

        Raises:
            UserError: if an attribute is missing, or the model does not support the size of the data.
        """
        names = hidden_fields(type(self.model))
        if missing := [name for name in names if name not in attributes]:
            raise UserError(
                f"{self.family} takes {', '.join(missing)} from its data, and data of the kind {self.data.kind()} have "
                "none."
            )
        fields = {name: attributes[name] for name in names}
        return dataclasses.replace(self, model=dataclasses.replace(self.model, **fields))

    def sections(self) -> dict[str, dict[str, Any]]:
        """The three configurations as JSON-ready dictionaries."""
        return {name: _plain(own) for name in ("model", "data", "run") if (own := getattr(self, name)) is not None}

    def to_json(self, frozen: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> str:
        """The text of config.json: flags, package versions, machine and git commit.

        Args:
            frozen: name of a frozen network -> its file and SHA-256.
        """
        return json.dumps(
            {
                "family": self.family,
                "preset": self.preset,
                "data_kind": self.data and self.data.kind(),
                "data": None,
                **self.sections(),
                "data_identity": self.data_identity,
                "frozen": {name: dict(of) for name, of in frozen.items()},
                "versions": versions(),
                "git": _git_commit(),
            },
            indent=2,
        )


def versions() -> dict[str, str]:
    """Versions of keras_gen, Python and the packages whose behaviour a run depends on."""
    found = {"keras_gen": keras_gen.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a run folder.

    Raises:
        UserError: if `folder` holds no run or its config.json is damaged.
    """
    require_utf8(folder)
    path = Path(folder) / CONFIG_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is not a run folder: it holds no {CONFIG_FILE}.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); accepted is the file that a run wrote.") from None
    missing = {"family", "preset", "data_kind", "model", "data", "run"} - set(
        content if isinstance(content, dict) else ()
    )
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}; accepted is the file that a run wrote.")
    return content


def from_plain(kind: type[T], values: dict[str, Any], path: Path) -> T:
    """A configuration built from its section of config.json; the inverse of `Setup.sections`."""
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise UserError(f"{path} has fields that this version does not know: {', '.join(unknown)}.")
    try:
        config = kind(**values)
        # Copies of other runs lie in this one's folder, wherever that is now.
        return dataclasses.replace(config, **{name: path.parent / INPUTS / name for name in input_runs(config)})
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _plain(config: Any) -> dict[str, Any]:
    plain = dataclasses.asdict(config)
    return {k: str(v) if isinstance(v, os.PathLike) else v for k, v in plain.items()}


def _git_commit() -> str | None:
    """Commit of the checkout that the code runs from, with "+" if it has uncommitted changes; None outside a
    checkout."""
    root = Path(keras_gen.__file__).parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")) != root:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
