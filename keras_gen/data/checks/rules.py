"""Rules that find faults of a data set before training, from the facts that `inspection.inspect` collects.

Each finding has a level: an *error* stops or spoils training, a *warning* should be looked at, a *note* is worth
knowing. docs/data.md explains every check, with measured false alarms.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from keras_gen.console import command
from keras_gen.data.checks.inspection import Examples, Facts, Images, Pairs, headers, inspect
from keras_gen.data.files.codecs import ImageInfo
from keras_gen.data.files.decoding import MIN_PEAK
from keras_gen.data.files.folders import SUFFIXES, listed, shown
from keras_gen.data.files.image_sources import is_image_folder
from keras_gen.data.files.pair_sources import BUILT_IN
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.errors import UserError

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

QUICK_EXAMPLES = 200  # number of examples in a quick check, evenly spaced, a quarter of them validation examples ...
QUICK_PIXELS = 32_000_000  # ... and the maximum number of their pixels
FLAT = 2 / 255  # an image whose standard deviation is below this is nearly constant
MIN_JOINED_RATIO = 1.25  # minimum median width/height of side-by-side pairs
FAR_SHAPE = 2.0  # an image is odd if its width/height differs from the median by more than this factor
NEAR_BITS = 20  # near duplicates differ in at most this many of the 256 bits of the difference hash
MAX_ALIGNED = 2000  # maximum number of pairs whose alignment is judged; each needs 8 KB and a matrix row
MIN_ALIGNED = 20  # minimum number of pairs; with fewer, the statistics of random partners are unreliable
ALIGNED = 3.0  # median alignment from which single pairs are judged [standard deviations of random partners]
UNALIGNED = 0.5  # below this median alignment, the whole data set is not aligned
LOWEST = 10  # number of pairs listed by alignment
FEW_IDS = 64  # grey images without a value above this look like label maps
MAX_CASES = 1000  # maximum number of cases kept per finding
MAX_SIZES = 100  # maximum number of sizes in the histogram


@dataclass(frozen=True)
class Case:
    """One instance of a finding: the indices of its examples, which are shown together, and the reason."""

    numbers: tuple[int, ...]
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: name of the check.
        level: see the module.
        sentence: the finding in words.
        count: number of cases.
        cases: the worst cases, in order.
    """

    check: str
    level: Level
    sentence: str
    count: int = 0
    cases: list[Case] = field(default_factory=list)


@dataclass
class Result:
    """The result of a check.

    Attributes:
        examples: all examples of the data set.
        facts: index -> the facts about each example that was read.
        findings: the worst first.
        summary: figures of the data set, as written to check.json.
    """

    examples: Examples
    facts: dict[int, Facts]
    findings: list[Finding]
    summary: dict[str, Any]

    def of_level(self, level: Level) -> list[Finding]:
        """The findings of one level."""
        return [finding for finding in self.findings if finding.level == level]

    @property
    def exit_code(self) -> int:
        """0: clean, 1: warnings, 2: errors; notes do not count."""
        return 2 if self.of_level("error") else 1 if self.of_level("warning") else 0


def check(examples: Examples, *, quick: bool = False, bar: Callable[[int], None] = lambda done: None) -> Result:
    """Reads all examples, or with `quick` a sample, and applies every rule. `bar` gets the number of examples read."""
    start = time.perf_counter()
    numbers = sample(examples) if quick else range(len(examples))
    facts = dict(zip(numbers, inspect(examples, numbers, bar), strict=True))
    seconds = time.perf_counter() - start
    good = {number: found for number, found in facts.items() if not found.problem}
    alignment = _alignment(good) if len(examples.sides) == 2 else None
    findings = [
        *_problems(facts),
        *_files(examples, facts),
        *_labels(examples, good),
        *_shapes(facts),
        *_single(examples, facts),
        *_dark(examples, good),
        *_flat(examples, good),
        *(_misaligned(alignment) if alignment else ()),
        *_leaks(examples, good),
        *_classes(examples, good),
        *_left_out(examples),
    ]
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    summary = {
        "examples": len(examples),
        "looked_at": len(facts),
        "parts": dict(Counter(examples.parts)),
        "split": examples.rule,
        "seconds": round(seconds, 2),
        "sizes": _sizes(facts),
        "sides": _statistics(examples, good),
    }
    if examples.labelled:
        summary["classes"] = dict(sorted(Counter(examples.classes).items()))
    if alignment:
        summary["alignment"] = {"median": round(alignment.median, 2), "judged": len(alignment.numbers)}
    return Result(examples, facts, findings, summary)


