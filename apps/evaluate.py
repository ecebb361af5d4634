"""Evaluate a run on its validation data, or compare two folders of images file by file.

A run on pairs is judged by the distances of what it draws from the targets, and by the FCN score where its sources are
label maps. That needs a segmenter trained on the real pairs: it is trained at the first evaluation and kept beside the
run's folder, so that runs on the same data are judged by the same one; `--segmenter FILE` keeps it elsewhere.

A run on single images is judged by the distances of its reconstructions; one of a family with a likelihood also by its
active latent units, and with `--importance-samples` by the likelihood itself. Where the factors of its images are known
(`--data shapes`), `--metrics mig,factor_vae_score` says how well latent units stand for them.

A run that classifies is judged by its errors, and by which classes it takes for which.

A run that draws from noise is judged by its energy score, and on `--data ring` and `grid` by the modes that it found.

A run that takes noise away is judged by the distances of what it cleans, beside those of the noisy images, for every
kind of noise.
"""

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tensorflow as tf
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.facades import CLASSES, PALETTE
from keras_gen.data.builtin.shapes import LEVELS
from keras_gen.data.files.folder_pairs import batches, find_compared
from keras_gen.data.files.folders import listed, shown
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.data.kinds.noisy import NoisyConfig, NoisyData
from keras_gen.data.kinds.pairs import PairsConfig, PairsData
from keras_gen.data.kinds.semi_supervised import SemiSupervisedData
from keras_gen.engine.config import read_config
from keras_gen.engine.model import GenerativeModel
from keras_gen.errors import UserError
from keras_gen.files import require_writable, write_json
from keras_gen.flags import non_negative, positive
from keras_gen.metrics.denoising import Denoising
from keras_gen.metrics.disentanglement import SCORES, factor_vae_score, mutual_information_gap, of_factors
from keras_gen.metrics.fcn_score import FCNScore
from keras_gen.metrics.labels import LabelMaps, label_maps
from keras_gen.metrics.log_likelihood import LogLikelihood
from keras_gen.metrics.modes import SAMPLES, Modes
from keras_gen.metrics.reconstruction import NAMES, Reconstruction, measures
from keras_gen.metrics.segmenter import open_segmenter
from keras_gen.ops.divergences import active_units
from keras_gen.ops.noise import NOISES

from ._data import reopen

EXAMPLE = "evaluate savedmodels/pix2pix/RUN --checkpoint best"
RESULT_FILE = "evaluation.json"
_BATCH = 8  # pairs drawn at a time
_SMALL_BATCH = 50  # images reconstructed at a time
_CONFUSIONS = 10  # that are shown
_BINARISED = {
    "none": "the images are not binarised",
    "threshold": "the images are binarised by a threshold",
    "sample": "the images are binarised by chance, alike at every evaluation",
}


@dataclass(frozen=True)
class Folders:
    images: Path | None = None
    """Instead of RUN: folder of images to compare with those of the same name, endings aside, in --reference."""
    reference: Path | None = None
    """Folder of the images that those of --images should be."""
    skip_bad: bool = False
    """Leave out files without partner, of another size or damaged, and say which, instead of refusing."""


@dataclass(frozen=True)
class Pairs:
    fcn_score: bool = True
    """The FCN score, where the sources are label maps; --no-fcn-score: the distances alone."""
    segmenter: Path | None = None
    """File of the segmenter, trained and written where absent; default: one beside RUN, named by its data."""
    segmenter_epochs: int = 12
    """Passes over the real training pairs that train the segmenter [epochs]."""

    def __post_init__(self) -> None:
        positive(self, "segmenter_epochs")


