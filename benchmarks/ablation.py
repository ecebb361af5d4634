"""Reproduce Table 1 of the pix2pix paper on the built-in facades: the FCN score of four objectives.

    L1          the L1 distance alone
    GAN         the adversarial loss alone, with a discriminator that sees the image but not the source
    cGAN        the adversarial loss alone, with a discriminator that sees both
    L1+cGAN     both: pix2pix

Every run is trained by apps.train_pix2pix with the paper's settings, except for the image size, the length, batches of
4, a generator of a quarter of the width, and no dropout. apps.evaluate evaluates the last checkpoint, with the same
segmenter for all runs. The discriminator has the paper's width: with a quarter of it, cGAN alone is worse than L1 alone
(docs/results.md). Completed runs are not repeated, so an interrupted ablation can be continued. On Cityscapes labels ->
photo, Isola et al. 2017 (arXiv 1611.07004, section 4.1 and Table 1) report per-pixel accuracies of 0.42, 0.22, 0.57 and
0.66.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apps._data import reopen_pairs
from apps.evaluate import RESULT_FILE
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import read_config
from keras_gen.engine.run_exports import REPORT_FILE
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative, Positive, Rate
from keras_gen.models.pix2pix import DiscriminatorNorm
from keras_gen.networks.patchgan import Patch
from keras_gen.visual.sheets import ClassScores, png_bytes, sheet

EXAMPLE = "python -m benchmarks.ablation --seeds 0 1 2"
OBJECTIVES: dict[str, list[str]] = {
    "L1": ["--gan-loss", "none"],
    "GAN": ["--no-conditional", "--l1-weight", "0"],
    "cGAN": ["--l1-weight", "0"],
    "L1+cGAN": [],
}
"""Flags of apps.train_pix2pix by the name in the paper's table."""
_VARIED = {"gan_loss", "conditional", "l1_weight", "seed", "out"}  # what may differ from run to run in config.json
_PAPER = {"L1": 0.42, "GAN": 0.22, "cGAN": 0.57, "L1+cGAN": 0.66, "real": 0.80}  # per-pixel accuracy, Table 1
_FIGURES = {"pixel_accuracy": "per-pixel", "class_accuracy": "per-class", "class_iou": "class IoU"}


@dataclass(frozen=True)
class Flags(BaseConfig):
    seeds: tuple[NonNegative[int], ...] = (0, 1, 2)
    """Seeds of the runs; each objective is trained once with each [integers]."""
    epochs: Positive[int] = 60
    """Epochs over the 400 training pairs [epochs]."""
    batch_size: Positive[int] = 4
    """Batch size [pairs]; 1 in the paper."""
    image_size: Positive[int] = 64
    """Image size [pixels]."""
    filters: Positive[int] = 16
    """Channels of the generator's first block [channels]; 64 in the paper."""
    discriminator_filters: Positive[int] = 64
    """Channels of the discriminator's first block [channels]; 64 in the paper."""
    patch: Patch = 70
    """Receptive field of the discriminator [pixels]; 70 in the paper, the whole image at 64 pixels."""
    dropout: Rate = 0.0
    """Dropout rate in the three innermost decoder blocks [0, 1); 0.5 in the paper."""
    discriminator_norm: DiscriminatorNorm = "same"
    """Normalisation of the discriminator; same as the generator's in the paper."""
    examples: Positive[int] = 6
    """Validation pairs on the sheet [pairs]."""
    out: Path = Path("savedmodels/ablation")
    """Folder of the runs, the table (ablation.md) and the sheet (ablation.png)."""

    def check_together(self) -> None:
        super().check_together()
        if not self.seeds:
            raise self.fault("<seeds got>; accepted are one or more whole numbers.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, evaluate, print and write the table and the sheet."""
    flags = parse(Flags, argv, example=EXAMPLE)
    folder = flags.out / "-".join(f"{value}{name}" for name, value in _settings(flags).items())
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict]] = {name: [] for name in OBJECTIVES}
    for seed in flags.seeds:  # by seed, so that a whole table stands early
        for name in OBJECTIVES:
            run = folder / f"{name}-seed{seed}"
            results[name].append(_result(flags, run, OBJECTIVES[name], seed))
            _require_same_settings(folder / f"L1-seed{flags.seeds[0]}", run)
    table = "\n".join(_table(results))
    print(f"\n{table}")
    (folder / "ablation.md").write_text(table + "\n", encoding="utf-8")
    (folder / "ablation.png").write_bytes(png_bytes(_sheet(flags, folder)))
    print(f"\nWritten to {folder}: ablation.md, ablation.png")