def sample(examples: Examples) -> list[int]:
    """Indices of the examples for a quick check, evenly spaced, three quarters of them for training."""
    held = np.array([part != "train" for part in examples.parts])
    parts = ((np.flatnonzero(~held), QUICK_EXAMPLES * 3 // 4), (np.flatnonzero(held), QUICK_EXAMPLES // 4))
    chosen = [
        numbers[np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(int)] for numbers, count in parts
    ]
    numbers = [int(number) for number in np.sort(np.concatenate(chosen))]
    pixels = 0
    for number, facts in zip(numbers, headers(examples, numbers), strict=True):
        files = facts.infos[: len(examples.names(number))]  # the sides of a side-by-side pair share one file
        pixels += sum(info.width * info.height for info in files)
    affordable = max(1, QUICK_PIXELS * len(numbers) // max(pixels, 1))
    if affordable < len(numbers):
        numbers = [numbers[place] for place in np.linspace(0, len(numbers) - 1, affordable).astype(int)]
    return numbers


def quick_check(config: PairsConfig) -> list[str]:
    """Checks a sample of the pairs before training, which takes about a second for 500 pairs.

    Built-in data are not checked, and nothing is checked with `--no-check`.

    Returns:
        Warnings to print, one sentence each.

    Raises:
        UserError: there are errors. With `skip_bad`, unreadable files are not errors.
    """
    if not config.check or config.data in BUILT_IN:
        return []
    return _warnings(Pairs(config), config, "pairs")


def quick_check_images(config: ImagesConfig) -> list[str]:
    """Like `quick_check`, for a folder of single images. Other sources are checked in full when they are opened."""
    if not config.check or not is_image_folder(config.data):
        return []
    folder = Path(config.data).expanduser()
    return _warnings(Images(folder, config.max_pixels, val_every=config.val_every), config, "images")


def _warnings(examples: Examples, config: PairsConfig | ImagesConfig, unit: str) -> list[str]:
    result = check(examples, quick=True)
    errors = [
        finding
        for finding in result.of_level("error")
        if not (config.skip_bad and finding.check in ("unreadable", "truncated"))
    ]
    if errors:
        raise UserError(
            f"--data {shown(config.data)} fails the check of {len(result.facts)} of its {len(result.examples)} "
            f"{unit} ({listed(finding.sentence for finding in errors)}); {command('check_data')} shows all findings, "
            "and --no-check skips the check."
        )
    return [finding.sentence for finding in result.of_level("warning")]


# -- rules -------------------------------------------------------------------------------------------------------------


def _finding(check: str, level: Level, what: str, cases: Sequence[Case], of: int) -> Iterator[Finding]:
    """Yields a finding if there are cases. `what` completes the sentence "3 of 40 WHAT"."""
    if cases:
        if level == "note" and len(cases) == of:  # if it applies to all, there are no cases worth showing
            yield Finding(check, level, f"all {of} {what}.", of)
        else:
            yield Finding(check, level, f"{len(cases)} of {of} {what}.", len(cases), list(cases[:MAX_CASES]))


def _problems(facts: dict[int, Facts]) -> Iterator[Finding]:
    for kind in ("unreadable", "truncated", "unusable"):
        cases = [Case((number,), found.problem) for number, found in facts.items() if found.kind == kind]
        if cases:
            sentence = f"{len(cases)} of {len(facts)} examples: {listed(case.why for case in cases)}."
            yield Finding(kind, "error", sentence, len(cases), cases[:MAX_CASES])


def _files(examples: Examples, facts: dict[int, Facts]) -> Iterator[Finding]:
    """Findings from headers: suffix, animation, CMYK, bit depth, transparency, channels and orientation."""
    files = [
        (number, name, info)
        for number, found in facts.items()
        for name, info in zip(examples.names(number), found.infos, strict=False)
    ]

    def those(test: Callable[[str, ImageInfo], Any], why: Callable[[ImageInfo], str] = lambda info: "") -> list[Case]:
        return [Case((number,), f"{name} {why(info)}".strip()) for number, name, info in files if test(name, info)]

    def by_side(test: Callable[[ImageInfo], bool]) -> Iterator[tuple[str, int, list[Case], int]]:
        for side, title in enumerate(examples.sides):
            infos = {number: found.infos[side] for number, found in facts.items() if found.infos}
            yield title, side, [Case((number,)) for number, info in infos.items() if test(info)], len(infos)

    total = len(files)
    cases = those(_wrong_suffix, lambda info: f"is {info.form}")
    yield from _finding("extension", "warning", "files: the suffix belongs to another format", cases, total)
    cases = those(lambda name, info: info.animated)
    yield from _finding("animated", "warning", "files: animated; only the first frame is used", cases, total)
    cases = those(lambda name, info: info.cmyk)
    what = "files: CMYK, converted to RGB without a colour profile, so colours will be wrong"
    yield from _finding("CMYK", "warning", what, cases, total)
    cases = those(lambda name, info: info.orientation != 1, lambda info: f"has orientation {info.orientation}")
    what = "files: EXIF rotation, which is applied here but may be ignored by other tools"
    yield from _finding("EXIF rotation", "warning", what, cases, total)
    for title, _, cases, of in by_side(lambda info: info.bits == 16):
        mixed = len(cases) < of
        what = f"{title}s: 16 bits per channel" + (", the others have 8" if mixed else "")
        yield from _finding("16 bit", "warning" if mixed else "note", what, cases, of)
    for title, side, cases, of in by_side(lambda info: info.alpha):
        if examples.channels[side] != 4:
            mixed = len(cases) < of
            what = f"{title}s: transparency, which is blended on white"
            yield from _finding("alpha", "warning" if mixed else "note", what, cases, of)
    for title, side, cases, of in by_side(lambda info: info.channels == 1):
        if not (side == 0 and examples.labels) and len(cases) < of:
            what = f"{title}s: grey among colour images; converted to RGB"
            yield from _finding("channel mix", "note", what, cases, of)


def _wrong_suffix(name: str, info: ImageInfo) -> bool:
    """Whether the suffix belongs to another format; False for names without an image suffix, such as records."""
    suffixes = [suffix for some in SUFFIXES.values() for suffix in some if name.lower().endswith(suffix)]
    return bool(suffixes) and suffixes[0] not in SUFFIXES[info.form]


def _shapes(facts: dict[int, Facts]) -> Iterator[Finding]:
    shapes = {n: found.infos[0].width / found.infos[0].height for n, found in facts.items() if found.infos}
    if shapes:
        median = float(np.median(list(shapes.values())))
        far = {n: max(shape / median, median / shape) for n, shape in shapes.items()}
        cases = [
            Case((n,), f"{facts[n].infos[0].width}x{facts[n].infos[0].height}")
            for n in sorted(far, key=far.__getitem__, reverse=True)
            if far[n] > FAR_SHAPE
        ]
        what = f"examples: aspect ratio more than {FAR_SHAPE:g} times above or below the median ({median:.2f}:1)"
        yield from _finding("odd sizes", "warning", what, cases, len(shapes))


def _single(examples: Examples, facts: dict[int, Facts]) -> Iterator[Finding]:
    """Single images that were taken for side-by-side pairs."""
    joined = {n: found.infos[0] for n, found in facts.items() if found.infos and len(examples.names(n)) == 1}
    if len(examples.sides) != 2 or not joined:
        return
    if np.median([info.width / info.height for info in joined.values()]) < MIN_JOINED_RATIO:
        width, height, *_ = next(iter(joined.values()))
        sentence = (
            f"the files do not look like pairs: each should hold two images side by side, but has a size such as "
            f"{width}x{height}."
        )
        yield Finding("single pictures", "warning", sentence, len(joined), [Case((n,)) for n in joined][:MAX_CASES])


def _dark(examples: Examples, good: dict[int, Facts]) -> Iterator[Finding]:
    for side, title in enumerate(examples.sides):
        peaks = {n: found.looks[side].peak for n, found in good.items() if found.looks[side].peak}
        if peaks and max(peaks.values()) < MIN_PEAK:
            level: Level = "error" if len(good) == len(examples) else "warning"
            highest = sorted(peaks, key=peaks.__getitem__, reverse=True)
            what = f"{title}s: 16 bits with values of at most {max(peaks.values())}, which would be nearly black"
            yield from _finding("dark", level, what, [Case((n,), f"up to {peaks[n]}") for n in highest], len(good))


def _flat(examples: Examples, good: dict[int, Facts]) -> Iterator[Finding]:
    for side, title in enumerate(examples.sides):
        spread = {n: float(found.looks[side].deviation.max()) for n, found in good.items()}
        is_ids = side == 0 and examples.labels > 0
        cases = [
            Case((n,), "one label id" if is_ids else f"standard deviation {spread[n] * 255:.1f} of 255")
            for n in sorted(spread, key=spread.__getitem__)
            if (spread[n] == 0 if is_ids else spread[n] < FLAT)
        ]
        what = f"{title}s: a single label id" if is_ids else f"{title}s: nearly constant"
        yield from _finding("constant", "warning", what, cases, len(good))


def _labels(examples: Examples, good: dict[int, Facts]) -> Iterator[Finding]:
    for side, title in enumerate(examples.sides):
        counts = {n: found.looks[side].counts for n, found in good.items()}
        counted = {n: count for n, count in counts.items() if count is not None}
        if not counted or len(counted) < len(good):
            continue
        total = _added(counted.values())
        present = np.flatnonzero(total)
        if side == 0 and examples.labels:
            yield from _ids(examples.labels, counted, present, total)
        elif set(present) == {0, 255}:
            advice = "; label ids would have to be 0 and 1" if title == "source" else ""
            yield Finding("masks", "note", f"every {title} is a mask of 0 and 255{advice}.", len(counted))
        elif len(present) > 1 and present[-1] < FEW_IDS:
            flag = f"; --num-classes {present[-1] + 1} would read it as one" if title == "source" else ""
            sentence = f"every {title} looks like a label map with ids 0 to {present[-1]}{flag}."
            yield Finding("label ids", "note", sentence)


def _ids(labels: int, counted: dict[int, np.ndarray], present: np.ndarray, total: np.ndarray) -> Iterator[Finding]:
    bad = {n: np.flatnonzero(count[labels:]) + labels for n, count in counted.items()}
    cases = [Case((n,), f"ids {_ranges(ids)}") for n, ids in bad.items() if len(ids)]
    if set(present) == {0, 255} and cases:
        sentence = "the masks have the values 0 and 255, but label ids are 0 and 1: divide them by 255."
        yield Finding("masks", "error", sentence, len(cases), cases[:MAX_CASES])
    else:
        out = present[present >= labels]
        what = f"label maps: ids out of range ({_ranges(out)}); --num-classes {labels} accepts 0 to {labels - 1}"
        yield from _finding("label ids", "error", what, cases, len(counted))
    if absent := sorted(set(range(labels)) - set(present)):
        yield Finding("label ids", "note", f"{len(absent)} of {labels} label ids never occur: {_ranges(absent)}.")


def _misaligned(alignment: _Alignment) -> Iterator[Finding]:
    own, order = alignment.own, np.argsort(alignment.own, kind="stable")

    def cases(places: Iterable[int]) -> list[Case]:
        return [Case((alignment.numbers[place],), f"alignment {own[place]:+.1f}") for place in places]

    if alignment.median < UNALIGNED:
        sentence = (
            f"source and target do not match: their edges fit no better than those of random partners "
            f"(median {alignment.median:+.1f} standard deviations)."
        )
        yield Finding("alignment", "warning", sentence, len(own), cases(order[:LOWEST]))
    elif alignment.median >= ALIGNED and (own <= 0).any():
        bad = [int(place) for place in order if own[place] <= 0]
        what = "pairs: the edges of source and target fit no better than those of random partners"
        yield from _finding("alignment", "warning", what, cases(bad), len(own))
    sentence = f"the {min(LOWEST, len(own))} pairs whose edges fit worst (median {alignment.median:+.1f})."
    yield Finding("lowest alignment", "note", sentence, min(LOWEST, len(own)), cases(order[:LOWEST]))


def _leaks(examples: Examples, good: dict[int, Facts]) -> Iterator[Finding]:
    train = [n for n in good if examples.parts[n] == "train"]
    held = [n for n in good if examples.parts[n] != "train"]
    first = {good[n].digest: n for n in reversed(train)}
    exact = [Case((n, first[good[n].digest]), "identical files") for n in held if good[n].digest in first]
    what = "validation examples: identical to a training example"
    yield from _finding("leak", "warning", what, exact, len(held))
    known = {case.numbers[0] for case in exact}
    near = _near(good, train, [n for n in held if n not in known])
    what = f"validation examples: near duplicate of a training example (hashes differ in at most {NEAR_BITS} bits)"
    yield from _finding("near leak", "warning", what, near, len(held))


def _near(good: dict[int, Facts], train: list[int], held: list[int]) -> list[Case]:
    """Validation examples with a training example that is a near duplicate on every side, the nearest first."""
    train, held = ([n for n in some if _tells(good[n])] for some in (train, held))
    if not train or not held:
        return []
    sides = range(len(good[train[0]].looks))
    signs = [np.array([good[n].looks[side].hash for n in train], np.float32) * 2 - 1 for side in sides]
    found = []
    for start in range(0, len(held), 256):  # limits the size of the distance matrix
        chunk = held[start : start + 256]
        worst = np.zeros((len(chunk), len(train)), np.float32)
        for side in sides:
            own = np.array([good[n].looks[side].hash for n in chunk], np.float32) * 2 - 1
            np.maximum(worst, (own.shape[1] - own @ signs[side].T) / 2, out=worst)
        nearest = worst.argmin(axis=1)
        distances = worst[np.arange(len(chunk)), nearest]
        found += [
            (int(distance), n, train[place])
            for n, place, distance in zip(chunk, nearest, distances, strict=True)
            if distance <= NEAR_BITS
        ]
    return [Case((n, other), f"{distance} of 256 bits differ") for distance, n, other in sorted(found)]


def _tells(facts: Facts) -> bool:
    """Whether the hash is informative, that is, whether some side is not constant."""
    return any(np.count_nonzero(look.hash) > NEAR_BITS for look in facts.looks)


def _classes(examples: Examples, good: dict[int, Facts]) -> Iterator[Finding]:
    if not examples.labelled:
        return
    seen: dict[bytes, int] = {}
    twice = []
    for n, found in good.items():
        other = seen.setdefault(found.digest, n)
        if examples.classes[other] != examples.classes[n]:
            twice.append(Case((n, other), f"{examples.classes[n]} and {examples.classes[other]}"))
    yield from _finding("class", "warning", "images: identical files in two classes", twice, len(good))


def _left_out(examples: Examples) -> Iterator[Finding]:
    for check, level, names, what in (
        ("no partner", "warning", examples.alone, "left out without a partner of the same name"),
        ("broken link", "warning", examples.broken, "left out as broken or circular links"),
    ):
        if names:
            yield Finding(check, level, f"{what}: {len(names)} ({listed(names)}).", len(names))
    if examples.others:
        sentence = f"left out as files of another kind: {len(examples.others)} ({listed(examples.others)})."
        yield Finding("other files", "note", sentence, len(examples.others))


# -- figures -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Alignment:
    """How much better the edges of each pair fit than those of random partners.

    Attributes:
        numbers: indices of the pairs.
        own: advantage of each pair [standard deviations of its random partners].
        median: median of `own`.
    """

    numbers: list[int]
    own: np.ndarray
    median: float


def _alignment(good: dict[int, Facts]) -> _Alignment | None:
    """Correlates the edge map of every source with that of every target; None if there are too few pairs.

    The mean edge map of each side is subtracted first, so that common structure (a frame, a centred object) has no
    effect.
    """
    numbers = [n for n, found in good.items() if all(look.edges.any() for look in found.looks)]
    if len(numbers) > MAX_ALIGNED:
        numbers = [numbers[place] for place in np.linspace(0, len(numbers) - 1, MAX_ALIGNED).astype(int)]
    if len(numbers) < MIN_ALIGNED:
        return None
    source, target = (_normalised(np.array([good[n].looks[side].edges for n in numbers])) for side in (0, 1))
    fits = source @ target.T
    own = np.diag(fits)
    others = len(fits) - 1
    mean = (fits.sum(axis=1) - own) / others
    deviation = np.sqrt(np.maximum(((fits**2).sum(axis=1) - own**2) / others - mean**2, 1e-12))
    advantage = (own - mean) / deviation
    return _Alignment(numbers, advantage, float(np.median(advantage)))


def _normalised(edges: np.ndarray) -> np.ndarray:
    """Subtracts the mean row and then the mean of each row, and scales rows to length 1."""
    rows = edges.astype(np.float32)
    rows -= rows.mean(axis=0)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _sizes(facts: dict[int, Facts]) -> dict[str, int]:
    """Number of examples of each size, "256x256", the most frequent first."""
    sizes = Counter((found.infos[0].width, found.infos[0].height) for found in facts.values() if found.infos)
    return {f"{width}x{height}": count for (width, height), count in sizes.most_common(MAX_SIZES)}


def _statistics(examples: Examples, good: dict[int, Facts]) -> dict[str, Any]:
    """For each side: kinds of images, mean and standard deviation of each channel; for label maps the counts of ids."""
    found: dict[str, Any] = {}
    for side, title in enumerate(examples.sides if good else ()):
        looks = [facts.looks[side] for facts in good.values()]
        infos = [facts.infos[side] for facts in good.values()]
        kinds = Counter(f"{'grey' if i.channels == 1 else 'colour'}{' + alpha' * i.alpha} {i.bits} bit" for i in infos)
        found[title] = {"kinds": dict(kinds.most_common())}
        if side == 0 and examples.labels:
            total = _added(look.counts for look in looks)
            found[title]["label_pixels"] = {str(value): int(total[value]) for value in np.flatnonzero(total)}
            continue
        channels = max(len(look.mean) for look in looks)
        mean, square = (  # every image has the same weight, as in training, where all are resized to one size
            np.mean([np.broadcast_to(moment, channels) for moment in moments], axis=0)
            for moments in ([look.mean for look in looks], [look.square for look in looks])
        )
        found[title]["mean"] = [round(float(value), 4) for value in mean]
        found[title]["deviation"] = [round(float(value), 4) for value in np.sqrt(np.maximum(square - mean**2, 0))]
    return found


def _added(counts: Iterable[np.ndarray]) -> np.ndarray:
    total = np.zeros(0, np.int64)
    for count in counts:
        longer, shorter = (total, count) if len(total) >= len(count) else (count, total)
        total = longer.copy()
        total[: len(shorter)] += shorter
    return total


def _ranges(values: Iterable[int]) -> str:
    """Formats 0, 1, 2, 5 as "0-2, 5"; only the first eight ranges."""
    ranges: list[list[int]] = []
    for value in map(int, values):
        if ranges and value == ranges[-1][1] + 1:
            ranges[-1][1] = value
        else:
            ranges.append([value, value])
    texts = [str(low) if low == high else f"{low}-{high}" for low, high in ranges]
    return ", ".join(texts[:8] + ["..."] * (len(texts) > 8))
