"""Folders of untrusted files: which are listed, which are left out, and how names are printed."""

import os
from pathlib import Path

import pytest

from keras_gen.data.files import folders
from keras_gen.errors import UserError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Straße 1.png", "Straße 1.png"),
        ("a\nb\x1b[31m.png", "a\\nb\\x1b[31m.png"),
        (os.fsdecode(b"bad\xff\xfe.png"), "bad\\xff\\xfe.png"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_names_are_shown_in_one_printable_line(name, expected):
    assert folders.shown(name) == expected
    folders.shown(name).encode()


def test_the_first_complaints_are_listed_and_the_rest_counted():
    assert folders.listed(["a is empty.", "b is truncated."]) == "a is empty; b is truncated"
    assert folders.listed(["a.", "b.", "c.", "d.", "e."]) == "a; b; c; and 2 more"


def test_a_tree_is_walked_once_whatever_its_links(tmp_path):
    for name in ("b.png", "a/1.jpg", "a/deep/2.gif", "a/notes.txt", ".hidden/3.png", "._b.png"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "4.png").write_bytes(b"")
    root = tmp_path / "root"
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(root / "a")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "top").symlink_to("/")
    (root / "loop.png").symlink_to("loop.png")
    (root / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(root / "pipe.png")
    found = folders.walk(root)
    names = [str(file.relative_to(root)) for file in found.images]
    assert names == ["b.png", "a/1.jpg", "a/deep/2.gif", "linked/4.png"]  # "again" is the same folder as "a"
    assert sorted(link.name for link in found.broken) == ["gone.jpg", "loop.png"]
    assert [file.name for file in found.others] == ["pipe.png", "notes.txt"]


def test_a_file_larger_than_any_image_is_refused_unread(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10 * 2**40)
    with pytest.raises(UserError, match=r"huge.png has 10,995,116,277,760 bytes; accepted are"):
        folders.list_images(tmp_path)


def test_links_are_listed_as_broken_and_not_as_images(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "good.png").write_bytes(b"")
    (tmp_path / "linked.png").symlink_to("good.png")
    found = folders.listing(tmp_path)
    assert [file.name for file in found.images] == ["good.png", "linked.png"]
    assert found.broken == [Path(tmp_path / "loop.png")]