def _settings(flags: Flags) -> dict[str, object]:
    """Name of a flag of apps.train_pix2pix -> its value, for the flags that all runs share."""
    return {name: value for name, value in vars(flags).items() if name not in ("seeds", "examples", "out")}


def _result(flags: Flags, run: Path, objective: list[str], seed: int) -> dict:
    """The evaluation of a run, which is trained first if necessary."""
    settings = [item for name, value in _settings(flags).items() for item in (f"--{name.replace('_', '-')}", value)]
    steps = 400 * flags.epochs  # more than the run has, so only at its end
    rarely = ["--preview-every", steps, "--checkpoint-every", steps]
    if not (run / REPORT_FILE).exists():  # the last file that training writes
        start = ["--preset", "paper", "--out", run, "--overwrite", "--seed", seed]
        _call("apps.train_pix2pix", run, *start, *settings, *rarely, *objective)
    if not (run / RESULT_FILE).exists():
        _call("apps.evaluate", run, run)
    return json.loads((run / RESULT_FILE).read_text(encoding="utf-8"))


def _require_same_settings(first: Path, run: Path) -> None:
    """Check that an existing run has the settings of the first one, except for objective and seed."""
    one, other = (
        {key: value for section in ("model", "data", "run") for key, value in content[section].items()}
        for content in map(read_config, (first, run))
    )
    for key in sorted((one | other).keys() - _VARIED):
        if one.get(key) != other.get(key):
            raise UserError(
                f"{run} was trained with {key} {other.get(key)} and {first} with {one.get(key)}: delete the "
                "outdated one."
            )


def _call(module: str, run: Path, *arguments: object) -> None:
    """Run an app in a separate process, with its output in a file beside the run."""
    log = run.with_name(f"{run.name}.{module.split('.')[-1]}.log")
    start = time.perf_counter()
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], stdout=file, stderr=file)
    if done.returncode:
        raise UserError(f"{module} ended with code {done.returncode}; {log} has its output.")
    print(f"{run.name}: {module} took {time.perf_counter() - start:.0f} s", flush=True)


def _table(results: dict[str, list[dict]]) -> list[str]:
    """Markdown table of means and standard deviations over the seeds."""
    every = [result for runs in results.values() for result in runs]
    protocol = every[0]["fcn_score"]["protocol"]
    if any(result["fcn_score"]["protocol"] != protocol for result in every):
        raise UserError(
            "the runs were evaluated with different segmenters; delete their evaluation.json and start again."
        )
    lines = [
        f"| objective | {' | '.join(_FIGURES.values())} | L1 | SSIM | paper, per-pixel |",
        "|---|" + "---:|" * (len(_FIGURES) + 3),
    ]
    for name, runs in results.items():
        cells = [_spread([run["fcn_score"]["generated"][figure] for run in runs]) for figure in _FIGURES]
        cells += [_spread([run["reconstruction"][distance]["mean"] for run in runs]) for distance in ("l1", "ssim")]
        lines.append(f"| {name} | {' | '.join(cells)} | {_PAPER[name]:.2f} |")
    real = " | ".join(f"{every[0]['fcn_score']['real'][figure]:.3f}" for figure in _FIGURES)
    lines.append(f"| real images | {real} | | | {_PAPER['real']:.2f} |")
    majority = " | ".join(f"{every[0]['fcn_score']['majority'][figure]:.3f}" for figure in _FIGURES)
    lines.append(f"| most frequent class | {majority} | | | |")
    return lines


def _spread(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _sheet(flags: Flags, folder: Path) -> np.ndarray:
    """A sheet with the results of the runs of the first seed for the same validation pairs."""
    runs = {name: folder / f"{name}-seed{flags.seeds[0]}" for name in OBJECTIVES}
    data = reopen_pairs(runs["L1"])
    source, target = next(iter(data.validation(flags.examples, limit=flags.examples)))
    drawn = {name: np.asarray(models.load(run)[0].translate(source)) for name, run in runs.items()}
    seen = ClassScores(source) if data.num_classes else np.asarray(source)
    return sheet({"source": seen, **drawn, "target": np.asarray(target)})


if __name__ == "__main__":
    sys.exit(main())