@dataclass(frozen=True)
class Flags:
    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """Folder of the run."""
    data: str = ""
    """Other data to evaluate RUN on, or where its own are now; any SPEC of the training app."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which of RUN's checkpoints: the newest, or the best by validation."""
    limit: int = 0
    """Validation examples of RUN to evaluate on, the first so many; 0: all [examples]."""
    seed: int = 0
    """Seed of the segmenter (weights, order and augmentation), of the importance samples and of the factors for mig
    and factor_vae_score [integer]."""
    importance_samples: int = 0
    """Of a RUN with a likelihood: latent samples by which to estimate it for each image; 0: not [samples]; 5000 in
    Burda et al. 2016."""
    metrics: str = "l1,psnr,ssim"
    """Distances: l1, psnr, ssim, ms_ssim and lpips; of maps of saliency kl, cc, sim and nss; of latent units of a RUN
    on shapes mig and factor_vae_score; comma-separated. ssim takes sides from 11 pixels on, without this flag it is
    left out below; ms_ssim takes them from 161 on."""
    weights: Path | None = None
    """For lpips: .npz file of its weights, of AlexNet or SqueezeNet."""
    json: Path | None = None
    """File for the figures; default: evaluation.json in RUN; none for folders."""
    folder: Folders = field(default_factory=Folders)
    pair: Pairs = field(default_factory=Pairs)

    def __post_init__(self) -> None:
        non_negative(self, "limit", "seed", "importance_samples")
        for name in self.names or ("nothing",):
            if name not in (*NAMES, *SCORES):
                raise UserError(f"--metrics got {name}; accepted are {', '.join((*NAMES, *SCORES))}, comma-separated.")
        if self.run:
            _leave_out(self.folder, "a RUN", "images", "reference", "skip_bad")
            return
        if not (self.folder.images and self.folder.reference):
            raise UserError("RUN is missing; accepted are the folder of a run, or --images FOLDER --reference FOLDER.")
        if self.scores:
            raise UserError(f"--metrics {self.scores[0]} does not go with --images: leave one of them out.")
        _leave_out(self, "--images", "data", "checkpoint", "limit", "seed", "importance_samples")
        _leave_out(self.pair, "--images", "fcn_score", "segmenter", "segmenter_epochs")

    @property
    def names(self) -> list[str]:
        """The words of `metrics`."""
        return [name.strip() for name in self.metrics.split(",") if name.strip()]

    @property
    def scores(self) -> list[str]:
        """Those of them that are no distances."""
        return [name for name in self.names if name in SCORES]


def _leave_out(flags: Any, beside: str, *names: str) -> None:
    for one in fields(flags):
        if one.name in names and getattr(flags, one.name) != one.default:
            flag = f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}"
            raise UserError(f"{flag} does not go with {beside}: leave one of them out.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Compare, write and print the figures."""
    flags = parse(Flags, argv, example=EXAMPLE)
    distances = measures([name for name in flags.names if name in NAMES], flags.weights)
    reconstruction = Reconstruction(distances, as_fits=flags.metrics == Flags.metrics)
    file = flags.json or (flags.run / RESULT_FILE if flags.run else None)
    result, lines = (_run if flags.run else _folders)(flags, file, reconstruction)
    print(*lines, sep="\n")
    if file:
        write_json(file, result)
        print(f"\nWritten to {file}")


def _folders(flags: Flags, file: Path | None, reconstruction: Reconstruction) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of two folders."""
    images, reference = flags.folder.images, flags.folder.reference
    if file:
        require_writable(file, "--json")
    pairs, left_out = find_compared(images, reference, skip_bad=flags.folder.skip_bad)
    for pair in pairs:
        reconstruction.expect(*pair.shape, shown(pair.image))
    for batch in batches(pairs):
        reconstruction.update(*batch)

    names = [shown(pair.name) for pair in pairs]
    figures, values = reconstruction.result(names), reconstruction.values()
    result = {
        "images": str(images),
        "reference": str(reference),
        "compared": len(pairs),
        "left_out": left_out,
        "reconstruction": figures,
        "files": {
            name: dict(zip(values, row, strict=True)) for name, *row in zip(names, *values.values(), strict=True)
        },
    }
    title = f"{len(pairs)} images of {shown(images)} compared with those of {shown(reference)}"
    said = [f"{len(left_out)} files left out ({listed(left_out)})."] if left_out else []
    return result, [title, *said, "", *reconstruction.lines(figures)]


def _run(flags: Flags, file: Path, reconstruction: Reconstruction) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of a run."""
    content = read_config(flags.run)
    family, kind = models.family(content["family"]), content["data_kind"]
    pairs = kind == PairsConfig.__name__
    judges = {PairsConfig.__name__: _pairs, NoisyConfig.__name__: _noisy}
    if hasattr(family, "reconstruct"):
        judges[ImagesConfig.__name__] = _images
    if hasattr(family, "classify"):
        return _classifier(flags, file)
    if hasattr(family, "draw"):
        return _generator(flags, file)
    if kind not in judges:
        raise UserError(f"{flags.run} is a run of {family.family}; accepted are those that draw from pairs or images.")
    if not hasattr(family, "log_weights"):
        _leave_out(flags, f"a run of {family.family}", "importance_samples")
    if not pairs:
        _leave_out(flags.pair, f"a run of {family.family}", "fcn_score", "segmenter", "segmenter_epochs")

    data = reopen(flags.run, flags.data, seed=flags.seed)
    model, step = models.load(flags.run, flags.checkpoint)
    require_writable(file, "--json")
    size, channels = model.config.image_size, data.target_channels if pairs else data.channels
    reconstruction.expect(size, size, channels, f"what {flags.run} draws")
    disentangled, more_lines = _disentanglement(flags, data, model)
    figures, lines = judges[kind](flags, data, model, reconstruction)

    count, what = min(flags.limit or data.val_size, data.val_size), "pairs" if pairs else "images"
    result = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": data.describe().splitlines(),
        f"validation_{what}": count,
        "reconstruction": reconstruction.result(),
        **figures,
        **disentangled,
    }
    title = f"{flags.run}, {flags.checkpoint} checkpoint (step {step}), {count} validation {what}"
    return result, [title, "", *reconstruction.lines(result["reconstruction"]), *lines, *more_lines]


