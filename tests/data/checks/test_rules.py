"""Every check finds its faults, and nothing in clean data. docs/data.md lists the false alarms of thresholds."""

import io
import os
import shutil
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.builtin.facades import PALETTE, draw_pair
from keras_gen.data.checks import rules as checks
from keras_gen.data.checks.inspection import Images, Pairs
from keras_gen.data.checks.report import as_json, sheet, table, write_report
from keras_gen.data.checks.rules import check, quick_check
from keras_gen.data.files.codecs import MAX_PIXELS
from keras_gen.data.files.packing import pack_pairs
from keras_gen.data.files.pair_sources import find_pairs
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.errors import UserError

COUNT = 40


@pytest.fixture(scope="module")
def drawn():
    """Forty pairs of label map and picture, 64x64."""
    return [draw_pair(64, 0, number) for number in range(COUNT)]


@pytest.fixture
def joined(tmp_path, drawn):
    """Clean side-by-side pairs, 36 for training and 4 for validation."""
    for number, (labels, photo) in enumerate(drawn):
        folder = tmp_path / "pairs" / ("train" if number < 36 else "val")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate([PALETTE[labels], photo], axis=1)).save(folder / f"{number:02d}.png")
    return tmp_path / "pairs"


@pytest.fixture
def mapped(tmp_path, drawn):
    """Clean pairs in two folders: label ids and pictures."""
    for number, (labels, photo) in enumerate(drawn):
        for side, array in (("A", labels), ("B", photo)):
            (tmp_path / side).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / side / f"{number:02d}.png")
    return tmp_path


def checked(spec, **options):
    return check(Pairs(PairsConfig(data=str(spec), image_size=64, **options)))


def checked_images(folder, labelled=False):
    return check(Images(folder, MAX_PIXELS, val_every=10, anywhere=not labelled))


def found(result, name):
    """The files in the cases of one check."""
    findings = [finding for finding in result.findings if finding.check == name]
    return [
        result.examples.names(number)[0].rsplit("/", 1)[-1] for f in findings for c in f.cases for number in c.numbers
    ]


def levels(result):
    return {finding.check: finding.level for finding in result.findings if finding.level != "note"}


def test_clean_pairs_are_clean(joined):
    result = checked(joined)
    assert levels(result) == {}
    assert result.exit_code == 0
    assert result.summary["parts"] == {"train": 36, "val": 4}
    assert result.summary["sizes"] == {"128x64": 40}
    assert len(found(result, "lowest alignment")) == 10


