"""Evaluate a run on its validation data, or compare images: file by file, or one set with another.

The evaluation depends on the task of the run's family.

Translation (pix2pix, saliency): the distances between generated images and targets, and the FCN score if the sources
are label maps. The FCN score needs a segmenter trained on the real pairs. It is trained at the first evaluation and
stored beside the run folder, so that runs on the same data share it; `--segmenter FILE` stores it elsewhere.

Reconstruction (autoencoder, vae and their variants): the distances between reconstructions and images; for models with
a likelihood also the number of active latent units, and with `--importance-samples` the log-likelihood. If the factors
of variation are known (`--data shapes`), `--metrics mig,factor_vae_score` measures how well the latent units represent
them.

Restoration (denoising, super-resolution): the distances of restored images, beside those of the inputs; a denoiser is
evaluated on every kind of noise.

Classification (sgan): the error rate, and which classes are confused.

Generation (gan and its variants): the energy score, and for `--data ring` and `grid` the modes that the samples cover.
With `--scores` also scores of features such as FID, of the samples against the validation images (docs/metrics.md).

Two sets of images: `--of SIDE --against SIDE` computes the same scores without a run. A side is a folder, an .npz file,
idx files, a run, an exported generator, or stored statistics.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_gen import evaluation, models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import read_config
from keras_gen.errors import UserError
from keras_gen.files import require_writable, write_json
from keras_gen.flags import BaseConfig

from ._data import reopen
from ._sides import generator_of_run, open_side

EXAMPLE = "evaluate savedmodels/pix2pix/RUN --checkpoint best"
RESULT_FILE = "evaluation.json"


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """Run folder."""
    data: str = ""
    """Other data to evaluate RUN on, or the new location of its own; any SPEC of the training app."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which checkpoint of RUN to use: the newest, or the best by validation."""
    json: Path | None = None
    """File for the results; default: evaluation.json in RUN, and none for folders."""
    options: evaluation.Options = field(default_factory=evaluation.Options)
    translation: evaluation.translation.Options = field(default_factory=evaluation.translation.Options)
    reconstruction: evaluation.reconstruction.Options = field(default_factory=evaluation.reconstruction.Options)
    folders: evaluation.folders.Options = field(default_factory=evaluation.folders.Options)
    scores: evaluation.scores.Options = field(default_factory=evaluation.scores.Options)

    def check_together(self) -> None:
        super().check_together()
        if self.run:
            evaluation.refuse_others(self.folders, (), "a RUN")
            read_config(self.run)
            return
        if self.scores.of:
            evaluation.refuse_others(self, evaluation.scores.FLAGS, "--of")
            return
        if not (self.folders.images and self.folders.reference):
            raise UserError(
                "RUN is missing; accepted are a run folder, --images FOLDER --reference FOLDER, or --of SIDE --against "
                "SIDE."
            )
        evaluation.refuse_others(self, evaluation.folders.FLAGS, "--images")
        if self.options.scores:
            raise UserError(f"--metrics {self.options.scores[0]} does not apply to --images: leave one of them out.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the run or compare the folders, then print and write the results."""
    flags = parse(Flags, argv, example=EXAMPLE)
    if flags.run:
        file = flags.json or flags.run / RESULT_FILE
        result = _run(flags, file)
    else:
        file = flags.json
        for flag, written in (("--json", file), ("--save-statistics", flags.scores.save_statistics)):
            if written:
                require_writable(written, flag)
        result = _sides(flags) if flags.scores.of else _folders(flags)
    print(*result.lines, sep="\n")
    if file:
        write_json(file, result.figures)
        print(f"\nWritten to {file}")


def _folders(flags: Flags) -> evaluation.Result:
    """Compare two folders of images file by file."""
    return evaluation.folders.measure(flags.folders, flags.options.comparison())


def _sides(flags: Flags) -> evaluation.Result:
    """Compare two sets of images."""
    network = evaluation.scores.network_of(flags.scores, flags.options)
    given = (("--of", flags.scores.of), ("--against", flags.scores.against))
    sides = [None if path is None else open_side(path, flag, flags) for flag, path in given]
    return evaluation.scores.Comparison(flags.scores, flags.options, network).measure(*sides)


def _run(flags: Flags, file: Path) -> evaluation.Result:
    """Open a run with its data, and evaluate it by the task of its family."""
    family, tasks = models.tasks_of_run(flags.run)
    how = evaluation.evaluation_of(tasks, flags, f"a run of {family.family}")
    if how is None:
        raise UserError(
            f"{flags.run} is a run of {family.family}, which has no evaluation; accepted are runs of families with one "
            f"of the tasks {', '.join(evaluation.EVALUATIONS)}."
        )
    comparison = flags.options.comparison()
    seed = flags.options.seed if "seed" in how.accepted(tasks) else read_config(flags.run)["run"]["seed"]
    data = reopen(flags.run, flags.data, seed=seed)
    model, step = models.load(flags.run, flags.checkpoint)
    require_writable(file, "--json")
    own = {"translation": flags.translation, "reconstruction": flags.reconstruction}
    subject = evaluation.Subject(flags.run, model, data, flags.options, comparison, own)
    result = evaluation.evaluate(subject, how)
    if flags.scores.names:
        generator = generator_of_run(model, tasks)
        result += evaluation.scores.of_run(subject, flags.scores, generator)
    head = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": data.describe().splitlines(),
        f"validation_{how.examples}": subject.count,
    }
    title = f"{flags.run}, {flags.checkpoint} checkpoint (step {step}), {subject.count} validation {how.examples}"
    return evaluation.Result(head, [title, ""]) + result


if __name__ == "__main__":
    sys.exit(main())