def _pairs(
    flags: Flags, data: PairsData, model: GenerativeModel, reconstruction: Reconstruction
) -> tuple[dict[str, Any], list[str]]:
    """Compare what a run draws with the targets; figures and lines of the FCN score."""
    labels = label_maps(data, PALETTE, CLASSES) if flags.pair.fcn_score else "--no-fcn-score was given"
    score = None
    if isinstance(labels, LabelMaps):
        place, epochs = flags.pair.segmenter or flags.run.resolve().parent, flags.pair.segmenter_epochs
        size = model.config.image_size
        segmenter = open_segmenter(data, labels, size, place, epochs=epochs, seed=flags.seed)
        score = FCNScore(labels, segmenter)
    for source, target in data.validation(_BATCH, limit=flags.limit or None):
        drawn = model.translate(source)
        reconstruction.update(drawn, target)
        if score:
            score.update(source, drawn, target)
    if score is None:
        return {"fcn_score": {"left_out": labels}}, ["", f"FCN score left out: {labels}."]
    figures = score.result()
    return {"fcn_score": figures}, ["", *score.lines(figures)]


def _noisy(
    flags: Flags, data: NoisyData, model: GenerativeModel, reconstruction: Reconstruction
) -> tuple[dict[str, Any], list[str]]:
    """Compare what is made of the noise that a run was trained on; figures and lines of every kind of noise."""
    low, high = data.strength
    about = (
        f"on each image of a strength of its own between {low:g} and {high:g}, alike at every evaluation, cut off at "
        f"black and white; the run was trained on {data.noise}"
    )
    denoising = Denoising(reconstruction, about)
    for noise in dict.fromkeys((data.noise, *(noise for noise in NOISES if noise != "mixed"))):
        for noisy, clean in data.with_noise(noise).validation(_SMALL_BATCH, limit=flags.limit or None):
            cleaned = model.denoise(noisy)
            denoising.update(noise, noisy, cleaned, clean)
            if noise == data.noise:
                reconstruction.update(cleaned, clean)
    figures = denoising.result()
    return {"denoising": figures}, ["", *denoising.lines(figures)]


def _classifier(flags: Flags, file: Path) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of a run that classifies: how many validation images it gets wrong."""
    _leave_out(flags, "a run that classifies", "importance_samples", "metrics", "weights")
    _leave_out(flags.pair, "a run that classifies", "fcn_score", "segmenter", "segmenter_epochs")
    data: SemiSupervisedData = reopen(flags.run, flags.data, seed=read_config(flags.run)["run"]["seed"])
    model, step = models.load(flags.run, flags.checkpoint)
    require_writable(file, "--json")
    confusion = sum(
        tf.math.confusion_matrix(labels, tf.argmax(model.classify(images), axis=-1), data.num_classes).numpy()
        for images, labels in data.validation(_SMALL_BATCH, limit=flags.limit or None)
    )
    count, errors = int(confusion.sum()), int(confusion.sum() - confusion.trace())
    protocol = data.describe().splitlines()
    result = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": protocol,
        "validation_images": count,
        "errors": errors,
        "confusion": {"rows_are": "the class, columns what it is taken for", "counts": confusion.tolist()},
    }
    title = f"{flags.run}, {flags.checkpoint} checkpoint (step {step})"
    lines = [title, "", f"errors: {errors} of {count} validation images ({errors / count:.2%})"]
    return result, [*lines, *_confusions(confusion, data.classes), *protocol]


def _confusions(confusion: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lines of the most frequent errors, of counts (class, what it is taken for)."""
    wrong = confusion * (1 - np.eye(len(classes), dtype=confusion.dtype))
    most = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    places = [place for place in zip(*np.unravel_index(most, wrong.shape), strict=True) if wrong[place]]
    said = [f"{classes[row]} taken for {classes[column]}" for row, column in places]
    width, totals = max(map(len, said), default=0), confusion.sum(axis=1)
    return [
        f"  {line:<{width}} {wrong[row, column]:5} of {totals[row]}"
        for line, (row, column) in zip(said, places, strict=True)
    ]


