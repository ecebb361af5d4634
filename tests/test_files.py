"""Atomic writing of files, and checks of paths."""

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from keras_gen.errors import UserError
from keras_gen.files import (
    remove,
    replacing,
    require_folder,
    require_utf8,
    require_writable,
    sha256_of,
    write,
    write_json,
)

ROOT = Path(__file__).resolve().parents[1]


def test_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "file"
    write(path, "a long text")
    write(path, b"short")
    assert path.read_bytes() == b"short"
    write_json(path, {"a": [1]})
    assert path.read_text() == '{\n  "a": [\n    1\n  ]\n}\n'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, "file", "folder"])
def test_what_was_there_stays_if_writing_fails(tmp_path, old):
    path = tmp_path / "it"
    if old == "file":
        path.write_text("old")
    elif old == "folder":
        path.mkdir()
        (path / "old").write_text("old")
    before = sorted(p.name for p in tmp_path.rglob("*"))

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_a_folder_replaces_a_folder_and_the_leftover_of_a_killed_process(tmp_path):
    path, leftover = tmp_path / "it", tmp_path / "it.part"
    for folder in (path, leftover):
        folder.mkdir()
        (folder / "old").write_text("old")
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert [p.name for p in path.iterdir()] == ["new"]
    assert not leftover.exists()


def test_remove_takes_what_is_there(tmp_path):
    remove(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    remove(tmp_path / "link")
    assert (tmp_path / "folder").is_dir()
    remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


READ_ONLY = """
import os, sys
from pathlib import Path
from keras_gen.errors import UserError
from keras_gen.files import require_folder, require_writable
if os.geteuid() == 0:  # who may write everywhere
    os.setuid(65534)
folder = Path(sys.argv[1])
for check in (require_folder, require_writable):
    for path, flag in ((folder / "new", "--out"), (folder / "file" / "new", "--json")):
        try:
            check(path, flag)
        except UserError as error:
            print(error)
"""


def test_what_cannot_be_written_is_said_without_blaming_a_flag_that_was_not_given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read_only")
    for above in folder.parents:  # one more of them in a process of pytest-xdist
        if not above.stat().st_mode & stat.S_IXOTH:
            above.chmod(0o755)
    (folder / "file").touch()
    folder.chmod(0o555)
    result = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(folder)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    folder.chmod(0o755)
    assert result.stdout.splitlines() == [
        f"{folder}/new cannot be written; --out DIR accepts a folder that is writable or can be created.",
        f"{folder}/file/new cannot be written; --json DIR accepts a folder that is writable or can be created.",
        f"{folder}/new cannot be written; --out FILE accepts a file in a folder that exists and is writable.",
        f"{folder}/file/new cannot be written; --json FILE accepts a file in a folder that exists and is writable.",
    ]


def test_a_folder_that_can_be_made_or_exists_is_accepted(tmp_path):
    require_folder(tmp_path / "a" / "b", "--out")
    require_folder(tmp_path, "--out")
    require_writable(tmp_path / "file", "--json")


def test_a_name_that_tensorflow_cannot_open_is_shown_and_refused():
    require_utf8("Größe/画像")
    with pytest.raises(UserError, match=r"^the name run\\xff is not UTF-8, "):
        require_utf8(os.fsdecode(b"run\xff"))


@pytest.mark.parametrize("content", [b"abc", bytes(2**20 + 5)])
def test_the_sha256_of_a_file(content, tmp_path):
    """Also of one that is read in several parts. The digest of "abc" is that of FIPS 180-2, appendix B.1."""
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()
    assert content != b"abc" or sha256_of(tmp_path / "file").startswith("ba7816bf8f01cfea414140de5dae2223")