def test_statistics_are_those_of_the_pixels(joined, drawn):
    photos = np.array([photo for _, photo in drawn]) / 255
    figures = checked(joined).summary["sides"]["target"]
    np.testing.assert_allclose(figures["mean"], photos.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(figures["deviation"], photos.std((0, 1, 2)), atol=1e-4)


def test_labels_are_counted(mapped, drawn):
    result = checked(mapped, num_classes=len(PALETTE))
    counts = np.bincount(np.array([labels for labels, _ in drawn]).ravel(), minlength=len(PALETTE))
    expected = {str(value): int(count) for value, count in enumerate(counts) if count}
    assert result.summary["sides"]["source"]["label_pixels"] == expected
    assert levels(result) == {}
    assert "looks like a label map" in table(checked(mapped))


def test_files_that_cannot_be_used_are_errors(joined):
    files = sorted((joined / "train").iterdir())
    files[0].write_bytes(b"PK\x03\x04" + bytes(50))
    files[1].write_bytes(files[1].read_bytes()[:-200])
    files[2].write_bytes(b"")
    Image.new("RGB", (63, 64)).save(files[3])
    result = checked(joined)
    assert (found(result, "unreadable"), found(result, "truncated")) == (["00.png", "02.png"], ["01.png"])
    assert found(result, "unusable") == ["03.png"]
    assert result.exit_code == 2
    assert "00.png is not a PNG, JPEG" in table(result, width=10**6)


def test_headers_are_checked(joined):
    files = sorted((joined / "train").iterdir())
    shutil.move(files[0], files[0].with_suffix(".jpg"))
    picture = Image.open(files[1])
    picture.save(files[1], save_all=True, append_images=[picture.transpose(Image.Transpose.ROTATE_180)])
    picture.convert("CMYK").save(joined / "train" / "01x.jpg")
    Image.open(files[2]).convert("RGBA").save(files[2])
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.open(files[3]).save(files[3], exif=exif)
    Image.open(files[4]).convert("L").save(files[4])
    Image.open(files[5]).resize((512, 64)).save(files[5])
    result = checked(joined)
    for name, expected in {
        "extension": ["00.jpg"],
        "animated": ["01.png"],
        "CMYK": ["01x.jpg"],
        "alpha": ["02.png"] * 2,
        "EXIF rotation": ["03.png"],
        "channel mix": ["04.png"] * 2,
        "odd sizes": ["05.png"],
    }.items():
        assert found(result, name) == expected
    assert result.exit_code == 1


def test_sixteen_bits_among_eight_are_a_warning(mapped):
    grey = np.asarray(Image.open(mapped / "B" / "07.png").convert("L"))
    Image.fromarray(grey * np.uint16(257)).save(mapped / "B" / "07.png")
    result = checked(mapped, num_classes=len(PALETTE))
    assert found(result, "16 bit") == ["07.png"]
    assert levels(result) == {"16 bit": "warning"}


def test_partners_and_links_that_are_missing_are_warnings(mapped):
    (mapped / "A" / "99.png").symlink_to("99.png")
    shutil.copy(mapped / "A" / "00.png", mapped / "A" / "alone.png")
    result = checked(mapped, num_classes=len(PALETTE))
    assert levels(result) == {"no partner": "warning", "broken link": "warning"}
    assert "alone.png" in table(result)


def test_label_ids_out_of_range_are_errors(mapped):
    result = checked(mapped, num_classes=len(PALETTE) - 1)
    (finding,) = result.of_level("error")
    assert f"ids out of range ({len(PALETTE) - 1}); --num-classes {len(PALETTE) - 1} accepts" in finding.sentence


def test_masks_of_0_and_255_are_named(mapped):
    for file in (mapped / "A").iterdir():
        Image.fromarray((np.asarray(Image.open(file)) > 1).astype(np.uint8) * 255).save(file)
    (finding,) = checked(mapped, num_classes=2).of_level("error")
    assert "the masks have the values 0 and 255, but label ids are 0 and 1" in finding.sentence
    result = checked(mapped)
    assert "every source is a mask of 0 and 255" in table(result)
    assert result.exit_code == 0


def test_nearly_constant_images_are_found(joined):
    half = np.full((64, 64, 3), 100, np.uint8)
    half[0, 0] = 101
    array = np.asarray(Image.open(joined / "train" / "03.png"))
    Image.fromarray(np.concatenate([array[:, :64], half], axis=1)).save(joined / "train" / "03.png")
    assert found(checked(joined), "constant") == ["03.png"]


def test_leaks_are_found_exactly_and_nearly(joined):
    shutil.copy(joined / "train" / "05.png", joined / "val" / "exact.png")
    picture = Image.open(joined / "train" / "06.png")
    picture.resize((256, 128)).save(joined / "val" / "near.jpg", quality=90)
    result = checked(joined)
    assert found(result, "leak") == ["exact.png", "05.png"]
    assert found(result, "near leak") == ["near.jpg", "06.png"]
    assert result.exit_code == 1


def test_pairs_that_share_one_side_alone_are_no_leak(joined):
    array = np.array(Image.open(joined / "val" / "36.png"))
    array[:, :64] = np.asarray(Image.open(joined / "train" / "07.png"))[:, :64]
    Image.fromarray(array).save(joined / "val" / "36.png")
    assert "near leak" not in levels(checked(joined))


def test_one_wrong_partner_is_among_the_lowest_and_all_wrong_are_said(joined, drawn):
    files = sorted((joined / "train").iterdir())
    halves = [np.split(np.asarray(Image.open(file)), 2, axis=1) for file in files]
    Image.fromarray(np.concatenate([halves[0][0], halves[9][1]], axis=1)).save(files[0])
    assert "00.png" in found(checked(joined), "lowest alignment")
    for file, (left, _), (_, right) in zip(files, halves, halves[1:] + halves[:1], strict=True):
        Image.fromarray(np.concatenate([left, right], axis=1)).save(file)
    (finding,) = checked(joined).of_level("warning")
    assert "source and target do not match" in finding.sentence


def test_folders_of_images_and_of_classes(tmp_path, drawn):
    for number, (_, photo) in enumerate(drawn):
        folder = tmp_path / ("train" if number < 30 else "val") / f"class{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / f"{number:02d}.png")
    result = checked_images(tmp_path, labelled=True)
    assert result.summary["classes"] == {"class0": 14, "class1": 13, "class2": 13}
    assert (result.summary["parts"], result.exit_code) == ({"train": 30, "val": 10}, 0)

    shutil.copy(tmp_path / "train" / "class0" / "00.png", tmp_path / "val" / "class1" / "leak.png")
    result = checked_images(tmp_path, labelled=True)
    assert found(result, "leak") == ["leak.png", "00.png"]
    assert "in two classes" in table(result, width=10**6)
    assert checked_images(tmp_path).exit_code == 1  # without classes only the leak remains


@pytest.mark.parametrize("held", ["val", "Validation", None])
def test_the_check_counts_as_training_does(tmp_path, drawn, held):
    for number, (_, photo) in enumerate(drawn):
        folder = tmp_path / ("Train" if number < 30 or not held else held) / f"{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / f"{number:02d}.jfif", "JPEG")
    (tmp_path / "test").mkdir() if held else None
    result = checked_images(tmp_path, labelled=True)
    data = ImagesConfig(data=str(tmp_path)).open(0)
    assert result.summary["parts"] == {"train": data.train_size, "val": data.val_size}
    assert result.summary["split"] in data.describe()
    assert ("not used: test" in data.describe()) == bool(held)
    (tmp_path / "Train" / "3").mkdir()  # an empty class
    for read in (lambda: ImagesConfig(data=str(tmp_path)).open(0), lambda: checked_images(tmp_path, True)):
        with pytest.raises(
            UserError, match=r"Train/3 holds no images .*; accepted is a folder of images for each class"
        ):
            read()


def test_single_pictures_are_not_taken_for_pairs(tmp_path, drawn):
    for number, (_, photo) in enumerate(drawn):
        Image.fromarray(photo).save(tmp_path / f"{number:02d}.png")
    sentences = quick_check(PairsConfig(data=str(tmp_path), image_size=64))
    assert any("the files do not look like pairs: each should hold two images side by side" in one for one in sentences)


@pytest.mark.parametrize(("bits", "level"), [(10, "error"), (12, "error"), (14, "error"), (16, "note")])
def test_few_bits_in_sixteen_are_found_over_the_whole_set(tmp_path, drawn, bits, level):
    for number, (_, photo) in enumerate(drawn):
        grey = photo[..., 0].astype(np.uint16) << (bits - 8)
        Image.fromarray(grey if number else grey // 8).save(tmp_path / f"{number:02d}.png")  # one is dark
    dark = [finding for finding in checked_images(tmp_path).findings if finding.check == "dark"]
    assert [finding.level for finding in dark] == [level] * (bits < 16)
    if bits < 16:
        for gib in (1, 0):
            with pytest.raises(UserError, match=r"16-bit images with values of at most \d+, .* multiply the values by"):
                ImagesConfig(data=str(tmp_path), cache_gib=gib).open(0)
    else:
        assert ImagesConfig(data=str(tmp_path)).open(0).train_size == 36


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no images"):
        Images(tmp_path, MAX_PIXELS, val_every=10)
    with pytest.raises(UserError, match="is not a folder"):
        Images(tmp_path / "gone", MAX_PIXELS, val_every=10)


def test_shards_are_checked_record_by_record(joined, tmp_path):
    split = find_pairs(str(joined), image_size=64, val_every=10)
    pack_pairs(split, tmp_path / "packed", shards=1)
    assert levels(checked(tmp_path / "packed")) == {}
    (shard,) = (tmp_path / "packed").glob("train-*.tfrecord")
    damaged = bytearray(shard.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    shard.write_bytes(damaged)
    result = checked(tmp_path / "packed")
    (finding,) = result.of_level("error")
    assert (finding.check, finding.count) == ("unreadable", 1)
    assert "the record at byte" in finding.sentence


# -- the report --------------------------------------------------------------------------------------------------------


def test_the_report_holds_the_worst_with_thumbnails_and_names_that_cannot_do_harm(joined, tmp_path):
    name = "<b>\n" + os.fsdecode(b"\xff") + ".png"
    (joined / "train" / name).write_bytes(b"")
    shutil.copy(joined / "train" / "05.png", joined / "val" / "exact.png")
    result = checked(joined)
    page = sheet(result, str(joined))
    assert "&lt;b&gt;\\n\\xff.png" in page
    assert "<b>\n" not in page
    assert page.count("<img") >= 2 * (2 + 10)  # the leak's two pairs and the ten of the lowest alignment
    assert "no picture" in page
    assert as_json(result, "x")["exit_code"] == 2
    path = write_report(result, str(joined), tmp_path / "out")
    assert path.read_text(encoding="utf-8") == page
    with pytest.raises(UserError, match=r"--out got .* which cannot be written"):
        write_report(result, "x", path / "below")


# -- the quick form ----------------------------------------------------------------------------------------------------


def test_the_quick_form_samples_evenly_and_within_its_pixels(joined, monkeypatch):
    pairs = Pairs(PairsConfig(data=str(joined), image_size=64))
    assert checks.sample(pairs) == list(range(40))
    monkeypatch.setattr(checks, "QUICK_EXAMPLES", 8)
    assert checks.sample(pairs) == [0, 7, 14, 21, 28, 35, 36, 39]
    monkeypatch.setattr(checks, "QUICK_PIXELS", 4 * 128 * 64)
    assert checks.sample(pairs) == [0, 14, 28, 39]
    assert check(pairs, quick=True).summary["looked_at"] == 4


def test_the_quick_form_warns_raises_and_can_be_left_out(joined):
    config = PairsConfig(data=str(joined))
    assert quick_check(config) == []
    shutil.copy(joined / "train" / "05.png", joined / "val" / "exact.png")
    assert quick_check(config) == ["1 of 5 validation examples: identical to a training example."]
    (joined / "train" / "00.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"fails the check of 41 of its 41 pairs \(1 of 41 .*00.png is empty\);"):
        quick_check(config)
    assert len(quick_check(PairsConfig(data=str(joined), skip_bad=True, image_size=64))) == 1
    assert quick_check(PairsConfig(data=str(joined), check=False, image_size=64)) == []
    assert quick_check(PairsConfig()) == []  # the facades are not even drawn


# -- hostile inputs, in the check and in the training data layer -------------------------------------------------------


def bomb(width, height):
    """A PNG of a few kilobytes whose header claims a huge size."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture
def hostile(joined):
    folder = joined / "train"
    (folder / "bomb.png").write_bytes(bomb(60000, 60000))
    file = io.BytesIO()
    Image.open(folder / "01.png").save(file, "JPEG")
    jpeg = bytearray(file.getvalue())
    at = jpeg.find(b"\xff\xc0")
    jpeg[at + 5 : at + 7] = struct.pack(">H", 60000)
    (folder / "lying.jpg").write_bytes(jpeg)
    (folder / "zip.jpg").write_bytes(b"PK\x03\x04" + bytes(100))
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "circle").symlink_to(".")
    shutil.copy(folder / "02.png", folder / "new\nline.png")
    shutil.copy(folder / "03.png", os.fsdecode(os.fsencode(folder) + b"/bad\xff\xfe.png"))
    (folder / os.fsdecode(b"empty\xfd.png")).write_bytes(b"")
    return joined


SENTENCES = (
    r"bomb.png claims to have 60000x60000 pixels, more than --max-pixels 100,000,000",
    r"lying.jpg is truncated or damaged",
    r"zip.jpg is not a PNG, JPEG, WebP, BMP or GIF image",
    r"empty\xfd.png is empty",
)


def test_hostile_files_cost_a_sentence_each(hostile):
    start = time.perf_counter()
    for result in (checked(hostile), checked_images(hostile)):
        whys = [case.why for finding in result.of_level("error") for case in finding.cases]
        assert sorted(why.rsplit("/", 1)[-1].rstrip(".") for why in whys) == sorted(SENTENCES)
        assert "loop.png" in table(result)
        names = {result.examples.names(number)[0].rsplit("/", 1)[-1] for number in range(len(result.examples))}
        assert {r"new\nline.png", r"bad\xff\xfe.png"} <= names
    assert time.perf_counter() - start < 20


def test_the_training_data_layer_takes_hostile_files_too(hostile):
    with pytest.raises(UserError, match=r"4 of 46 pairs cannot be read \(.*; and 1 more\); --skip-bad") as error:
        PairsConfig(data=str(hostile), image_size=32).open(seed=0)
    assert str(error.value).isprintable()
    data = PairsConfig(data=str(hostile), skip_bad=True, image_size=32).open(seed=0)
    assert (data.train_size, data.val_size) == (38, 4)
    assert {sentence.rsplit("/", 1)[-1].rstrip(".") for sentence in data.skipped} == set(SENTENCES)
    assert r"left out as broken links: 1" in data.describe()
    assert len(next(iter(data.train(4, stop=4)))) == 2


def test_max_pixels_is_a_flag_of_both(joined):
    with pytest.raises(UserError, match="claims to have 128x64 pixels, more than --max-pixels 8,191"):
        PairsConfig(data=str(joined), max_pixels=8191, image_size=32).open(seed=0)
    assert checked(joined, max_pixels=8191).exit_code == 2
    assert checked(joined, max_pixels=8192).exit_code == 0


def test_an_empty_partner_is_not_taken_for_a_pair_side_by_side(mapped):
    (mapped / "B" / "07.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 40 pairs cannot be read \(.*B/07.png is empty\)"):
        PairsConfig(data=str(mapped), image_size=32).open(seed=0)


def test_twenty_thousand_empty_files_end_soon(tmp_path):
    for number in range(20_000):
        (tmp_path / f"{number}.png").touch()
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"200 of 200 examples: .*0.png is empty; .* and 197 more"):
        quick_check(PairsConfig(data=str(tmp_path), image_size=32))
    assert checked_images(tmp_path).findings[0].count == 20_000
    assert time.perf_counter() - start < 40


def test_false_alarms_on_real_pairs(shared: Path):
    """The figures in docs/data.md."""
    facades = check(Pairs(PairsConfig(data=str(shared / "data" / "facades_cmp"), direction="BtoA", image_size=256)))
    assert {finding.check: finding.count for finding in facades.of_level("warning")} == {"alignment": 3}
    folders = ",".join(str(shared / "data" / "emoji_pairs" / style) for style in ("noto", "twemoji"))
    emoji = check(Pairs(PairsConfig(data=folders, image_size=256)))
    assert {finding.check: finding.count for finding in emoji.of_level("warning")} == {"near leak": 3}