def _generator(flags: Flags, file: Path) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of a run that draws from noise: its energy score, and the modes it found of a known mixture."""
    _leave_out(flags, "a run that draws from noise", "importance_samples", "metrics", "weights")
    _leave_out(flags.pair, "a run that draws from noise", "fcn_score", "segmenter", "segmenter_epochs")
    data: ImagesData = reopen(flags.run, flags.data, seed=flags.seed)
    model, step = models.load(flags.run, flags.checkpoint)
    require_writable(file, "--json")
    batches_of_data = data.validation(_SMALL_BATCH, limit=flags.limit or None)
    scores = np.concatenate([np.asarray(model.validate(batch)["energy_score"]) for batch in batches_of_data])
    result = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": data.describe().splitlines(),
        "validation_images": len(scores),
        "energy_score": float(scores.mean()),
    }
    lines = [f"{flags.run}, {flags.checkpoint} checkpoint (step {step})", ""]
    if data.mixture:
        modes = Modes(data.mixture.centres, data.mixture.deviation)
        modes.update(model.draw(model.fixed_latents(SAMPLES)))
        result["modes"] = modes.result()
        lines += [*modes.lines(result["modes"]), ""]
    about = (
        f"Gneiting and Raftery 2007, eq. 22, root mean squares of pixels: the seeds 0 to 63 against {len(scores)} "
        "validation images, smaller is better; compare runs on the same data alone."
    )
    return result, [*lines, f"{'energy score':<24}{scores.mean():12.4f}", "", *textwrap.wrap(about, 100)]


def _images(
    flags: Flags, data: ImagesData, model: GenerativeModel, reconstruction: Reconstruction
) -> tuple[dict[str, Any], list[str]]:
    """Compare reconstructions with the images; figures and lines of the active units and the likelihood."""
    means, likelihood = [], None
    if samples := flags.importance_samples:
        about = f"{model.config.likelihood} likelihood, {_BINARISED[read_config(flags.run)['data']['binarise']]}"
        likelihood = LogLikelihood(
            model.log_weights, model.config.latent_dim, samples=samples, images=about, seed=flags.seed
        )
    for images, labels in data.validation(_SMALL_BATCH, limit=flags.limit or None):
        reconstruction.update(model.reconstruct(images, labels), images)
        if hasattr(model, "log_weights"):
            means.append(model.encode(images, labels)[0])
        if likelihood:
            likelihood.update(images, labels)

    figures, lines = {}, []
    if means:
        active = int(tf.reduce_sum(tf.cast(active_units(tf.concat(means, axis=0)), tf.int32)))
        figures["active_units"] = {"active": active, "of": model.config.latent_dim}
        lines += [
            "",
            f"active units: {active} of {model.config.latent_dim} (variance of the posterior's mean above 0.01)",
        ]
    if likelihood:
        figures["log_likelihood"] = likelihood.result()
        lines += ["", *likelihood.lines(figures["log_likelihood"])]
    return figures, lines


def _disentanglement(flags: Flags, data: Any, model: GenerativeModel) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of how well latent units stand for the factors of the images, if they are asked for.

    Raises:
        UserError: if the images have no known factors, or the model no latent vectors, or for the mutual information
            gap no posteriors of them.
    """
    if not flags.scores:
        return {}, []
    asked, space = f"--metrics {flags.scores[0]}", model.latent_space()
    if space is None or getattr(data, "shapes", None) is None:
        raise UserError(
            f"{asked} needs latent vectors of images whose factors are known; accepted are runs of autoencoder, vae "
            "and their kin on --data shapes."
        )
    if "mig" in flags.scores and not hasattr(model, "log_weights"):
        raise UserError(
            f"--metrics mig needs posteriors of latent vectors, and {flags.run} is a run of {model.family}; accepted "
            "are those of vae and its kin."
        )
    levels, found = tuple(LEVELS.values()), {}
    for name in flags.scores:
        if name == "mig":
            value, protocol = mutual_information_gap(of_factors(model.encode, data.draw), levels, seed=flags.seed)
        else:
            value, protocol = factor_vae_score(of_factors(space.encode, data.draw), levels, seed=flags.seed)
        found[name] = {"score": value, "protocol": protocol}
    lines = [
        line
        for name, score in found.items()
        for line in (f"{SCORES[name]:<24}{score['score']:12.4f}", *textwrap.wrap(score["protocol"], 100), "")
    ]
    return {"disentanglement": found}, ["", *lines[:-1]]


if __name__ == "__main__":
    sys.exit(main())
